"""The directory of sites: what a connection needs to know of its site, kept in the process's memory.

Promises that a change made in this process is seen at once, and one made elsewhere (by a command, by another
node) within `LIFE_SECONDS`, or as soon as somebody tells this process to `forget` the site. May be called from any
thread; a look-up that is not in memory asks memcached, and then the database, once for all who want it meanwhile.
Memcached has the secrets as the database has them, encrypted.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from msgspec import Struct

from avchat.cache import Shelf
from avchat.tenants import crypto
from avchat.tenants.models import Origin, Secret, Site

LIFE_SECONDS = 2.0
SHARED_SECONDS = 60
# Made-up keys are remembered too, so what is remembered has a bound.
MAX_SITES = 10_000
KEY_FORM = re.compile(r"[A-Za-z0-9_-]{1,40}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """A site as connections see it."""

    id: int
    key: str
    name: str
    guests: bool
    suspended: bool
    grace: float
    limited: bool
    digest: bool
    options: Mapping[str, Any]
    origins: frozenset[str]
    # By kid, oldest first; never shown by a traceback or a log line.
    secrets: Mapping[str, str] = field(repr=False)
    first_seen: datetime | None

    def admits(self, origin: str | None) -> bool:
        """Whether a page of this origin may open the chat. Without an origin the token decides; no list takes any."""
        return origin is None or not self.origins or origin in self.origins


class _Row(Struct, frozen=True):
    """A site as it is stored."""

    id: int
    key: str
    name: str
    guests: bool
    suspended: bool
    grace: float
    limited: bool
    digest: bool
    options: dict[str, Any]
    origins: list[str]
    # By kid, oldest first.
    ciphertexts: dict[str, bytes]
    first_seen: datetime | None


changed: list[Callable[[str], None]] = []
"""Called with a site's key after a change of it, made in this process, is committed: for telling other processes."""

_shelf = Shelf("site", _Row, seconds=SHARED_SECONDS)
_lock = threading.Lock()
_known: dict[str, tuple[float, SiteInfo | None]] = {}
# What is being looked up, and by nobody twice.
_coming: dict[str, Future[SiteInfo | None]] = {}


def site(key: str) -> SiteInfo | None:
    """The site with this key, or None. Suspended sites are found too."""
    if not KEY_FORM.fullmatch(key):
        return None
    with _lock:
        until, before = _known.get(key, (0.0, None))
        if time.monotonic() < until:
            return before
        other = _coming.get(key)
        if other is None:
            ours = _coming[key] = Future()
    if other is not None:
        return other.result()
    try:
        info = _load(key)
    except BaseException as error:
        with _lock:
            _done(key, ours)
        ours.set_exception(error)
        raise
    if info == before:
        # Each connection keeps what it was let in by: one and the same, as long as nothing changes.
        info = before
    with _lock:
        # What was read before a change must not outlive it.
        if _done(key, ours):
            if len(_known) >= MAX_SITES:
                _known.clear()
            _known[key] = (time.monotonic() + LIFE_SECONDS, info)
    ours.set_result(info)
    return info


def forget(key: str | None = None) -> None:
    """Drop a site (or all) from this process's memory: it was changed."""
    with _lock:
        for memory in (_known, _coming):
            if key is None:
                memory.clear()
            else:
                memory.pop(key, None)


def watch() -> None:
    """Have every process forget a site when it, an origin or a secret of it changes in this process."""
    for model in (Site, Origin, Secret):
        for signal in (post_save, post_delete):
            signal.connect(_changed, sender=model, dispatch_uid=f"directory-{model.__name__}")


def _changed(instance: Site | Origin | Secret, **_: Any) -> None:
    key = instance.key if isinstance(instance, Site) else instance.site.key
    forget(key)
    _shelf.forget([key])
    # Other threads may still read the old rows until the change is committed.
    transaction.on_commit(partial(_announce, key))


def _announce(key: str) -> None:
    forget(key)
    for tell in changed:
        try:
            tell(key)
        except Exception:
            # The change is made; who is not told of it sees it a little later.
            log.exception("A change of site %s could not be told", key)


def _done(key: str, look_up: Future[SiteInfo | None]) -> bool:
    """Ends a look-up; whether the site was not changed meanwhile."""
    if _coming.get(key) is not look_up:
        return False
    del _coming[key]
    return True


def _load(key: str) -> SiteInfo | None:
    row = _shelf.fetch({key: key}, _read).get(key)
    if row is None:
        return None
    secrets: dict[str, str] = {}
    for kid, ciphertext in row.ciphertexts.items():
        try:
            secrets[kid] = crypto.decrypt(ciphertext)
        except crypto.KeyLost as error:
            log.error("Secret %s of site %s cannot be used: %s", kid, row.key, error)
    return SiteInfo(
        id=row.id,
        key=row.key,
        name=row.name,
        guests=row.guests,
        suspended=row.suspended,
        grace=row.grace,
        limited=row.limited,
        digest=row.digest,
        options=MappingProxyType(row.options),
        origins=frozenset(row.origins),
        secrets=MappingProxyType(secrets),
        first_seen=row.first_seen,
    )


def _read(keys: Iterable[str]) -> dict[str, _Row]:
    """The sites of these keys, from the database."""
    sites = Site.objects.filter(key__in=keys).prefetch_related("origins", "secrets")
    return {site.key: _row(site) for site in sites}


def _row(site: Site) -> _Row:
    secrets = sorted(site.secrets.all(), key=lambda each: each.pk)
    return _Row(
        id=site.pk,
        key=site.key,
        name=site.name,
        guests=site.guests,
        suspended=site.suspended,
        grace=site.grace,
        limited=site.limited,
        digest=site.digest_since is not None,
        options=site.options,
        origins=[each.origin for each in site.origins.all()],
        ciphertexts={secret.kid: bytes(secret.ciphertext) for secret in secrets},
        first_seen=site.first_seen,
    )

"""The directory of sites: what a connection needs to know of its site, kept in the process's memory.

Promises that a change made in this process is seen at once, and one made elsewhere (by a command, by another
node) within `LIFE_SECONDS`. May be called from any thread; a look-up that is not in memory asks the database.
"""

import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save

from avchat.tenants import crypto
from avchat.tenants.models import Origin, Secret, Site

LIFE_SECONDS = 2.0
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


_lock = threading.Lock()
_known: dict[str, tuple[float, SiteInfo | None]] = {}
_changes = 0


def site(key: str) -> SiteInfo | None:
    """The site with this key, or None. Suspended sites are found too."""
    if not KEY_FORM.fullmatch(key):
        return None
    with _lock:
        seen = _changes
        until, info = _known.get(key, (0.0, None))
    if time.monotonic() < until:
        return info
    info = _load(key)
    with _lock:
        # What was read before a change must not outlive it.
        if seen == _changes:
            if len(_known) >= MAX_SITES:
                _known.clear()
            _known[key] = (time.monotonic() + LIFE_SECONDS, info)
    return info


def forget() -> None:
    """Drop all that is in memory: the next look-up asks the database."""
    global _changes
    with _lock:
        _changes += 1
        _known.clear()


def watch() -> None:
    """Drop what is in memory whenever a site, an origin or a secret changes in this process."""
    for model in (Site, Origin, Secret):
        for signal in (post_save, post_delete):
            signal.connect(_changed, sender=model, dispatch_uid=f"directory-{model.__name__}")


def _changed(**_: Any) -> None:
    forget()
    # Other threads may still read the old rows until the change is committed.
    transaction.on_commit(forget)


def _load(key: str) -> SiteInfo | None:
    row = Site.objects.filter(key=key).prefetch_related("origins", "secrets").first()
    if row is None:
        return None
    secrets: dict[str, str] = {}
    for secret in sorted(row.secrets.all(), key=lambda each: each.pk):
        try:
            secrets[secret.kid] = crypto.decrypt(bytes(secret.ciphertext))
        except crypto.KeyLost as error:
            log.error("Secret %s of site %s cannot be used: %s", secret.kid, row.key, error)
    return SiteInfo(
        id=row.pk,
        key=row.key,
        name=row.name,
        guests=row.guests,
        suspended=row.suspended,
        grace=row.grace,
        limited=row.limited,
        digest=row.digest_since is not None,
        options=MappingProxyType(dict(row.options)),
        origins=frozenset(each.origin for each in row.origins.all()),
        secrets=MappingProxyType(secrets),
        first_seen=row.first_seen,
    )

"""What the processes of an installation remember together, in memcached. For speed, never for truth.

Promises that a memcached that is slow, gone, empty or full of nonsense changes no answer but its time, and that
nothing is kept of what a transaction has not committed. Without `AVCHAT_MEMCACHED` nothing is kept at all. Blocks
for up to a few tenths of a second where a server is gone, and so is not for the event loop.

A value belongs on a shelf, and there are two ways for it to stay right:

- Its name carries the version of what it shows. It cannot be out of date, only out of use.
- Its name is for good, and who changes it calls `Shelf.forget`. The race that makes this hard: a reader misses,
  reads the row, and is slow; meanwhile the row is changed and the value forgotten; then the reader stores what it
  read. So forgetting leaves a tombstone for `GRAVE_SECONDS`, and readers store with `add`, which does nothing where
  there is something; and a reader that took longer than `READ_SECONDS`, which the tombstone may not have outlived,
  stores nothing. The tombstone is set before the commit, for a process that dies right after it, and again after the
  commit, for readers that read the old row in between. One that does not arrive because memcached is cut off from
  here is owed: this process believes nothing that memcached has in its place, and sets it before its next look-up.
  What is left: others, who are not cut off, until then; one of several servers that was away, while the others had
  its names, and has its memory still; and a process that is frozen between its look at the clock and its `add`. They
  leave a value that is out of date for `seconds` of its shelf at most.
"""

import hashlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from django.conf import settings
from django.core.cache import caches
from django.core.signals import setting_changed
from django.db import connection, transaction

ALIAS = "shared"
GRAVE = b""
GRAVE_SECONDS = 10
READ_SECONDS = 5.0
TRIES = 8
"""How often something is asked: each connection that was open to a server that went turns out to be dead when it is
used. Where no server is left, a try costs nothing."""
MAX_VALUE = 512 * 1024
MANY = 200
"""Values that are asked for at once."""
MAX_OWED = 100_000
"""Tombstones that are owed at the most; more are lost."""
COMPLAINT_SECONDS = 60.0

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

counts: Counter[tuple[str, str]] = Counter()
"""Since the process began: (shelf, `hit` | `miss`), and (`memcached`, `fault`)."""

_lock = threading.Lock()
_backend: Any = None
_complained = -COMPLAINT_SECONDS
# Keys whose tombstones did not arrive.
_owed: dict[str, None] = {}


class Shelf(Generic[V]):
    """One kind of value. May be used from any thread but the event loop's."""

    def __init__(self, kind: str, type: type[V], *, seconds: int) -> None:
        """Values of `type`, which has to be one that msgspec takes, are kept for `seconds`."""
        self.kind = kind
        self.seconds = seconds
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(type)

    def fetch(self, wanted: Mapping[str, K], load: Callable[[list[K]], Mapping[K, V]]) -> dict[K, V]:
        """The values of these names, each under what the name maps to.

        Names are printable ASCII without spaces, at most 150 characters. What is not on the shelf is asked of `load`,
        all at once; what `load` leaves out does not exist and is not remembered.
        """
        # What a transaction sees may never be committed.
        if not wanted or not _shared() or connection.in_atomic_block:
            return dict(load(list(wanted.values()))) if wanted else {}
        began = time.monotonic()
        stored = self._stored(list(wanted))
        found: dict[K, V] = {}
        missing: dict[str, K] = {}
        for name, key in wanted.items():
            value = self._decode(stored.get(name, GRAVE))
            if value is None:
                missing[name] = key
            else:
                found[key] = value
        self._count(hit=len(found), miss=len(missing))
        if missing:
            loaded = load(list(missing.values()))
            found.update(loaded)
            absent = {name: loaded[key] for name, key in missing.items() if key in loaded and name not in stored}
            self._keep(absent, until=began + READ_SECONDS)
        return found

    def forget(self, names: Iterable[str]) -> None:
        """These values are changed by the transaction that is under way, or were just now."""
        keys = [self._key(name) for name in names]
        if keys and _shared():
            _bury(keys)
            transaction.on_commit(partial(_bury, keys), robust=True)

    def _stored(self, names: list[str]) -> dict[str, bytes]:
        _settle()
        found: dict[str, bytes] = {}
        for start in range(0, len(names), MANY):
            keys = {self._key(name): name for name in names[start : start + MANY]}
            # Before it is asked: another thread may set them while the answer, which is older, is on its way.
            owed = keys.keys() & _owed.keys()
            answer: dict[str, bytes] = _ask({}, "get_many", list(keys))
            found.update((keys[key], GRAVE if key in owed else data) for key, data in answer.items())
        return found

    def _keep(self, values: Mapping[str, V], until: float) -> None:
        for name, value in values.items():
            data = self._encoder.encode(value)
            if len(data) <= MAX_VALUE and time.monotonic() < until:
                _ask(False, "add", self._key(name), data, self.seconds)

    def _decode(self, data: bytes) -> V | None:
        if data == GRAVE:
            return None
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None

    def _key(self, name: str) -> str:
        return f"{self.kind}:{name}"

    def _count(self, **outcomes: int) -> None:
        with _lock:
            counts.update({(self.kind, outcome): number for outcome, number in outcomes.items() if number})


def digest(text: str) -> str:
    """A name for any text (a member's `sub`, for one): 32 characters that no other text has."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def reset() -> None:
    """Lets go of the connections; the next look-up makes new ones."""
    global _backend
    with _lock:
        closing, _backend = _backend, None
    if closing is not None:
        closing.close()


def _shared() -> bool:
    return ALIAS in settings.CACHES


def _client() -> Any:
    # Django's own are one for each thread and request: each would connect anew, and find out for itself that a
    # server is gone.
    global _backend
    with _lock:
        if _backend is None:
            _backend = caches.create_connection(ALIAS)
            # Made at its first use, which two threads might do at once.
            _ = _backend._cache
        return _backend


def _ask(otherwise: Any, method: str, *args: Any) -> Any:
    """What memcached answers, or `otherwise`."""
    for left in reversed(range(TRIES)):
        try:
            return getattr(_client(), method)(*args)
        except Exception as fault:
            # Whatever it is: pymemcache's book of dead servers also trips over itself where several threads write it.
            if not left:
                _complain(fault)
    return otherwise


def _bury(keys: list[str]) -> None:
    """Puts tombstones in place of values."""
    for key in keys:
        if _ask(False, "set", key, GRAVE, GRAVE_SECONDS) is not False:
            _owed.pop(key, None)
        elif len(_owed) < MAX_OWED:
            _owed[key] = None


def _settle() -> None:
    """Sets tombstones that are owed, until one does not arrive again."""
    for key in list(_owed)[:MANY]:
        _bury([key])
        if key in _owed:
            break


def _complain(fault: Exception) -> None:
    global _complained
    with _lock:
        counts["memcached", "fault"] += 1
        now = time.monotonic()
        if now - _complained < COMPLAINT_SECONDS:
            return
        _complained = now
    log.warning("memcached does not answer as it should; the database is asked instead: %r", fault)


def _forked() -> None:
    """Two processes that write to one connection would read each other's answers. The lock may be held for good."""
    global _backend, _lock
    _backend, _lock = None, threading.Lock()


def _settings_changed(*, setting: str, **_: Any) -> None:
    if setting == "CACHES":
        _owed.clear()
        reset()


os.register_at_fork(after_in_child=_forked)
setting_changed.connect(_settings_changed)

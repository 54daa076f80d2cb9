"""What a write stored, as it is handed on: to the handlers of this node, and over the bus to those of others."""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from im.nodes import names
from im.notes import Note

logger = logging.getLogger(__name__)


class Event(msgspec.Struct, array_like=True):
    """Frames of a version: to each group of members (database ids) the same bytes.

    `origin`: the connection that gets none of them, on its own node; `session`: its HTTP session, where it is of
    one, on every node. A frame without bytes was left out on its way to a node that seemed to have nobody for it.
    """

    site_id: int
    version: int
    frames: Sequence[tuple[Collection[int], bytes | None]]
    origin: Any = None
    session: str = ""

    def is_from(self, handler: Any) -> bool:
        """Whether a connection is the one that made the change."""
        if handler is self.origin:
            return True
        return handler.session is not None and handler.session == (self.session or _session(self.origin))


class Commit(msgspec.Struct, array_like=True, tag="c"):
    """A write's changes of a site, from its version `base` on up to `last`, with the notes of them."""

    site_id: int
    base: int
    last: int
    events: list[Event]
    notes: list[Note] = []

    def names(self) -> tuple[str, ...]:
        """By what a node that may need it is found."""
        members = {member for event in self.events for ids, _ in event.frames for member in ids}
        noted = {name for note in self.notes for name in note.names}
        return (names.site(self.site_id), *{*map(names.member, members), *noted})

    def weight(self) -> int:
        """Its size on the bus, near enough: bytes."""
        return sum(len(data or b"") + 10 * len(ids) for event in self.events for ids, data in event.frames)

    def trimmed(self, has: set[str]) -> "Commit":
        """As a node with these names needs it: without the bytes, and what its notes say, for which it has nobody."""
        events = []
        for event in self.events:
            frames = [
                (list(ids), data if any(names.member(id) in has for id in ids) else None) for ids, data in event.frames
            ]
            events.append(Event(event.site_id, event.version, frames, None, event.session or _session(event.origin)))
        notes = [note if has.intersection(note.names) else note._replace(args=None) for note in self.notes]
        return Commit(self.site_id, self.base, self.last, events, notes)


def _session(origin: Any) -> str:
    return getattr(origin, "session", None) or ""


def guarded(function: Callable[..., object], *args: Any) -> None:
    """Tells one of what was stored; what goes wrong in it must not keep anything from the others."""
    try:
        function(*args)
    except Exception:
        logger.exception("What was stored could not be told")

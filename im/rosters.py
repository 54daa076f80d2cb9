"""Rosters: who is in a conversation, kept in the node's memory for what is told without being stored (typing).

Only the event loop uses it. A change of a conversation's members drops its roster.
"""

from typing import TYPE_CHECKING, NamedTuple

from im import database, notes
from im.models import Conversation, Participant

if TYPE_CHECKING:
    from im.node import Node

CACHED = 50_000


class Roster(NamedTuple):
    """The members of a conversation: database ids to subs."""

    site_id: int
    members: dict[int, str]


_known: dict[str, Roster] = {}
_changes = 0


def known(key: str) -> Roster | None:
    """The roster, if it is in memory."""
    return _known.get(key)


def forget(key: str) -> None:
    """Drops a roster that has changed."""
    global _changes
    _changes += 1
    _known.pop(key, None)


async def load(key: str) -> Roster | None:
    """The roster as stored; None where there is no such conversation."""
    seen = _changes
    roster = await database.read(_read, key)
    # What was read before a change must not outlive it.
    if roster and seen == _changes:
        if len(_known) >= CACHED:
            _known.clear()
        _known[key] = roster
    return roster


def _read(key: str) -> Roster | None:
    row = Conversation.objects.filter(key=key).first()
    if row is None:
        return None
    inside = Participant.objects.filter(site=row.site_id, conversation=row, left=0)
    return Roster(row.site_id, dict(inside.values_list("member_id", "member__sub")))


@notes.on("roster")
def _changed(node: "Node", key: str) -> None:
    forget(key)

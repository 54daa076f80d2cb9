"""Rosters: who is in a conversation, kept in the node's memory for what is told without being stored (typing).

Only the event loop uses it. A change of a conversation's members drops its roster; that is told to nodes that have
members of the site, and so those of a site go when its last member does.
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
_of_site: dict[int, set[str]] = {}
_changes = 0


def known(key: str) -> Roster | None:
    """The roster, if it is in memory."""
    return _known.get(key)


def forget(key: str) -> None:
    """Drops a roster that has changed."""
    global _changes
    _changes += 1
    if roster := _known.pop(key, None):
        _of_site[roster.site_id].discard(key)


def forget_site(site_id: int) -> None:
    """Drops a site's rosters: of their changes this node hears no longer."""
    global _changes
    _changes += 1
    for key in _of_site.pop(site_id, ()):
        del _known[key]


async def load(node: "Node", key: str) -> Roster | None:
    """The roster as stored; None where there is no such conversation."""
    seen = _changes
    roster = await database.read(_read, key)
    # What was read before a change must not outlive it.
    if roster and seen == _changes and node.hears(roster.site_id):
        if len(_known) >= CACHED:
            _known.clear()
            _of_site.clear()
        _known[key] = roster
        _of_site.setdefault(roster.site_id, set()).add(key)
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

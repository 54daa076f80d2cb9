"""Blocks of the members that are connected here: nothing passes between two of whom one has blocked the other.

Kept in the node's memory so that presence and typing need not ask the database. Only the event loop uses it.
"""

from im.transaction import Blocks

NOBODY: frozenset[int] = frozenset()
"""What nearly every member keeps, and all of them share."""

_known: dict[int, frozenset[int]] = {}
_changes = 0


def learn(member: int, blocks: Blocks) -> None:
    """Keeps the blocks that concern a member who is connected here."""
    _known[member] = (blocks.by | blocks.of) or NOBODY


def update(member: int, blocks: Blocks) -> None:
    """Keeps changed blocks, if the member is connected here."""
    global _changes
    _changes += 1
    if member in _known:
        learn(member, blocks)


def changes() -> int:
    """How many changes there were; what was read before another one may be stale."""
    return _changes


def forget(member: int) -> None:
    """The member is no longer connected here."""
    _known.pop(member, None)


def apart(member: int, other: int) -> bool:
    """True where one has blocked the other. One of both has to be connected here."""
    return other in _known.get(member, ()) or member in _known.get(other, ())

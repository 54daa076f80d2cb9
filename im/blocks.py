"""Blocks of the members that are connected here: nothing passes between two of whom one has blocked the other.

Kept in the node's memory so that presence and typing need not ask the database. Only the event loop uses it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from im import database, hooks, notes
from im.caller import Caller
from im.nodes import names
from im.notes import Note
from im.transaction import Blocks, Transaction, read_blocks

if TYPE_CHECKING:
    from im.node import Node

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


async def settled(seen: int, caller: Caller, known: Blocks) -> Blocks:
    """A member's blocks as they are now. `known`: what was read of them, after `changes()` had been `seen`."""
    while seen != _changes:
        seen = _changes
        known = (await database.read(read_blocks, caller.site_id, [caller.id]))[caller.id]
    return known


def forget(member: int) -> None:
    """The member is no longer connected here."""
    _known.pop(member, None)


def apart(member: int, other: int) -> bool:
    """True where one has blocked the other. One of both has to be connected here."""
    return other in _known.get(member, ()) or member in _known.get(other, ())


def changed(tx: Transaction, site_id: int, owner: int, member: int) -> None:
    """Has the nodes at which one of two members is connected learn that a block between them has changed."""
    for one, known in read_blocks(site_id, (owner, member)).items():
        tx.note(Note("blocks", (one, list(known.by), list(known.of)), (names.member(one),)))
    tx.note(Note("apart", (owner, member), (names.member(owner), names.member(member))))


@notes.on("blocks")
def _learned(node: "Node", member: int, by: Iterable[int], of: Iterable[int]) -> None:
    update(member, Blocks(frozenset(by), frozenset(of)))


@notes.on("apart")
def _apart(node: "Node", owner: int, member: int) -> None:
    for hook in hooks.blocks_changed:
        hook(node, owner, member)

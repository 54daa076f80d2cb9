"""Blocks of the members that are connected here: nothing passes between two of whom one has blocked the other.

Kept in the node's memory so that presence and typing need not ask the database. Only the event loop uses it. What is
kept carries the version of the site's blocks that it is of, and newer wins: two changes may be told in either order.
A change that is not told at all is in what the feed then reads.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from im import database, hooks, notes
from im.caller import Caller
from im.models import SiteVersion
from im.nodes import names
from im.notes import Note
from im.transaction import NOBODY, Blocks, Transaction, read_blocks

if TYPE_CHECKING:
    from im.node import Node


class Known(NamedTuple):
    """Blocks that concern a member, as of a version of the site's blocks at least."""

    version: int
    blocks: Blocks


class _Apart(NamedTuple):
    version: int
    others: frozenset[int]


class BlocksHere:
    """What a node knows of the blocks of those who are connected to it."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._known: dict[int, _Apart] = {}
        self.changes = 0
        """How many changes there were: what was read before another one may be stale."""

    def learn(self, member: int, known: Known) -> None:
        """Keeps the blocks that concern a member who is connected here, unless newer ones are known."""
        before = self._known.get(member)
        if before is None or before.version < known.version:
            others = known.blocks.by | known.blocks.of
            self._known[member] = _Apart(known.version, others) if others else _from_nobody(known.version)

    def update(self, version: int, changed: Mapping[int, Blocks]) -> None:
        """The blocks that concern these members are so as of a version: who is connected here sees the difference."""
        self.changes += 1
        pairs: set[tuple[int, int]] = set()
        for member, blocks in changed.items():
            if (before := self._known.get(member)) is not None:
                self.learn(member, Known(version, blocks))
                others = before.others ^ self._known[member].others
                pairs.update((min(member, other), max(member, other)) for other in others)
        for one, other in pairs:
            for hook in hooks.blocks_changed:
                hook(self._node, one, other)

    async def settled(self, seen: int, caller: Caller, known: Known) -> Known:
        """A member's blocks as they are now. `known`: what was read of them, when there had been `seen` changes."""
        while seen != self.changes:
            seen = self.changes
            known = await database.read(_read, caller.site_id, caller.id)
        return known

    def forget(self, member: int) -> None:
        """The member is no longer connected here."""
        self._known.pop(member, None)

    def apart(self, member: int, other: int) -> bool:
        """True where one has blocked the other. One of both has to be connected here."""
        mine, theirs = self._known.get(member), self._known.get(other)
        return bool((mine and other in mine.others) or (theirs and member in theirs.others))


@lru_cache(maxsize=1024)
def _from_nobody(version: int) -> _Apart:
    return _Apart(version, NOBODY)


def _read(site_id: int, member: int) -> Known:
    version = SiteVersion.objects.values_list("blocks", flat=True).get(site=site_id)
    # Read after it: they may be newer than it says, never older.
    return Known(version, read_blocks(site_id, [member])[member])


def changed(tx: Transaction, site_id: int, version: int, *members: int) -> None:
    """Has the nodes at which one of two members is connected learn that a block between them has changed."""
    known = read_blocks(site_id, members)
    told = {member: (list(blocks.by), list(blocks.of)) for member, blocks in known.items()}
    tx.note(Note("blocks", (version, told), tuple(map(names.member, members))))


@notes.on("blocks")
def _learned(node: "Node", version: int, told: Mapping[int, tuple[list[int], list[int]]]) -> None:
    changed = {member: Blocks.between(by, of) for member, (by, of) in told.items()}
    node.blocks.update(version, changed)

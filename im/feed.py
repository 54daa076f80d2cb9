"""Feeds: a site's stored changes, handed on by a node in the order of versions, each once, and none left out.

Changes come as commits, from this node's journal at once and from other nodes over the bus, which may lose, delay,
double and reorder. A commit says from which version to which it leads. One that begins where the feed stands is
handed on; one from before is known; one from later is held back until what lies between has come. What does not
come within `GAP_S`, or what the site's stored version shows to be missing, is fetched from the database. Where the
versions become those of another history (a backup was put back), clients load afresh.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from im import database, notes, replay, rosters
from im.commit import Commit, guarded
from im.nodes import names
from im.transaction import Blocks, read_blocks

if TYPE_CHECKING:
    from im.handler import Handler
    from im.node import Node

logger = logging.getLogger(__name__)

GAP_S = 0.1
"""How long a feed waits for what is missing before it is fetched, in seconds."""
HELD = 5_000
"""Commits that are held back at the most; beyond it, the database is quicker."""


class Feed:
    """One site on one node. Lives as long as the site has handlers there."""

    __slots__ = ("_held", "_node", "_repairing", "_site_id", "_timer", "_wanted", "begun", "epoch", "users", "version")

    def __init__(self, node: "Node", site_id: int) -> None:
        self.users = 0
        # Up to where all was handed on; None until the first hello has read where that is.
        self.version: int | None = None
        # The history of versions in which that is.
        self.epoch = ""
        # Where that was: what came before was handed on to nobody, so that whoever was there needs to have read it.
        self.begun = 0
        self._node = node
        self._site_id = site_id
        self._held: dict[int, Commit] = {}
        self._wanted = 0
        self._timer: asyncio.TimerHandle | None = None
        self._repairing = False

    def begin(self, epoch: str, version: int) -> None:
        """The first hello has read the site as of this version."""
        if self.version is None:
            self.epoch, self.version, self.begun = epoch, version, version
            self._go_on()

    def begin_anew(self) -> None:
        """The site has another history now: what was told belongs to none, and whoever comes again loads afresh."""
        self.close()
        self.begun = self._wanted = 0
        rosters.forget_site(self._site_id)
        for member in self._present():
            self._node.blocks.forget(member)
            for handler in self._node.router.handlers(member):
                # One that is just being let in begins with what it reads.
                if handler.epoch:
                    guarded(_begin_anew, handler)

    def take(self, commit: Commit) -> None:
        """Hands a commit on, now or when its turn has come."""
        if self.version is not None and commit.last <= self.version:
            return
        if len(self._held) < HELD:
            self._held[commit.base] = commit
        self._go_on()
        if self.version is not None and commit.last > self.version:
            self.expect(commit.last)

    def expect(self, version: int) -> None:
        """The site has got to this version: unless the feed has soon, what is missing is fetched."""
        self._wanted = max(self._wanted, version)
        if self.version is not None and self._wanted > self.version and self._timer is None and not self._repairing:
            self._timer = self._node.loop.call_later(GAP_S, self._late)

    def close(self) -> None:
        """The site has no handlers here any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._held.clear()
        self.version = None

    def _go_on(self) -> None:
        while self.version is not None and not self._repairing and (commit := self._held.pop(self.version, None)):
            if commit.last <= self.version:
                continue
            if self._lacks(commit):
                self._held[commit.base] = commit
                self.expect(commit.last)
                return
            self.version = commit.last
            for note in commit.notes:
                guarded(self._node.hear, note)
            for event in commit.events:
                guarded(self._node.router.route, event)

    def _lacks(self, commit: Commit) -> bool:
        """Whether something was left out that is for somebody here: it came after the sender had looked."""
        handlers = self._node.router.handlers
        left_out = [id for event in commit.events for ids, data in event.frames if data is None for id in ids]
        noted = (name for note in commit.notes if note.args is None for name in note.names)
        left_out += [id for name in noted if (id := names.member_of(name)) is not None]
        return any(map(handlers, left_out))

    def _late(self) -> None:
        self._timer = None
        if self.version is not None and self.version < self._wanted:
            self._repairing = True
            self._node.spawn(self._repair())

    async def _repair(self) -> None:
        """Fetches what is missing. If the process dies meanwhile, its clients resume elsewhere."""
        try:
            await self._fetch()
        except Exception as error:
            # The site's version is looked at again and again, so that this is tried again.
            logger.warning("What site %s has missed could not be fetched: %s", self._site_id, error)
        self._repairing = False
        self._go_on()
        self.expect(self._wanted)

    async def _fetch(self) -> None:
        epoch, begin = self.epoch, self.version or 0
        told: set[int] = set()
        reached = None
        # Who comes while this is being read may have read the site's state before, and miss as much as the others.
        while (present := self._present() - told) or reached is None:
            missed = await database.read(_missed, self._site_id, begin, present)
            changed = [handler for member in missed.changes for handler in self._node.router.handlers(member)]
            await self._node.sessions.recall(changed)
            if self.version is None or self.epoch != epoch or missed.epoch != epoch:
                return
            self._catch_up(missed)
            told |= present
            # What is read later goes further; connections know what they were told already.
            reached = missed.version if reached is None else reached
        self.version = max(begin, reached)
        self._held = {base: commit for base, commit in self._held.items() if commit.last > reached}

    def _present(self) -> set[int]:
        return set(self._node.router.members(self._site_id))

    def _catch_up(self, missed: "_Missed") -> None:
        made = [event for commit in self._held.values() for event in commit.events]
        for key in missed.reshaped:
            rosters.forget(key)
        if missed.blocks:
            guarded(self._node.blocks.update, missed.blocks_version, missed.blocks)
        for choice in missed.choices:
            guarded(notes.hear, self._node, "choice", choice)
        for member, changes in missed.changes.items():
            for handler in self._node.router.handlers(member):
                own = {event.version for event in made if event.is_from(handler)}
                guarded(_write, handler, changes, own)


def _write(handler: "Handler", changes: list[replay.Change] | None, own: set[int]) -> None:
    if changes is None:
        # It missed too much.
        _begin_anew(handler)
        return
    for version, data in changes:
        if version in own or version in handler.own:
            handler.skip(version)
        else:
            handler.deliver(version, data)


def _begin_anew(handler: "Handler") -> None:
    """Has a client come again."""
    handler.node.dismiss(handler)
    if handler.session is not None:
        handler.node.sessions.ended(handler.session)
    handler.node.depart(handler)


class _Missed(NamedTuple):
    epoch: str
    version: int
    changes: dict[int, list[replay.Change] | None]
    reshaped: list[str]
    blocks_version: int
    blocks: dict[int, Blocks]
    choices: list[tuple[int, int, str, str]]


def _missed(site_id: int, begin: int, present: Iterable[int]) -> _Missed:
    with database.snapshot():
        position = replay.position(site_id)
        touched = replay.touched(site_id, begin, frozenset(present))
        changes: dict[int, list[replay.Change] | None] = {}
        for member in touched.members:
            try:
                changes[member] = replay.since(site_id, member, begin, position.epoch)
            except replay.TooMuch:
                changes[member] = None
        known = read_blocks(site_id, list(present)) if touched.blocks else {}
        choices = replay.choices(touched.members, begin)
        return _Missed(position.epoch, position.version, changes, touched.reshaped, position.blocks, known, choices)

"""Members who change how they are, and watch each other: whether every watcher ends up with the last change of each.

Changes may be told together, so that one in between may be left out; but none may come after a later one.
"""

import random
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from avchat.ops.load.member import Crowd, Member, Told
from avchat.ops.load.pace import Pace

_quote = msgspec.json.encode


class _Entry(msgspec.Struct):
    status: str = ""


_entries = msgspec.json.Decoder(dict[str, _Entry])


class PresenceTalk:
    """The changes of presence of a process; the members of a group watch each other."""

    def __init__(self, crowd: Crowd, groups: Sequence[list[Member]], *, run: str, rate: float) -> None:
        self._crowd = crowd
        self._groups = groups if rate else []
        self._run = run
        self._group_of = {member.number: group for group in self._groups for member in group}
        self._pace = Pace(crowd.loop, rate if self._groups else 0.0, self._change)
        # What was asked and is not answered: a watch (0), or a member's n-th change.
        self._asked: dict[str, int] = {}
        self._ids = 0
        self._changes: dict[int, int] = {}
        self._answered: dict[str, int] = {}
        # The last change of another, by its sub, that each member saw.
        self._seen: dict[tuple[int, str], int] = {}
        self.begin, self.end = self._pace.begin, self._pace.end

    @property
    def asked(self) -> int:
        """How many frames are not answered yet."""
        return len(self._asked)

    def lost(self) -> int:
        """How many watchers have not seen the last change, over all whom they watch."""
        return sum(
            self._seen.get((watcher.number, watched.sub), 0) < self._answered.get(watched.sub, 0)
            for group in self._groups
            for watched in group
            for watcher in group
            if watcher is not watched
        )

    def came(self, member: Member) -> None:
        """Has a member that is connected watch the others. A watch is its connection's, and ends with it."""
        if group := self._group_of.get(member.number):
            subs = [other.sub for other in group if other is not member]
            self._ask(member, 0, "presence.watch", members=subs)

    def answered(self, member: Member, told: Told) -> bool:
        """Takes an answer; whether it was to something asked here."""
        if told.id not in self._asked:
            return False
        change = self._asked.pop(told.id)
        member.answered(told.id)
        if change:
            self._answered[member.sub] = max(change, self._answered.get(member.sub, 0))
            self._crowd.counts["presence_answered"] += 1
        else:
            self._take(member, told.presence, timed=False)
            self._crowd.moved()
        return True

    def heard(self, member: Member, told: Told) -> None:
        """Takes an event."""
        self._take(member, told.members, timed=True)

    def _take(self, member: Member, data: msgspec.Raw, *, timed: bool) -> None:
        now = time.monotonic_ns()
        for sub, entry in _entries.decode(data).items():
            if sub == member.sub or not entry.status.startswith(self._run):
                continue
            _, text, due = entry.status.split(" ")
            change, before = int(text), self._seen.get((member.number, sub), 0)
            if change < before:
                self._crowd.fault("presence_disordered", member, f"{sub}, change {change} after {before}")
            elif change > before:
                self._seen[member.number, sub] = change
                if timed:
                    self._crowd.counts["presence_seen"] += 1
                    self._crowd.figures.times["presence"].add((now - int(due)) / 1e9)

    def _change(self, due: float) -> None:
        member = random.choice(random.choice(self._groups))
        change = self._changes[member.number] = self._changes.get(member.number, 0) + 1
        self._crowd.counts["presence_set"] += 1
        self._ask(member, change, "presence.set", show="online", status=f"{self._run} {change} {int(due * 1e9)}")

    def _ask(self, member: Member, change: int, kind: str, **fields: Any) -> None:
        self._ids += 1
        id = f"presence-{self._ids:x}"
        self._asked[id] = change
        member.send(id, _quote({"type": kind, "id": id, **fields}))

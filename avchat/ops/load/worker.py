"""One process of members: does what the fleet tells it, and tells it how far it is.

Promises that it ends when the fleet does, however that ends.
"""

import gc
import json
import os
import socket
import time
from typing import Any

from avchat.ops.load.figures import Figures
from avchat.ops.load.member import Crowd, Member
from avchat.ops.load.network import Network
from avchat.ops.load.plan import SOURCES, Plan
from avchat.ops.load.sockets import Loop
from avchat.ops.load.talk import Talk

TELL_S = 0.25
"""How often the fleet is told how far it is, in seconds."""
SETTLE_S = 60.0
"""How long what is under way in the end gets to arrive, in seconds."""
LEAVE_S = 0.2
"""How long members get to say that they leave, in seconds."""


class Worker:
    """The members of one process. `control` is the way to the fleet: a word a line there, a JSON object a line back."""

    def __init__(self, plan: Plan, process: int, control: socket.socket) -> None:
        self._loop = Loop()
        self._figures = Figures()
        at = process % len(SOURCES)
        sources = SOURCES[at:] + SOURCES[:at] if plan.local else []
        self._network = Network(self._loop, plan.address, plan.name, sources)
        self._crowd = Crowd(self._network, plan.transport, plan.hello, self._figures)
        self._crowd.moved = self._moved
        numbers = plan.share(process)
        self._members = [Member(self._crowd, number, f"{plan.prefix}{number}") for number in numbers]
        share = len(numbers) / plan.members
        self._talk = Talk(
            self._crowd, self._members, run=f"{plan.run}.{process:x}",
            rate=plan.rate * share, presence_rate=plan.presence_rate * share, group=plan.group, size=plan.size,
        )  # fmt: skip
        if plan.talks:
            self._crowd.talker = self._talk
        self._come_rate = plan.come_rate * share
        self._at_once = plan.at_once
        # Members who have not begun to come.
        self._waiting = list(reversed(self._members))
        self._begun = 0.0
        self._phase = ""
        self._settled_by = 0.0
        self._rest = b""
        control.setblocking(False)
        self._control = control.detach()
        self._loop.adopt(self, self._control)

    def run(self) -> None:
        """Does what it is told until it is told to end."""
        # What is here now stays, and is not to be looked through again and again.
        gc.collect()
        gc.freeze()
        self._tell()
        while self._phase != "gone":
            self._loop.turn()

    # what the loop calls

    def received(self, fd: int, data: bytes) -> None:
        """Takes the fleet's words."""
        *words, self._rest = (self._rest + data).split(b"\n")
        for word in words:
            self._phase = word.decode()
            self._begun = time.monotonic()
            getattr(self, f"do_{self._phase}")()

    def lost(self, fd: int) -> None:
        """The fleet is gone."""
        os._exit(1)

    # phases

    def do_come(self) -> None:
        """Has members come, so many a second and so many at once."""
        if self._phase != "come":
            return
        due = len(self._members)
        if self._come_rate:
            due = min(due, int((time.monotonic() - self._begun) * self._come_rate) + 1)
        begun = len(self._members) - len(self._waiting)
        while begun < due and self._crowd.coming < self._at_once:
            self._waiting.pop().come()
            begun += 1
        if self._come_rate and self._waiting and begun >= due:
            self._loop.later(max(0.001, self._begun + begun / self._come_rate - time.monotonic()), self.do_come)

    def do_open(self) -> None:
        self._talk.open()
        self._moved()

    def do_talk(self) -> None:
        self._talk.begin()

    def do_hold(self) -> None:
        """Members stay, and listen."""

    def do_settle(self) -> None:
        """Nobody talks any more; waits for what is under way."""
        self._talk.end()
        self._settled_by = self._begun + SETTLE_S

    def do_end(self) -> None:
        """Has everybody leave, and tells all figures."""
        self._talk.end()
        counts = self._figures.counts
        counts["pings"] = self._network.pings
        counts["lost"] = self._talk.lost()
        counts["presence_lost"] = self._talk.presence_lost
        counts["unanswered"] = self._talk.unanswered
        whole = {"figures": self._figures.tell(), "faults": self._crowd.faults, "here": self._crowd.here}
        self._crowd.ending = True
        for member in self._members:
            member.leave()
        self._say({"done": "end", **whole})
        self._loop.later(LEAVE_S, self._go)

    def _go(self) -> None:
        self._phase = "gone"

    def _moved(self) -> None:
        """Something has happened that the phase may have waited for."""
        if self._phase == "come":
            self.do_come()
            if not self._waiting and not self._crowd.coming:
                self._done("come")
        elif self._phase == "open" and self._talk.opened:
            self._done("open")

    def _done(self, phase: str) -> None:
        self._phase = "hold"
        self._say({"done": phase})

    # the way to the fleet

    def _tell(self) -> None:
        if self._phase == "settle" and (not self._talk.waiting or time.monotonic() > self._settled_by):
            self._done("settle")
        if self._phase not in ("end", "gone"):
            self._say({"here": self._crowd.here, "counts": self._figures.counts})
            self._loop.later(TELL_S, self._tell)

    def _say(self, told: dict[str, Any]) -> None:
        self._loop.write(self._control, json.dumps(told).encode() + b"\n")

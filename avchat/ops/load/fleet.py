"""All processes of a load run, from the outside: started together, told what to do, listened to, and ended together.

Promises that none of them is left when it is left, and that their figures are collected however the run ends.
"""

import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

from avchat.ops.load.figures import Figures
from avchat.ops.load.plan import Plan
from avchat.ops.load.worker import LEAVE_S, Worker

END_S = 15.0
"""How long processes get to tell their figures in the end, in seconds."""
PROGRESS_S = 1.0
PROGRESS = ("refused", "returned", "opened", "sent", "delivered", "doubled", "disordered")
"""What is told of while it goes on."""


class Interrupted(Exception):
    """SIGINT or SIGTERM has come."""


class Broken(Exception):
    """A process of the run has ended by itself."""


class Fleet:
    """The processes. `say` is told now and then, in a line, how far everything is."""

    def __init__(self, plan: Plan, say: Callable[[str], object]) -> None:
        self.plan = plan
        self.figures = Figures()
        self.faults: list[str] = []
        self.here = 0
        self._say = say
        self._said = 0.0
        self._pids: dict[int, int] = {}
        self._selector = selectors.DefaultSelector()
        self._controls: list[socket.socket] = []
        self._rests: dict[int, bytes] = {}
        self._latest: dict[int, dict[str, Any]] = {}
        self._done: Counter[str] = Counter()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Fleet":
        sys.stdout.flush()
        sys.stderr.flush()
        for process in range(self.plan.processes):
            self._start(process)
        for name in (signal.SIGINT, signal.SIGTERM):
            self._handlers[name] = signal.signal(name, self._interrupt)
        return self

    def __exit__(self, *error: object) -> None:
        for name, handler in self._handlers.items():
            signal.signal(name, handler)
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)
        for pid in self._pids.values():
            os.waitpid(pid, 0)
        for control in self._controls:
            control.close()
        self._selector.close()

    def do(self, phase: str, *, seconds: float | None = None) -> None:
        """Has all processes do something, until all are done with it or for so many seconds.

        Raises:
            Interrupted: it was told to end.
            Broken: a process has ended.
        """
        self._done[phase] = 0
        for control in self._controls:
            control.sendall(phase.encode() + b"\n")
        end = None if seconds is None else time.monotonic() + seconds
        while self._done[phase] < len(self._controls):
            left = 0.5 if end is None else min(0.5, end - time.monotonic())
            if left <= 0:
                return
            self._listen(left)
            if time.monotonic() - self._said >= PROGRESS_S:
                self._said = time.monotonic()
                self._say(self._progress(phase))

    def end(self) -> None:
        """Has everybody leave, and collects all figures.

        Raises:
            Broken: a process does not tell its own.
        """
        self.do("end", seconds=END_S)
        if self._done["end"] < len(self._controls):
            raise Broken("A process of the load run does not tell its figures.")
        time.sleep(LEAVE_S)

    def _start(self, process: int) -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            self._work(process, theirs, [*self._controls, ours])
        theirs.close()
        self._pids[ours.fileno()] = pid
        self._controls.append(ours)
        self._selector.register(ours, selectors.EVENT_READ)

    def _work(self, process: int, control: socket.socket, others: list[socket.socket]) -> None:
        status = 1
        try:
            # A terminal's Ctrl-C is for the fleet, which ends everything in order.
            for name in (signal.SIGINT, signal.SIGTERM):
                signal.signal(name, signal.SIG_IGN)
            for other in others:
                other.close()
            Worker(self.plan, process, control).run()
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            fd = key.fd
            data = os.read(fd, 1 << 20)
            if not data:
                raise Broken("A process of the load run has ended.")
            *lines, self._rests[fd] = (self._rests.get(fd, b"") + data).split(b"\n")
            for line in lines:
                self._hear(fd, json.loads(line))

    def _hear(self, fd: int, told: dict[str, Any]) -> None:
        if "done" in told:
            self._done[told["done"]] += 1
        if "counts" in told:
            self._latest[fd] = told
        if "figures" in told:
            self.figures.merge(told["figures"])
            self.faults += told["faults"]
            self.here += told["here"]

    @property
    def counts(self) -> Counter[str]:
        """What has been counted so far."""
        total: Counter[str] = Counter()
        for told in self._latest.values():
            total.update(told["counts"])
            total["here"] += told["here"]
        return total

    def _progress(self, phase: str) -> str:
        counts = self.counts
        line = f"{phase}: {counts['here']} of {self.plan.members} members here"
        for name in PROGRESS:
            if counts[name]:
                line += f", {counts[name]} {name}"
        return line

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        # The second time it ends at once.
        for name in self._handlers:
            signal.signal(name, signal.SIG_DFL)
        raise Interrupted

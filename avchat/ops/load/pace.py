"""Has something done at a steady rate, whatever the answers: each time is told when it was due."""

import time
from collections.abc import Callable

from avchat.ops.load.sockets import Loop

BURST_S = 0.5
"""What was due within this time is done before anything else is looked after, in seconds."""


class Pace:
    """Calls `act` with the moment at which it was due (`time.monotonic()`), `rate` times a second."""

    def __init__(self, loop: Loop, rate: float, act: Callable[[float], None]) -> None:
        self._loop = loop
        self._rate = rate
        self._act = act
        self._begun = 0.0
        self._done = 0
        self._running = False

    def begin(self) -> None:
        """Begins."""
        if self._rate:
            self._running = True
            self._begun = time.monotonic()
            self._go_on()

    def end(self) -> None:
        """Ends."""
        self._running = False

    def _go_on(self) -> None:
        if not self._running:
            return
        due = int((time.monotonic() - self._begun) * self._rate) + 1
        until = min(due, self._done + int(self._rate * BURST_S) + 1)
        while self._done < until:
            self._act(self._begun + self._done / self._rate)
            self._done += 1
        self._loop.later(max(0.0, self._begun + self._done / self._rate - time.monotonic()), self._go_on)

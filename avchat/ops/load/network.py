"""A process's way out to the server: where it connects to and from, and the lanes on which requests are made.

A lane is a connection that takes one request after the other; all sessions of a process share them, as browsers'
requests share those of a proxy.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from avchat.ops.load import wire
from avchat.ops.load.sockets import Loop, Owner, Timer

LANES = 256
"""Connections of a process on which frames are posted."""
ANSWER_S = 30.0
"""How long the answer to a request may take, in seconds; after that it is asked for again."""
AGAIN_S = 0.05
"""After how long it is told that there was no lane, in seconds."""


class Network:
    """A process's way out: its loop, the server's address and name, and its own addresses in turn."""

    def __init__(self, loop: Loop, address: tuple[str, int], name: str, sources: list[str]) -> None:
        self.loop = loop
        self.address = address
        self.host = f"[{name}]:{address[1]}" if ":" in name else f"{name}:{address[1]}"
        self.lanes = Lanes(self)
        self.pings = 0
        self._sources = deque(sources)

    def dial(self, owner: Owner) -> int:
        """Begins a connection.

        Raises:
            OSError: it cannot be had.
        """
        source = None
        if self._sources:
            source = self._sources[0]
            self._sources.rotate(-1)
        return self.loop.dial(owner, self.address, source)


class Lane:
    """A connection on which one request after the other is made."""

    def __init__(self, lanes: "Lanes", network: Network) -> None:
        self._lanes = lanes
        self._loop = network.loop
        self._answer: Callable[[int, bytes], None] | None = None
        self._body = b""
        self._answers = wire.Answers(self._piece, self._complete)
        self._timer: Timer | None = None
        self._fd = network.dial(self)

    def ask(self, request: bytes, answer: Callable[[int, bytes], None]) -> None:
        """Makes a request; `answer` is told the status, or 0 where none came, and the body."""
        self._answer, self._body = answer, b""
        self._timer = self._loop.later(ANSWER_S, self._late)
        self._loop.write(self._fd, request)

    def _piece(self, status: int, data: bytes) -> None:
        self._body += data

    def _complete(self, status: int, stays: bool) -> None:
        answer, self._answer = self._answer, None
        if self._timer is not None:
            self._timer.cancel()
        if stays:
            self._lanes.free(self)
        else:
            self._loop.drop(self._fd)
            self._lanes.closed(self)
        if answer is not None:
            answer(status, self._body)

    def _late(self) -> None:
        self._loop.drop(self._fd)
        self.lost(self._fd)

    # what the loop calls

    def received(self, fd: int, data: bytes) -> None:
        """Takes bytes."""
        self._answers.feed(data)

    def lost(self, fd: int) -> None:
        """The connection is gone, and with it the answer that was waited for."""
        self._lanes.closed(self)
        answer, self._answer = self._answer, None
        if answer is not None:
            if self._timer is not None:
                self._timer.cancel()
            answer(0, b"")


class Lanes:
    """The lanes of a process."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._open: set[Lane] = set()
        self._idle: list[Lane] = []
        self._waiting: deque[tuple[bytes, Callable[[int, bytes], None]]] = deque()

    def ask(self, method: str, path: str, body: bytes | None, answer: Callable[[int, bytes], None]) -> None:
        """Makes a request as soon as a lane is free."""
        request = wire.request(method, path, self._network.host, body)
        if self._idle:
            self._idle.pop().ask(request, answer)
        elif len(self._open) < LANES:
            self._ask_on_another(request, answer)
        else:
            self._waiting.append((request, answer))

    def free(self, lane: Lane) -> None:
        """A lane has its answer."""
        if self._waiting:
            lane.ask(*self._waiting.popleft())
        else:
            self._idle.append(lane)

    def closed(self, lane: Lane) -> None:
        """A lane is over."""
        self._open.discard(lane)
        if lane in self._idle:
            self._idle.remove(lane)
        if self._waiting:
            self._ask_on_another(*self._waiting.popleft())

    def _ask_on_another(self, request: bytes, answer: Callable[[int, bytes], None]) -> None:
        try:
            lane = Lane(self, self._network)
        except OSError:
            # In a turn of its own: who asks does not expect to be answered at once.
            self._network.loop.later(AGAIN_S, partial(answer, 0, b""))
            return
        self._open.add(lane)
        lane.ask(request, answer)

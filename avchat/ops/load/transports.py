"""The ways to a server, as clients use them: a link each, which brings a member's frames there and back.

A WebSocket is a connection. An HTTP session has a connection on which its events are read (a stream, or one poll after
the other), and posts its frames on the process's lanes.
"""

import random
from functools import partial
from typing import Protocol
from urllib.parse import quote

import msgspec

from avchat.ops.load import wire
from avchat.ops.load.network import Network
from avchat.ops.load.sockets import Timer

AGAIN_S = (0.05, 0.3)
"""What lies between a stream's end and the next one, in seconds."""
POLL_S = 25
MAX_POST = 50
"""Frames that are posted at once."""

_array = msgspec.json.Decoder(list[msgspec.Raw])


class _Begun(msgspec.Struct):
    session: str


class Client(Protocol):
    """Who a link belongs to."""

    cursor: str

    def heard(self, data: bytes) -> None:
        """A frame has come."""

    def unanswered(self, frame: bytes) -> None:
        """Nobody knows what became of a frame; the link is still good."""

    def gone(self, code: int) -> None:
        """The link is over; `code` is the close frame's, or 1006, or a status of HTTP."""


class WebSocket:
    """A connection by RFC 6455."""

    __slots__ = ("_client", "_fd", "_hello", "_network", "_rest")

    def __init__(self, network: Network, client: Client) -> None:
        self._network = network
        self._client = client
        self._fd = -1
        self._hello: bytes | None = None
        self._rest = b""

    def open(self, hello: bytes) -> None:
        """Connects, and says hello as soon as the handshake is answered.

        Raises:
            OSError: there is no connection to be had.
        """
        self._rest, self._hello = b"", hello
        self._fd = self._network.dial(self)
        self._network.loop.write(self._fd, wire.upgrade(self._network.host))

    def send(self, frame: bytes) -> None:
        """Sends a frame."""
        self._network.loop.write(self._fd, wire.frame(frame))

    def close(self) -> None:
        """Leaves, as a page that is closed does."""
        if self._fd >= 0:
            self._network.loop.write(self._fd, wire.frame((1001).to_bytes(2), wire.CLOSE))
            self.cut()

    def cut(self) -> None:
        """Leaves without a word."""
        if self._fd >= 0:
            self._network.loop.drop(self._fd)
            self._fd = -1

    # what the loop calls

    def received(self, fd: int, data: bytes) -> None:
        """Takes bytes."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        if self._hello is not None:
            head, blank, data = data.partition(b"\r\n\r\n")
            if not blank:
                self._rest = head
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.cut()
                self._client.gone(int(head[9:12]) if head[9:12].isdigit() else 1006)
                return
            hello, self._hello = self._hello, None
            self.send(hello)
        at = 0
        for opcode, payload, stop in wire.frames(data):
            at = stop
            if opcode == wire.TEXT:
                self._client.heard(payload)
            elif opcode == wire.PING:
                self._network.pings += 1
                self._network.loop.write(fd, wire.frame(payload, wire.PONG))
            elif opcode == wire.CLOSE:
                self.close()
                self._client.gone(int.from_bytes(payload[:2]) if len(payload) >= 2 else 1005)
            if self._fd != fd:
                return
        if at < len(data):
            self._rest = data[at:]

    def lost(self, fd: int) -> None:
        """The connection is gone."""
        self._fd = -1
        self._client.gone(1006)


class Session:
    """An HTTP session; how its events are read is what the kinds of it differ in."""

    __slots__ = (
        "_answers", "_client", "_fd", "_fresh", "_network", "_opened", "_path", "_rest", "_timer", "_unposted",
    )  # fmt: skip
    accept = "application/json"

    def __init__(self, network: Network, client: Client) -> None:
        self._network = network
        self._client = client
        self._fd = -1
        self._path = ""
        # Beginnings and ends so far, so that late answers are told apart.
        self._opened = 0
        # Whether nothing can have been lost on the way since the last answer.
        self._fresh = True
        self._rest = b""
        self._answers: wire.Answers | None = None
        self._timer: Timer | None = None
        # What waits for the post that is under way; None where none is.
        self._unposted: list[bytes] | None = None

    def open(self, hello: bytes) -> None:
        """Begins a session by a hello."""
        self._path = ""
        self._opened += 1
        self._network.lanes.ask("POST", "/im/v1/sessions", hello, partial(self._begun, self._opened))

    def send(self, frame: bytes) -> None:
        """Posts a frame, after what is being posted: requests that are under way at once have no order."""
        if self._unposted is None:
            self._unposted = []
            self._post([frame])
        else:
            self._unposted.append(frame)

    def close(self) -> None:
        """Ends the session."""
        if self._path:
            self._network.lanes.ask("DELETE", self._path, None, lambda status, body: None)
        self.cut()

    def cut(self) -> None:
        """Leaves without a word."""
        self._path = ""
        self._unposted = None
        self._opened += 1
        if self._timer is not None:
            self._timer.cancel()
        if self._fd >= 0:
            self._network.loop.drop(self._fd)
            self._fd = -1

    def _begun(self, opened: int, status: int, body: bytes) -> None:
        if opened != self._opened:
            # It was not waited for any more.
            return
        if not status:
            self._client.gone(1006)
            return
        if status != 200:
            self._client.heard(body)
            self._client.gone(status)
            return
        # It may say something as soon as it has heard this.
        self._path = f"/im/v1/sessions/{msgspec.json.decode(body, type=_Begun).session}"
        self._fresh = True
        self._client.heard(body)
        if self._path:
            self._listen()

    def _post(self, frames: list[bytes]) -> None:
        posted = partial(self._posted, frames, self._path)
        self._network.lanes.ask("POST", f"{self._path}/frames", b"[" + b",".join(frames) + b"]", posted)

    def _posted(self, frames: list[bytes], path: str, status: int, body: bytes) -> None:
        if path != self._path:
            # The session is over; what was not answered is sent in the next one.
            return
        if status == 404:
            self._end(status)
            return
        if status == 200:
            for each in _array.decode(body):
                self._client.heard(bytes(each))
        else:
            for frame in frames:
                self._client.unanswered(frame)
        # What was heard may have been reason to leave.
        if path != self._path:
            return
        waiting = self._unposted
        self._unposted = waiting[MAX_POST:] if waiting else None
        if waiting:
            self._post(waiting[:MAX_POST])

    def _end(self, status: int) -> None:
        """The server does not know the session any more."""
        if self._path:
            self.cut()
            self._client.gone(status)

    # the events

    def _listen(self) -> None:
        try:
            self._fd = self._network.dial(self)
        except OSError:
            self._listen_later()
            return
        self._answers = wire.Answers(self._piece, self._complete)
        self._ask()

    def _listen_later(self) -> None:
        self._fresh = False
        self._timer = self._network.loop.later(random.uniform(*AGAIN_S), self._listen)

    def _ask(self) -> None:
        self._rest = b""
        cursor = "" if self._fresh else f"&cursor={quote(self._client.cursor)}"
        path = f"{self._path}/events?wait={POLL_S}{cursor}"
        self._network.loop.write(self._fd, wire.request("GET", path, self._network.host, accept=self.accept))
        self._fresh = True

    def _piece(self, status: int, data: bytes) -> None:
        self._rest += data

    def _complete(self, status: int, stays: bool) -> None:
        if status == 404:
            self._end(status)
            return
        if status == 200:
            self._whole(self._rest)
        # What was heard may have been reason to leave.
        if self._fd < 0:
            return
        if status == 200 and stays:
            self._ask()
        else:
            self._network.loop.drop(self._fd)
            self.lost(self._fd)

    def _whole(self, body: bytes) -> None:
        """An answer is there as a whole."""

    # what the loop calls

    def received(self, fd: int, data: bytes) -> None:
        """Takes bytes."""
        assert self._answers is not None
        self._answers.feed(data)

    def lost(self, fd: int) -> None:
        """The connection is gone, and the session is not."""
        self._fd = -1
        self._listen_later()


class Poll(Session):
    """A session whose events are read by one poll after the other."""

    __slots__ = ()

    def _whole(self, body: bytes) -> None:
        for each in _array.decode(body):
            self._client.heard(bytes(each))


class Lines(Session):
    """A session whose events are lines of a stream."""

    __slots__ = ()
    accept = "application/x-ndjson"
    before = b""

    def _piece(self, status: int, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if status != 200:
            return
        for line in lines:
            if line.startswith(self.before) and len(line) > len(self.before) and self._path:
                self._client.heard(line[len(self.before) :])

    def _complete(self, status: int, stays: bool) -> None:
        # A stream that has ended is begun again at leisure.
        super()._complete(status, False)


class Events(Lines):
    """A session whose events are server-sent events."""

    __slots__ = ()
    accept = "text/event-stream"
    before = b"data: "


Link = WebSocket | Session
LINKS: dict[str, type[WebSocket] | type[Session]] = {"ws": WebSocket, "sse": Events, "ndjson": Lines, "poll": Poll}

"""The connection pool: open connections that wait, and nothing else.

No connection has a task, a timer, a buffer or an object of its own but its owner: the pool is told what has come by
one epoll set, whose own descriptor is a reader of the event loop (`im.sockets`). It knows framing (RFC 6455, HTTP's
chunks), back-pressure and close, and nothing of members or of what a message means. It promises:

- whole messages reach the owner in order, and none after the end of the connection; the owner is told of that end once;
- parts of messages exist only while there are any, and their length is judged before it is there;
- an owner that is congested is not read for;
- a connection that says nothing for two rounds of pings is over, and so is one that does not end after it was closed.

Lives in one event loop; all of it is called from there.
"""

import asyncio
import logging
from collections.abc import Iterable
from functools import partial
from typing import Protocol

from im import framing
from im.framing import FIN, Violation
from im.sockets import ASKED, CHUNKED, CLOSING, HEARD, KEPT, OPEN, PAUSED, STREAM, Owner, Sockets

logger = logging.getLogger(__name__)

MAX_MESSAGE = 1024 * 1024
"""Bytes of a message; a longer one is a violation (1009)."""
BIG = 64 * 1024 + 14
"""Bytes from which on a message that is not complete counts as a big one."""
MAX_BIG = 32
"""Big messages that may be on their way at the same time, over all connections; one more is refused (1009)."""
ROUND_S = 20
"""How often each connection is looked at, in seconds: pinged if it was silent, let go of if it was silent twice."""


class Listener(Owner, Protocol):
    """The owner of a WebSocket."""

    def on_frame(self, data: bytes | str) -> None:
        """Takes a message: text as `str`, binary as `bytes`."""

    @property
    def congested(self) -> bool:
        """True while no more should be read."""

    async def uncongested(self) -> None:
        """Waits until more may be read."""


class Streamer(Owner, Protocol):
    """The owner of a stream."""

    @property
    def silence(self) -> bytes:
        """What is sent to keep a silent stream alive; nothing where that is empty."""


class WebSocket(int):
    """A WebSocket of the pool: its descriptor, and the way out. Of no use after `disconnected`."""

    __slots__ = ()

    def write(self, data: bytes, version: int | None = None) -> None:
        """Sends a text message, in UTF-8. `version` is the owner's business."""
        current().send(self, data, framing.TEXT)

    def write_binary(self, data: bytes) -> None:
        """Sends a binary message."""
        current().send(self, data, framing.BINARY)

    def close(self, code: int = framing.NORMAL, reason: str = "") -> None:
        """Closes, after what was written; the client's own close frame is waited for."""
        current().close(self, framing.close(code, reason))


class Stream(int):
    """The body of an HTTP response, in the pool: its descriptor, and the way out. Of no use after `disconnected`."""

    __slots__ = ()

    def write(self, data: bytes) -> None:
        """Sends a piece of the body."""
        current().send_piece(self, data)

    def close(self, code: int = framing.NORMAL, reason: str = "") -> None:
        """Ends the body, after what was written. A stream has no room for a code or a reason."""
        current().end_stream(self)

    def abort(self) -> None:
        """Cuts the connection off, so that the client sees that it has no whole answer."""
        current().drop(self)


class Pool(Sockets):
    """The connections of one process."""

    def __init__(self) -> None:
        super().__init__()
        # What has come of a frame, and of a message in fragments (its opcode first).
        self._partial: dict[int, bytearray] = {}
        self._fragments: dict[int, tuple[int, bytearray]] = {}
        self._big: set[int] = set()
        self._framed: tuple[bytes, int, bytes] = (b"", 0, b"")
        self._look = 0
        self._timer = self.loop.call_later(1, self._sweep)

    # coming and going

    def websocket(self, fd: int, head: bytes) -> WebSocket:
        """Takes over a socket, which is non-blocking and the pool's own from now on, and sends `head` first."""
        self.take(fd, OPEN | HEARD, head)
        return WebSocket(fd)

    def stream(self, fd: int, head: bytes, *, chunked: bool, kept: bool) -> Stream:
        """Takes over a socket on which a response begins with `head`.

        Args:
            chunked: the body is in chunks; otherwise it ends with the connection.
            kept: after the body the socket is handed `back`.
        """
        self.take(fd, OPEN | STREAM | (CHUNKED if chunked else 0) | (KEPT if kept else 0), head)
        return Stream(fd)

    def own(self, fd: int, owner: Listener | Streamer, messages: Iterable[bytes | str] = (), rest: bytes = b"") -> None:
        """Gives a connection an owner, or another one.

        Args:
            messages: what the former owner was given and has not looked at.
            rest: bytes that came before the pool had the socket.
        """
        self._owners[fd] = owner
        self._states[fd] &= ~PAUSED
        try:
            for message in messages:
                self._hand_on(fd, message)
        except Violation as violation:
            self._fail(fd, violation)
        if rest:
            self._partial[fd] = bytearray(rest)
        self._read_on(fd)

    def forget(self, fd: int) -> None:
        """Drops what is kept of a connection's messages."""
        self._partial.pop(fd, None)
        self._fragments.pop(fd, None)
        self._big.discard(fd)

    def stop(self) -> None:
        """Lets go of everything, as at the end of the process."""
        self._timer.cancel()
        super().stop()

    # in

    def received(self, fd: int, data: memoryview | bytearray | bytes, end: int) -> None:
        """Hands on what has come, frame by frame; what is not a whole one is kept."""
        if (rest := self._partial.pop(fd, None)) is not None:
            rest += data[:end]
            data, end = rest, len(rest)
        at = 0
        try:
            while True:
                begun = self._fragments.get(fd)
                frame = framing.read(data, at, end, MAX_MESSAGE - (len(begun[1]) if begun else 0))
                if frame is None:
                    break
                first, payload, at = frame
                self._take_frame(fd, first, payload, begun)
                state = self._states[fd]
                if fd in self._ending or not state & OPEN:
                    return
                if state & PAUSED:
                    break
            self._keep(fd, data, at, end)
        except Violation as violation:
            self._fail(fd, violation)

    def _keep(self, fd: int, data: memoryview | bytearray | bytes, at: int, end: int) -> None:
        if at < end:
            if isinstance(data, bytearray):
                del data[:at]
                self._partial[fd] = data
            else:
                self._partial[fd] = bytearray(data[at:end])
        begun = self._fragments.get(fd)
        if end - at + (len(begun[1]) if begun else 0) <= BIG:
            self._big.discard(fd)
        elif fd not in self._big:
            if len(self._big) >= MAX_BIG:
                raise Violation(framing.TOO_BIG, "too many big messages")
            self._big.add(fd)

    def _take_frame(self, fd: int, first: int, payload: bytes, begun: tuple[int, bytearray] | None) -> None:
        opcode = first & 0x0F
        if opcode == framing.PING:
            self.put(fd, framing.frame(framing.PONG, payload))
        elif opcode == framing.CLOSE:
            code = framing.close_code(payload)
            self.put(fd, framing.close(code))
            self.end(fd, code)
        elif opcode < framing.CLOSE and not self._states[fd] & CLOSING:
            if (opcode == framing.CONTINUATION) != (begun is not None):
                raise Violation(framing.PROTOCOL_ERROR, "fragments of different messages")
            if begun is not None:
                opcode, message = begun
                message += payload
                if first & FIN:
                    del self._fragments[fd]
                    self._take_message(fd, opcode, bytes(message))
            elif first & FIN:
                self._take_message(fd, opcode, payload)
            else:
                self._fragments[fd] = (opcode, bytearray(payload))

    def _take_message(self, fd: int, opcode: int, message: bytes) -> None:
        if opcode == framing.BINARY:
            return self._hand_on(fd, message)
        try:
            text = message.decode()
        except UnicodeDecodeError:
            raise Violation(framing.NOT_UTF8, "not UTF-8") from None
        return self._hand_on(fd, text)

    def _hand_on(self, fd: int, message: bytes | str) -> None:
        owner: Listener = self._owners[fd]
        try:
            owner.on_frame(message)
        except Exception:
            logger.exception("A message could not be taken")
            raise Violation(framing.FAILED, "failed") from None
        if owner.congested and not self._states[fd] & PAUSED:
            self._states[fd] |= PAUSED
            self.watch(fd)
            task = self.loop.create_task(owner.uncongested())
            task.add_done_callback(partial(self._uncongested, fd, owner))

    def _uncongested(self, fd: int, owner: Listener, task: asyncio.Task[None]) -> None:
        if self._owners[fd] is owner and not task.cancelled():
            self._states[fd] &= ~PAUSED
            self._read_on(fd)

    def _read_on(self, fd: int) -> None:
        """Goes on with what has come and was left lying."""
        if fd in self._partial and not self._states[fd] & PAUSED:
            self.received(fd, b"", 0)
        if self._states[fd] & OPEN:
            self.watch(fd)

    # close

    def close(self, fd: int, last: bytes) -> None:
        """Sends a close frame and waits for the client's."""
        if self._states[fd] & (OPEN | CLOSING) == OPEN:
            self.put(fd, last)
            self._states[fd] = (self._states[fd] | CLOSING) & ~ASKED
            self._fragments.pop(fd, None)

    def end_stream(self, fd: int) -> None:
        """Ends a stream's body after what was written."""
        if self._states[fd] & (OPEN | CLOSING) == OPEN:
            self.put(fd, b"0\r\n\r\n" if self._states[fd] & CHUNKED else b"")
            self._states[fd] = (self._states[fd] | CLOSING) & ~ASKED

    def _fail(self, fd: int, violation: Violation) -> None:
        """Ends the connection of one who violates the protocol: what else it sends makes no sense."""
        self.put(fd, framing.close(violation.code, violation.reason))
        self.end(fd, violation.code)

    # out

    def send(self, fd: int, data: bytes, opcode: int) -> None:
        """Sends a message on a WebSocket."""
        known, kind, frame = self._framed
        if known is not data or kind != opcode:
            # What goes to many is framed once.
            frame = framing.frame(opcode, data)
            self._framed = (data, opcode, frame)
        self.put(fd, frame)

    def send_piece(self, fd: int, data: bytes) -> None:
        """Sends a piece of a stream's body."""
        if data:
            self.put(fd, b"%x\r\n%b\r\n" % (len(data), data) if self._states[fd] & CHUNKED else data)

    # silence

    def _sweep(self) -> None:
        """Looks at a share of the connections each second: the one timer of all of them."""
        self._timer = self.loop.call_later(1, self._sweep)
        self._framed = (b"", 0, b"")
        self._look = (self._look + 1) % ROUND_S
        for fd in range(self._look, len(self._states), ROUND_S):
            if self._states[fd] & OPEN:
                try:
                    self._look_at(fd)
                except Exception:
                    logger.exception("A connection could not be looked after")

    def _look_at(self, fd: int) -> None:
        state = self._states[fd]
        if state & ASKED:
            self.lose(fd)
        elif state & CLOSING or (fd in self._unsent and not state & HEARD):
            self._states[fd] |= ASKED
        elif state & STREAM:
            streamer: Streamer = self._owners[fd]
            self.send_piece(fd, streamer.silence)
        elif state & (HEARD | PAUSED):
            self._states[fd] &= ~HEARD
        else:
            self._states[fd] |= ASKED
            self.put(fd, framing.frame(framing.PING, b""))


_current: Pool | None = None


def current() -> Pool:
    """The pool of this process. Only to be called in the event loop."""
    global _current
    if _current is None or _current.loop is not asyncio.get_running_loop():
        _current = Pool()
    return _current

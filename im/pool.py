"""The connection pool: open sockets that wait, and nothing else.

A connection is its descriptor, an `int` in one epoll set whose own descriptor is a reader of the event loop. Its owner
stands in a list, its state in a byte, both found by the descriptor. Parts of messages and bytes that the client has not
read yet exist only while there are any. No connection has a task, a timer or a buffer of its own.

The pool knows framing (RFC 6455, HTTP's chunks), back-pressure and close. It promises:

- whole messages reach the owner in order, and none after the end of the connection; the owner is told of that end once;
- what is written in one turn of the event loop goes out in one piece, and never blocks: a client that does not read
  has at most `MAX_UNREAD` bytes waiting for it when more is written, or is cut off, and no other connection waits;
- an owner that is congested is not read for;
- a connection that says nothing for two rounds of pings is over, and so is one that does not end after it was closed.

Lives in one event loop; all of it is called from there.
"""

import asyncio
import logging
import os
import select
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from im import framing
from im.framing import FIN, Violation

logger = logging.getLogger(__name__)

READ = 64 * 1024
"""Bytes that are read of one connection at a time."""
EVENTS = 512
"""Connections that are looked after in one turn of the event loop, so that others get theirs."""
MAX_MESSAGE = 1024 * 1024
"""Bytes of a message; a longer one is a violation (1009)."""
BIG = 64 * 1024 + 14
"""Bytes from which on a message that is not complete counts as a big one."""
MAX_BIG = 32
"""Big messages that may be on their way at the same time, over all connections; one more is refused (1009)."""
MAX_UNREAD = 4 * 1024 * 1024
"""Bytes that may wait for a client that does not read."""
MAX_DISCARDED = 1024 * 1024
"""Bytes that are still taken from a client, and thrown away, once its connection has ended."""
ROUND_S = 20
"""How often each connection is looked at, in seconds: pinged if it was silent, let go of if it was silent twice."""

OPEN, STREAM, CHUNKED, KEPT, CLOSING, PAUSED, HEARD, ASKED = (1 << bit for bit in range(8))
"""A connection's state. STREAM: not a WebSocket. KEPT: goes back to the server in the end. CLOSING: nothing is written
any more. HEARD: it spoke since the last look. ASKED: it has to speak (or to end) before the next look."""

GONE = select.EPOLLHUP | select.EPOLLERR


class Owner(Protocol):
    """Whom a connection belongs to."""

    def disconnected(self, code: int) -> None:
        """The connection is over; `code` is the close frame's, or 1006. Not called for one that goes back."""


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


class Connection(int):
    """A connection of the pool: its descriptor, and the way out. Of no use after `disconnected`."""

    __slots__ = ()

    def __reduce__(self) -> str:
        raise TypeError("a connection is this process's own")


class WebSocket(Connection):
    """A WebSocket."""

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


class Stream(Connection):
    """The body of an HTTP response without end."""

    __slots__ = ()

    def write(self, data: bytes) -> None:
        """Sends a piece of the body."""
        current().send_piece(self, data)

    def close(self, code: int = framing.NORMAL, reason: str = "") -> None:
        """Ends the body, after what was written."""
        current().end_stream(self)


class Pool:
    """The connections of one process."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.back: Callable[[int], None] = os.close
        """Takes the descriptor of a connection that may serve another request."""
        self.count = 0
        self._epoll = select.epoll()
        self._owners: list[Listener | Streamer | None] = []
        self._states = bytearray()
        self._buffer = bytearray(READ)
        self._view = memoryview(self._buffer)
        # What has come of a frame, and of a message in fragments (its opcode first).
        self._partial: dict[int, bytearray] = {}
        self._fragments: dict[int, tuple[int, bytearray]] = {}
        self._big: set[int] = set()
        # What is written in this turn, and what the socket did not take before.
        self._pending: dict[int, list[bytes]] = {}
        self._unsent: dict[int, bytearray] = {}
        self._flushing = False
        # The end is told; what still comes is thrown away, up to so many bytes.
        self._ending: dict[int, int] = {}
        self._framed: tuple[bytes, int, bytes] = (b"", 0, b"")
        self._look = 0
        self._left: asyncio.Future[None] | None = None
        self.loop.add_reader(self._epoll.fileno(), self._ready)
        self._timer = self.loop.call_later(1, self._sweep)

    # coming and going

    def websocket(self, fd: int, head: bytes) -> WebSocket:
        """Takes over a socket, which is non-blocking and the pool's own from now on, and sends `head` first."""
        self._take(fd, OPEN | HEARD, head)
        return WebSocket(fd)

    def stream(self, fd: int, head: bytes, *, chunked: bool, kept: bool) -> Stream:
        """Takes over a socket on which a response begins with `head`.

        Args:
            chunked: the body is in chunks; otherwise it ends with the connection.
            kept: after the body the socket is handed `back`.
        """
        self._take(fd, OPEN | STREAM | (CHUNKED if chunked else 0) | (KEPT if kept else 0), head)
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
                self._hand_on(fd, owner, message)  # type: ignore[arg-type]
        except Violation as violation:
            self._fail(fd, violation.code, violation.reason)
        if rest:
            self._partial[fd] = bytearray(rest)
        self._read_on(fd)

    def drop(self, fd: int) -> None:
        """Lets go of a connection at once."""
        if self._states[fd] & OPEN:
            self._lose(fd)

    def _take(self, fd: int, state: int, head: bytes) -> None:
        if fd >= len(self._owners):
            more = fd + 1 - len(self._owners)
            self._owners += [None] * more
            self._states += bytes(more)
        self._states[fd] = state
        self._epoll.register(fd, 0)
        self.count += 1
        self._put(fd, head)

    def _watch(self, fd: int) -> None:
        state = self._states[fd]
        mask = select.EPOLLOUT if fd in self._unsent else 0
        if state & STREAM:
            # What a client sends behind its request is left in the kernel: for whoever has the socket next.
            mask |= select.EPOLLRDHUP
        elif not state & PAUSED and self._ending.get(fd, 1) > 0:
            mask |= select.EPOLLIN
        self._epoll.modify(fd, mask)

    def _lose(self, fd: int, code: int = framing.CUT_OFF) -> None:
        """The connection is gone."""
        owner = self._release(fd)
        os.close(fd)
        self._tell(owner, code)

    def _release(self, fd: int) -> Owner | None:
        self._epoll.unregister(fd)
        self._states[fd] = 0
        self.count -= 1
        if self._left is not None and not self.count and not self._left.done():
            self._left.set_result(None)
        owner, self._owners[fd] = self._owners[fd], None
        for store in (self._partial, self._fragments, self._pending, self._unsent, self._ending):
            store.pop(fd, None)
        self._big.discard(fd)
        return owner

    def _end(self, fd: int, code: int) -> None:
        """The connection is over. What was written is on its way; the socket waits for the client to be done."""
        owner, self._owners[fd] = self._owners[fd], None
        self._states[fd] = (self._states[fd] | CLOSING) & ~(ASKED | PAUSED)
        self._partial.pop(fd, None)
        self._fragments.pop(fd, None)
        self._big.discard(fd)
        self._ending[fd] = MAX_DISCARDED
        if fd not in self._pending and fd not in self._unsent:
            self._sent_all(fd)
        if self._states[fd]:
            self._watch(fd)
        self._tell(owner, code)

    def _tell(self, owner: Owner | None, code: int) -> None:
        if owner is not None:
            try:
                owner.disconnected(code)
            except Exception:
                logger.exception("A connection's end could not be told")

    # in

    def _ready(self) -> None:
        # All that is written meanwhile goes out at the end.
        self._flushing = True
        try:
            for fd, events in self._epoll.poll(0, EVENTS):
                # Another one's message may have ended it.
                if not self._states[fd] & OPEN:
                    continue
                if events & select.EPOLLOUT:
                    self._write_rest(fd)
                if events & ~select.EPOLLOUT and self._states[fd] & OPEN:
                    self._read(fd, events)
        finally:
            self._flush()

    def _read(self, fd: int, events: int) -> None:
        state = self._states[fd]
        if state & STREAM or (events & GONE and not events & select.EPOLLIN):
            return self._lose(fd)
        try:
            count = os.readv(fd, (self._buffer,))
        except BlockingIOError:
            return None
        except OSError:
            count = 0
        if not count:
            return self._lose(fd)
        if fd in self._ending:
            self._ending[fd] -= count
            if self._ending[fd] <= 0:
                self._watch(fd)
            return None
        self._states[fd] = (state | HEARD) & ~(0 if state & CLOSING else ASKED)
        return self._parse(fd, self._view, count)

    def _parse(self, fd: int, data: memoryview | bytearray | bytes, end: int) -> None:
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
            self._fail(fd, violation.code, violation.reason)

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
            self._put(fd, framing.frame(framing.PONG, payload))
        elif opcode == framing.CLOSE:
            self._client_closes(fd, payload)
        elif opcode < framing.CLOSE:
            if self._states[fd] & CLOSING:
                return
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
        owner: Listener = self._owners[fd]  # type: ignore[assignment]
        if opcode == framing.BINARY:
            return self._hand_on(fd, owner, message)
        try:
            text = message.decode()
        except UnicodeDecodeError:
            raise Violation(framing.NOT_UTF8, "not UTF-8") from None
        return self._hand_on(fd, owner, text)

    def _hand_on(self, fd: int, owner: Listener, message: bytes | str) -> None:
        try:
            owner.on_frame(message)
        except Exception:
            logger.exception("A message could not be taken")
            raise Violation(framing.FAILED, "failed") from None
        if owner.congested and not self._states[fd] & PAUSED:
            self._states[fd] |= PAUSED
            self._watch(fd)
            task = self.loop.create_task(owner.uncongested())
            task.add_done_callback(partial(self._uncongested, fd, owner))

    def _uncongested(self, fd: int, owner: Listener, task: asyncio.Task[None]) -> None:
        if self._owners[fd] is owner and not task.cancelled():
            self._states[fd] &= ~PAUSED
            self._read_on(fd)

    def _read_on(self, fd: int) -> None:
        """Goes on with what has come and was left lying."""
        if fd in self._partial and not self._states[fd] & PAUSED:
            self._parse(fd, b"", 0)
        if self._states[fd] & OPEN:
            self._watch(fd)

    # close

    def close(self, fd: int, last: bytes) -> None:
        """Sends a close frame and waits for the client's."""
        if self._states[fd] & (OPEN | CLOSING) == OPEN:
            self._put(fd, last)
            self._states[fd] = (self._states[fd] | CLOSING) & ~ASKED
            self._fragments.pop(fd, None)

    def _fail(self, fd: int, code: int, reason: str) -> None:
        """Ends the connection of one who violates the protocol: what else it sends makes no sense."""
        self._put(fd, framing.close(code, reason))
        self._end(fd, code)

    def _client_closes(self, fd: int, payload: bytes) -> None:
        code = framing.close_code(payload)
        self._put(fd, framing.close(code))
        self._end(fd, code)

    def end_stream(self, fd: int) -> None:
        """Ends a stream's body after what was written."""
        if self._states[fd] & (OPEN | CLOSING) == OPEN:
            self._put(fd, b"0\r\n\r\n" if self._states[fd] & CHUNKED else b"")
            self._states[fd] = (self._states[fd] | CLOSING) & ~ASKED

    def _sent_all(self, fd: int) -> None:
        """The socket has taken all that was written to a connection that is to end."""
        state = self._states[fd]
        if fd in self._ending:
            half = socket.socket(fileno=fd)
            try:
                half.shutdown(socket.SHUT_WR)
            except OSError:
                self._lose(fd)
            finally:
                half.detach()
        elif state & KEPT:
            self._release(fd)
            self.back(fd)
        elif state & STREAM:
            self._end(fd, framing.NORMAL)

    # out

    def send(self, fd: int, data: bytes, opcode: int) -> None:
        """Sends a message on a WebSocket."""
        known, kind, frame = self._framed
        if known is not data or kind != opcode:
            # What goes to many is framed once.
            frame = framing.frame(opcode, data)
            self._framed = (data, opcode, frame)
        self._put(fd, frame)

    def send_piece(self, fd: int, data: bytes) -> None:
        """Sends a piece of a stream's body."""
        if data:
            self._put(fd, b"%x\r\n%b\r\n" % (len(data), data) if self._states[fd] & CHUNKED else data)

    def _put(self, fd: int, data: bytes) -> None:
        if self._states[fd] & (OPEN | CLOSING) != OPEN:
            return
        if (parts := self._pending.get(fd)) is not None:
            parts.append(data)
            return
        self._pending[fd] = [data]
        if not self._flushing:
            self._flushing = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Writes all that was written in this turn."""
        self._flushing = False
        pending, self._pending = self._pending, {}
        self._framed = (b"", 0, b"")
        for fd, parts in pending.items():
            # Telling of one's end may have ended another.
            if not self._states[fd] & OPEN:
                continue
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            if (unsent := self._unsent.get(fd)) is not None:
                unsent += data
                if len(unsent) > MAX_UNREAD:
                    self._lose(fd)
                continue
            try:
                count = os.write(fd, data)
            except BlockingIOError:
                count = 0
            except OSError:
                self._lose(fd)
                continue
            if count < len(data):
                self._unsent[fd] = bytearray(data[count:])
                self._watch(fd)
            elif self._states[fd] & CLOSING:
                self._sent_all(fd)

    def _write_rest(self, fd: int) -> None:
        unsent = self._unsent[fd]
        try:
            del unsent[: os.write(fd, unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._lose(fd)
            return
        if not self._states[fd] & CLOSING:
            self._states[fd] &= ~ASKED
        if not unsent:
            del self._unsent[fd]
            self._watch(fd)
            if self._states[fd] & CLOSING:
                self._sent_all(fd)

    # silence

    def _sweep(self) -> None:
        """Looks at a share of the connections each second: the one timer of all of them."""
        self._timer = self.loop.call_later(1, self._sweep)
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
            self._lose(fd)
        elif state & (CLOSING | STREAM) or not state & (HEARD | PAUSED):
            if state & CLOSING or fd in self._unsent:
                self._states[fd] |= ASKED
            elif state & STREAM:
                owner: Streamer = self._owners[fd]  # type: ignore[assignment]
                self.send_piece(fd, owner.silence)
            else:
                self._states[fd] |= ASKED
                self._put(fd, framing.frame(framing.PING, b""))
        else:
            self._states[fd] &= ~HEARD

    async def empty(self) -> None:
        """Waits until no connection is left."""
        while self.count:
            self._left = self.loop.create_future()
            await self._left

    def stop(self) -> None:
        """Lets go of everything, as at the end of the process."""
        for fd in range(len(self._states)):
            if self._states[fd] & OPEN:
                self._lose(fd)
        self._timer.cancel()
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()


_current: Pool | None = None


def current() -> Pool:
    """The pool of this process. Only to be called in the event loop."""
    global _current
    if _current is None or _current.loop is not asyncio.get_running_loop():
        _current = Pool()
    return _current

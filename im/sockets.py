"""Open sockets in one epoll set, read and written without waiting: what the connection pool stands on.

A connection is its descriptor, an `int`; its owner stands in a list and its state in a byte, both found by the
descriptor. Bytes that the client has not read yet exist only while there are any. What is written in one turn of the
event loop goes out in one piece. A client that does not read has at most `MAX_UNREAD` bytes waiting for it when more
is written, or is cut off; no other connection waits for it.
"""

import asyncio
import logging
import os
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

logger = logging.getLogger(__name__)

READ = 64 * 1024
"""Bytes that are read of one connection at a time."""
EVENTS = 512
"""Connections that are looked after in one turn of the event loop, so that others get theirs."""
MAX_UNREAD = 4 * 1024 * 1024
"""Bytes that may wait for a client that does not read."""
MAX_DISCARDED = 1024 * 1024
"""Bytes that are still taken from a client, and thrown away, once its connection has ended."""

CUT_OFF = 1006
"""What an owner is told where a connection ended without a word."""

OPEN, STREAM, CHUNKED, KEPT, CLOSING, PAUSED, HEARD, ASKED = (1 << bit for bit in range(8))
"""A connection's state. STREAM: not a WebSocket. KEPT: goes back to the server in the end. CLOSING: nothing is written
any more. HEARD: it spoke since the last look. ASKED: it has to speak (or to end) before the next look."""

GONE = select.EPOLLHUP | select.EPOLLERR


class Owner(Protocol):
    """Whom a connection belongs to."""

    def disconnected(self, code: int) -> None:
        """The connection is over; `code` is the close frame's, or 1006. Not called for one that goes back."""


class Sockets:
    """The sockets. What comes in is the business of the class that extends this one."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.back: Callable[[int], None] = os.close
        """Takes the descriptor of a connection that may serve another request."""
        self.count = 0
        self._epoll = select.epoll()
        self._owners: list[Any] = []
        self._states = bytearray()
        self._buffer = bytearray(READ)
        self._view = memoryview(self._buffer)
        # What is written in this turn, and what the socket did not take before.
        self._pending: dict[int, list[bytes]] = {}
        self._unsent: dict[int, bytearray] = {}
        self._flushing = False
        # The end is told; what still comes is thrown away, up to so many bytes.
        self._ending: dict[int, int] = {}
        self._empty: asyncio.Future[None] | None = None
        self.loop.add_reader(self._epoll.fileno(), self._ready)

    def received(self, fd: int, data: memoryview, end: int) -> None:
        """Takes what has come, good up to `end` and only for now."""
        raise NotImplementedError

    def forget(self, fd: int) -> None:
        """Drops what is kept of a connection's messages."""
        raise NotImplementedError

    # coming and going

    def take(self, fd: int, state: int, head: bytes) -> None:
        """Takes over a socket and sends `head` first. Nothing is read before `watch`."""
        if fd >= len(self._owners):
            more = fd + 1 - len(self._owners)
            self._owners += [None] * more
            self._states += bytes(more)
        self._states[fd] = state
        self._epoll.register(fd, 0)
        self.count += 1
        self.put(fd, head)

    def drop(self, fd: int) -> None:
        """Lets go of a connection at once."""
        if self._states[fd] & OPEN:
            self.lose(fd)

    def lose(self, fd: int) -> None:
        """The connection is gone."""
        owner = self._release(fd)
        os.close(fd)
        self._tell(owner, CUT_OFF)

    def end(self, fd: int, code: int) -> None:
        """The connection is over. What was written is on its way; the socket waits for the client to be done."""
        owner, self._owners[fd] = self._owners[fd], None
        self._states[fd] = (self._states[fd] | CLOSING) & ~(ASKED | PAUSED)
        self.forget(fd)
        self._ending[fd] = MAX_DISCARDED
        if fd not in self._pending and fd not in self._unsent:
            self._sent_all(fd)
        if self._states[fd]:
            self.watch(fd)
        self._tell(owner, code)

    async def empty(self) -> None:
        """Waits until no connection is left."""
        while self.count:
            self._empty = self.loop.create_future()
            await self._empty

    def clear(self) -> None:
        """Lets go of every connection."""
        for fd in range(len(self._states)):
            self.drop(fd)

    def stop(self) -> None:
        """Lets go of everything, as at the end of the process."""
        self.clear()
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def watch(self, fd: int) -> None:
        """Has the kernel tell what the connection's state asks for."""
        state = self._states[fd]
        mask = select.EPOLLOUT if fd in self._unsent else 0
        if state & STREAM:
            # What a client sends behind its request is left in the kernel: for whoever has the socket next.
            mask |= select.EPOLLRDHUP
        elif not state & PAUSED and self._ending.get(fd, 1) > 0:
            mask |= select.EPOLLIN
        self._epoll.modify(fd, mask)

    def _release(self, fd: int) -> Owner | None:
        self._epoll.unregister(fd)
        self._states[fd] = 0
        self.count -= 1
        if self._empty is not None and not self.count and not self._empty.done():
            self._empty.set_result(None)
        owner: Owner | None
        owner, self._owners[fd] = self._owners[fd], None
        self.forget(fd)
        self._pending.pop(fd, None)
        self._unsent.pop(fd, None)
        self._ending.pop(fd, None)
        return owner

    def _tell(self, owner: Owner | None, code: int) -> None:
        if owner is not None:
            try:
                owner.disconnected(code)
            except Exception:
                logger.exception("A connection's end could not be told")

    def _sent_all(self, fd: int) -> None:
        """The socket has taken all that was written to a connection that is to end."""
        state = self._states[fd]
        if fd in self._ending:
            half = socket.socket(fileno=fd)
            try:
                half.shutdown(socket.SHUT_WR)
            except OSError:
                self.lose(fd)
            finally:
                half.detach()
        elif state & KEPT:
            self._release(fd)
            self.back(fd)
        elif state & STREAM:
            self.end(fd, 1000)

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
            return self.lose(fd)
        try:
            count = os.readv(fd, (self._buffer,))
        except BlockingIOError:
            return None
        except OSError:
            count = 0
        if not count:
            return self.lose(fd)
        if fd in self._ending:
            self._ending[fd] -= count
            if self._ending[fd] <= 0:
                self.watch(fd)
            return None
        self._states[fd] = (state | HEARD) & ~(0 if state & CLOSING else ASKED)
        return self.received(fd, self._view, count)

    # out

    def put(self, fd: int, data: bytes) -> None:
        """Has bytes sent with what else is written in this turn, unless the connection is being closed."""
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
        for fd, parts in pending.items():
            # Telling of one's end may have ended another.
            if not self._states[fd] & OPEN:
                continue
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            if (unsent := self._unsent.get(fd)) is not None:
                unsent += data
                if len(unsent) > MAX_UNREAD:
                    self.lose(fd)
                continue
            try:
                count = os.write(fd, data)
            except BlockingIOError:
                count = 0
            except OSError:
                self.lose(fd)
                continue
            if count < len(data):
                self._unsent[fd] = bytearray(data[count:])
                self.watch(fd)
            elif self._states[fd] & CLOSING:
                self._sent_all(fd)

    def _write_rest(self, fd: int) -> None:
        unsent = self._unsent[fd]
        try:
            del unsent[: os.write(fd, unsent)]
        except BlockingIOError:
            return
        except OSError:
            self.lose(fd)
            return
        if not self._states[fd] & CLOSING:
            self._states[fd] &= ~ASKED
        if not unsent:
            del self._unsent[fd]
            self.watch(fd)
            if self._states[fd] & CLOSING:
                self._sent_all(fd)

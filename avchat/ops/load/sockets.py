"""The event loop of the load tools: many sockets in one epoll set, and timers.

A connection is its descriptor and an owner. Nothing waits: what a socket does not take at once is kept and written
when there is room again. Promises that an owner is told once that its connection is lost, and never after `drop`.
"""

import errno
import heapq
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Protocol

READ = 64 * 1024
"""Bytes that are read of one connection at a time."""
EVENTS = 1024
"""Connections that are looked after before the timers are."""
BIND_ADDRESS_NO_PORT = 24
"""Linux's IP_BIND_ADDRESS_NO_PORT: a port is chosen when it is known where to, so that each is used many times."""

LOST = select.EPOLLERR | select.EPOLLHUP


class Owner(Protocol):
    """Whom a connection belongs to."""

    def received(self, fd: int, data: bytes) -> None:
        """Bytes have come."""

    def lost(self, fd: int) -> None:
        """The connection is over; the descriptor is closed already."""


class Timer:
    """Something to be done later, unless it is cancelled."""

    __slots__ = ("act", "at")

    def __init__(self, at: float, act: Callable[[], None]) -> None:
        self.at = at
        self.act: Callable[[], None] | None = act

    def __lt__(self, other: "Timer") -> bool:
        return self.at < other.at

    def cancel(self) -> None:
        """Does not have it done."""
        self.act = None


class Loop:
    """The sockets of one process."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._owners: dict[int, Owner] = {}
        self._unsent: dict[int, bytearray] = {}
        self._timers: list[Timer] = []

    def dial(self, owner: Owner, address: tuple[str, int], source: str | None) -> int:
        """Begins a connection; it may be written to at once. Answers its descriptor.

        Args:
            source: the address that it comes from, where that matters.

        Raises:
            OSError: there is no descriptor, no port, or nobody there.
        """
        with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as made:
            made.setblocking(False)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source is not None:
                made.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
                made.bind((source, 0))
            code = made.connect_ex(address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            fd = made.detach()
        self.adopt(owner, fd)
        return fd

    def adopt(self, owner: Owner, fd: int) -> None:
        """Takes over a descriptor that does not block."""
        self._owners[fd] = owner
        self._epoll.register(fd, select.EPOLLIN)

    def write(self, fd: int, data: bytes) -> None:
        """Sends bytes, in order. Where the connection is just being lost, its owner is told of that and of nothing."""
        unsent = self._unsent.get(fd)
        if unsent is not None:
            unsent += data
            return
        try:
            count = os.write(fd, data)
        except BlockingIOError:
            count = 0
        except OSError:
            # The loop finds it lost when it comes to it.
            return
        if count < len(data):
            self._unsent[fd] = bytearray(data[count:])
            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT)

    def drop(self, fd: int) -> None:
        """Closes a connection, whose owner knows."""
        del self._owners[fd]
        self._unsent.pop(fd, None)
        os.close(fd)

    def later(self, seconds: float, act: Callable[[], None]) -> Timer:
        """Has something done after so many seconds."""
        timer = Timer(time.monotonic() + seconds, act)
        heapq.heappush(self._timers, timer)
        return timer

    def turn(self) -> None:
        """Waits until something is to be done, and does it."""
        wait = max(0.0, self._timers[0].at - time.monotonic()) if self._timers else -1
        for fd, events in self._epoll.poll(wait, EVENTS):
            # Another one's bytes may have been reason to drop this one.
            if fd in self._owners:
                self._look(fd, events)
        now = time.monotonic()
        while self._timers and self._timers[0].at <= now:
            act = heapq.heappop(self._timers).act
            if act is not None:
                act()

    def _look(self, fd: int, events: int) -> None:
        if events & select.EPOLLOUT:
            self._write_rest(fd)
        if events & (select.EPOLLIN | LOST):
            try:
                data = os.read(fd, READ)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                self._owners[fd].received(fd, data)
            else:
                owner = self._owners[fd]
                self.drop(fd)
                owner.lost(fd)

    def _write_rest(self, fd: int) -> None:
        unsent = self._unsent.get(fd, bytearray())
        try:
            del unsent[: os.write(fd, unsent)]
        except OSError:
            return
        if not unsent:
            del self._unsent[fd]
            self._epoll.modify(fd, select.EPOLLIN)

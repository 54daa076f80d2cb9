"""What an address, and a site, may do in a time: shared by all nodes, where they share a directory.

A directory that does not answer lets nobody wait: this node's own buckets do meanwhile. `Rate` is for the event loop;
`Guard` is for code that runs in threads, such as that of pages.
"""

import asyncio
import threading
from typing import TYPE_CHECKING

from im.limits import Buckets
from im.nodes.directory import Unreachable

if TYPE_CHECKING:
    from im.node import Node

CONNECTIONS_PER_SECOND = 1_000.0
CONNECTION_BURST = 2_000
FAILED_HELLOS_PER_SECOND = 5.0
FAILED_HELLO_BURST = 300
SITE_HELLOS_PER_SECOND = 5_000.0
SITE_HELLO_BURST = 100_000
"""A whole community that comes back at once is let in; one that comes back again and again leaves room for others."""


GUARD_S = 3.0
"""How long a page waits for the event loop, in seconds."""


class Rate:
    """One kind of rate."""

    def __init__(self, node: "Node", kind: str, rate: float, burst: int) -> None:
        self._node = node
        self._kind = kind
        self._rate = rate
        self._burst = burst
        self._own = Buckets(rate, burst)

    async def take(self, who: str) -> int:
        """Takes a token: 0, or the milliseconds until there is one again."""
        return await self._take(who, 1)

    async def empty(self, who: str) -> int:
        """Milliseconds until there is a token; 0 where there is one. Takes none."""
        return await self._take(who, 0)

    async def _take(self, who: str, tokens: int) -> int:
        try:
            return await _shared(self._node, self._kind, who, self._rate, self._burst, tokens)
        except Unreachable:
            return self._own.take(who) if tokens else self._own.empty(who)


class Guard:
    """One kind of rate, of what pages do. In a process that is no node it is that process's own."""

    def __init__(self, kind: str, rate: float, burst: int) -> None:
        """Lets `burst` pass at once, and `rate` a second in the long run."""
        self._kind = kind
        self._rate = rate
        self._burst = burst
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forgets what this process has counted by itself."""
        self._own = Buckets(self._rate, self._burst)

    def take(self, who: str) -> int:
        """Takes a token: 0, or the milliseconds until there is one again. Never in the event loop's own thread."""
        return self._take(who, 1)

    def empty(self, who: str) -> int:
        """Milliseconds until there is a token; 0 where there is one. Takes none."""
        return self._take(who, 0)

    def _take(self, who: str, tokens: int) -> int:
        from im import node

        running = node.running()
        if running is not None and running.loop.is_running():
            asked = _shared(running, self._kind, who, self._rate, self._burst, tokens)
            answer = asyncio.run_coroutine_threadsafe(asked, running.loop)
            try:
                return answer.result(GUARD_S)
            except (Unreachable, TimeoutError):
                answer.cancel()
        with self._lock:
            return self._own.take(who) if tokens else self._own.empty(who)


async def _shared(node: "Node", kind: str, who: str, rate: float, burst: int, tokens: int) -> int:
    link = node.link_of(who)
    if not link.up:
        raise Unreachable
    try:
        return await link.directory.take(f"{kind}:{who}", rate, burst, tokens)
    except Unreachable as error:
        # Nobody else is to wait for it.
        link.lost(error)
        raise


class Rates:
    """The rates of a node's connections."""

    def __init__(self, node: "Node") -> None:
        self.connections = Rate(node, "connect", CONNECTIONS_PER_SECOND, CONNECTION_BURST)
        self.failed_hellos = Rate(node, "failed", FAILED_HELLOS_PER_SECOND, FAILED_HELLO_BURST)
        self.site_hellos = Rate(node, "site", SITE_HELLOS_PER_SECOND, SITE_HELLO_BURST)

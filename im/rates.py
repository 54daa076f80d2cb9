"""What an address, and a site, may do in a time: shared by all nodes, where they share a directory.

A directory that does not answer lets nobody wait: this node's own buckets do meanwhile.
"""

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
        link = self._node.link_of(who)
        if link.up:
            try:
                return await link.directory.take(f"{self._kind}:{who}", self._rate, self._burst, tokens)
            except Unreachable as error:
                # Nobody else is to wait for it.
                link.lost(error)
        return self._own.take(who) if tokens else self._own.empty(who)


class Rates:
    """The rates of a node's connections."""

    def __init__(self, node: "Node") -> None:
        self.connections = Rate(node, "connect", CONNECTIONS_PER_SECOND, CONNECTION_BURST)
        self.failed_hellos = Rate(node, "failed", FAILED_HELLOS_PER_SECOND, FAILED_HELLO_BURST)
        self.site_hellos = Rate(node, "site", SITE_HELLOS_PER_SECOND, SITE_HELLO_BURST)

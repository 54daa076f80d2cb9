"""What other parts of the product hang on to in the life of a node and its connections.

The messenger calls; presence and calls listen. A hook is a plain function of the event loop.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from im.handler import Handler
    from im.members import Chosen
    from im.node import Node
    from im.nodes.link import Link

started: list[Callable[["Node"], None]] = []
"""The node begins its work."""

arrived: list[Callable[["Handler", "Chosen"], None]] = []
"""A connection was let in; with the member's stored choice of presence."""

detached: list[Callable[["Handler"], None]] = []
"""An HTTP session's events are no longer being read; another node may go on with it."""

wished: list[Callable[["Handler", bool, Mapping[str, str]], Awaitable[None]]] = []
"""All that an HTTP session at home here wishes now: whether it idles, whom it watches (each with how it was told)."""

attached: list[Callable[["Handler"], None]] = []
"""An HTTP session's events are being read again, after a pause in which only what is stored was kept."""

departed: list[Callable[["Handler"], None]] = []
"""A connection is gone for good."""

gone: list[Callable[["Node", int, int], None]] = []
"""(node, site, member): the member's last connection is gone, and none came within the grace time."""

blocks_changed: list[Callable[["Node", int, int], None]] = []
"""(node, owner, member): one has blocked the other, or no longer does."""

linked: list[Callable[["Link"], None]] = []
"""A link's directory knows nothing of this node (any more): it is told all again, and asked what was missed."""

nodes_found: list[Callable[["Link"], None]] = []
"""A link has found nodes that it did not know, or that have registered again: of them it may have missed something."""

nodes_gone: list[Callable[["Link", frozenset[str]], None]] = []
"""Nodes that a link knew are no longer alive, or have left."""

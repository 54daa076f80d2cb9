"""Which layers and directories a node has: one of each per Redis server, or those in memory.

A site lives on one of the servers. All nodes must have the same list, in the same order.
"""

from collections.abc import Callable, Iterable

from channels.layers import channel_layers
from django.conf import settings

from im.nodes.directory import Directory
from im.nodes.link import Layer
from im.nodes.memory import MemoryDirectory
from im.nodes.redis import RedisDirectory

Ends = Callable[[str], Iterable[tuple[Layer, Directory]]]
"""Makes them, for a node's id."""


def from_settings(node: str) -> list[tuple[Layer, Directory]]:
    """As the installation is set up."""
    if not settings.REDIS_URLS:
        return [(channel_layers["default"], MemoryDirectory(node))]
    return [
        (channel_layers[alias], RedisDirectory(node, url))
        for alias, url in zip(settings.CHANNEL_LAYERS, settings.REDIS_URLS, strict=True)
    ]

"""Tells all nodes that a site's settings have changed: from any process (a node, a command, a worker) and any thread.

What is not told, because no Redis answers, is seen when a node's own memory of the site is over.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from django.conf import settings

from avchat.tenants import directory
from im import node, notes
from im.nodes.link import TROUBLE, Said, message
from im.nodes.redis import RedisDirectory

logger = logging.getLogger(__name__)


def site_changed(key: str) -> None:
    """Has the other nodes forget what they know of a site."""
    running = node.running()
    if running is not None:
        running.loop.call_soon_threadsafe(running.tell_all, "site", key)
    elif settings.REDIS_URLS:
        asyncio.run(_tell_all("site", key))


async def _tell_all(kind: str, *args: str) -> None:
    """For processes that are no node: with connections of the moment, which no other event loop may use."""
    ends = zip(settings.REDIS_URLS, settings.CHANNEL_LAYERS.values(), strict=True)
    # Over each server, so that any one that works will do.
    await asyncio.gather(*(_tell_over(url, layer["CONFIG"], kind, args) for url, layer in ends))


async def _tell_over(url: str, config: dict[str, Any], kind: str, args: tuple[str, ...]) -> None:
    nodes = RedisDirectory("", url)
    layer = RedisChannelLayer(**config)
    try:
        for other in await nodes.others():
            with suppress(ChannelFull):
                await layer.send(*message(other, "", [Said(kind, list(args))]))
    except TROUBLE as error:
        logger.warning("The nodes were not told of a changed site: %s", error)
    finally:
        await layer.close_pools()
        await nodes.close()


@notes.on("site")
def _changed(node: "node.Node", key: str) -> None:
    directory.forget(key)

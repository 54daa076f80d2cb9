"""Nodes in this process, joined as those of several processes are, and what is asked of their members."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels_redis.core import RedisChannelLayer
from django.db import connections

from avchat.tenants import services
from avchat.tenants.models import Site
from im import database
from im.ending import end
from im.node import Node
from im.nodes import link
from im.nodes import redis as in_redis
from im.nodes.directory import Directory
from im.nodes.link import Layer
from im.nodes.redis import RedisDirectory
from presence import monitor
from tests.support.desk import Desk
from tests.support.wait import eventually

Message = dict[str, Any]


class Fickle:
    """A channel layer that loses, doubles and delays what is sent over it."""

    def __init__(self, layer: Layer, seed: int) -> None:
        self.layer = layer
        self.dice = random.Random(seed)
        self.broken = False
        self._late: set[asyncio.Task[None]] = set()

    async def send(self, channel: str, message: Message) -> None:
        if self.broken:
            return
        for _ in range(self.dice.choice([0, 1, 1, 2])):
            if self.dice.random() < 0.5:
                await self.layer.send(channel, message)
            else:
                task = asyncio.create_task(self._send_later(channel, message))
                self._late.add(task)
                task.add_done_callback(self._late.discard)

    async def _send_later(self, channel: str, message: Message) -> None:
        await asyncio.sleep(self.dice.uniform(0, 0.05))
        await self.layer.send(channel, message)

    async def receive(self, channel: str) -> Message:
        return await self.layer.receive(channel)


class Cluster:
    """Nodes in this process, over the same directories and layers."""

    def __init__(self, ends: Callable[[str], Iterable[tuple[Layer, Directory]]]) -> None:
        self.ends = ends
        self.nodes: list[Node] = []

    async def grow(self, count: int) -> list[Node]:
        """Adds nodes, and waits until all know of each other."""
        fresh = [Node(self.ends) for _ in range(count)]
        self.nodes += fresh
        await eventually(self.linked)
        return fresh

    def linked(self) -> bool:
        """Whether all know of each other, over each of their links."""
        others = len(self.nodes) - 1
        return all(link.up and len(link.others) == others for node in self.nodes for link in node.links)

    async def close(self) -> None:
        """Ends all nodes, and with them what their readers hold open."""
        for node in self.nodes:
            await node.close()
        for _ in range(database.READERS):
            await database.read(connections.close_all)

    async def die(self, node: Node) -> None:
        """A node ends as in a crash: it tells nobody."""
        self.nodes.remove(node)
        await asyncio.gather(*(each.stop() for each in node.links))
        await end([node._comparing, *node._tasks])
        node.router._present.clear()
        await asyncio.to_thread(node.journal.stop)
        for each in node.links:
            await each.directory.close()


@asynccontextmanager
async def over(*urls: str) -> AsyncIterator[Cluster]:
    """A cluster over these Redis servers, without nodes yet."""
    buses = [
        RedisChannelLayer(hosts=[{"address": url, "max_connections": 50, "socket_timeout": 15}], capacity=10_000)
        for url in urls
    ]
    cluster = Cluster(lambda node: [(bus, RedisDirectory(node, url)) for bus, url in zip(buses, urls, strict=True)])
    try:
        yield cluster
    finally:
        await cluster.close()
        for bus in buses:
            await bus.close_pools()


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has nodes see within moments who comes and goes."""
    monkeypatch.setattr(link, "BEAT_S", 0.1)
    monkeypatch.setattr(in_redis, "LIFE_S", 2.0)


async def settle(name: str) -> Site:
    """A site with a secret, whose members are gone after moments."""

    def make() -> Site:
        site = Site.objects.create(name=name, grace=1.0)
        services.add_secret(account=None, site=site, label="test")
        return site

    return await database.read(make)


async def seats(site: Site, *members: tuple[str, Node]) -> list[Desk]:
    desks = [Desk(node, site, sub) for sub, node in members]
    for desk in desks:
        await desk.sit()
    return desks


def bodies(desk: Desk) -> list[str]:
    return [frame["body"] for frame in desk.of("message")]


def shows(desk: Desk, sub: str) -> list[str]:
    return [frame["members"][sub]["show"] for frame in desk.of("presence") if sub in frame["members"]]


async def sees(desk: Desk, sub: str, show: str) -> bool:
    return bool((await desk.ask("presence.watch", members=[sub]))["presence"][sub]["show"] == show)


async def watching(desk: Desk, sub: str, show: str) -> None:
    """Waits until a desk sees a member so, and has been told all of it: what it is told from now on is news."""
    await eventually(lambda: sees(desk, sub, show))
    # What came between the look and its answer is in the answer, and told a moment later, too.
    monitor.of(desk.node)._tell_all()
    desk.frames.clear()


class Reader:
    """A session's port, as a transport is one."""

    def __init__(self) -> None:
        self.frames: list[Message] = []
        self.over = False

    def write(self, data: bytes, version: int | None) -> None:
        self.frames.append(json.loads(data))

    def close(self, code: int, reason: str) -> None:
        self.over = True

    def said(self) -> list[str]:
        return [frame["body"] for frame in self.frames if frame["type"] == "message"]


async def begin(site: Site, node: Node, sub: str) -> tuple[str, Desk]:
    desk = Desk(node, site, sub)
    reply = await desk.sit()
    desk.handler.port = None
    id = await node.sessions.begin(desk.handler, int(reply["cursor"].split(".")[1], 16))
    return id, desk


async def read(node: Node, id: str) -> Reader:
    """A poll that is answered at once."""
    reader = Reader()
    handler, _ = await node.sessions.attach(id, reader, None)
    node.sessions.detach(handler, reader)
    await node.sessions.save(handler)
    return reader

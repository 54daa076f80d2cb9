"""An installation past one machine: two nodes over three Redis servers, two memcached, a MariaDB and its replica."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from tests.support.client import Connection, Frame, HelloRefused
from tests.support.http import HttpConnection
from tests.support.mariadb import MariaDB
from tests.support.memcached import Memcached
from tests.support.redis import Redis
from tests.support.server import Server
from tests.support.site import Site
from tests.support.wait import eventually

SERVERS = 3
SMALL = ("innodb-buffer-pool-size=64M", "innodb-log-file-size=16M")


class Installation:
    """All of it; `nodes` are two processes with the same settings but for their names."""

    def __init__(self, directory: Path) -> None:
        self.redises = [Redis(directory / f"redis{number}") for number in range(SERVERS)]
        self.memcacheds = [Memcached(), Memcached()]
        self.primary = MariaDB(directory / "primary", "server-id=1", "log-bin=log", "sync-binlog=1", *SMALL)
        self.replica = MariaDB(directory / "replica", "server-id=2", *SMALL)
        self.nodes: list[Server] = []
        self._directory = directory

    def start(self) -> None:
        """Starts the services, then the nodes."""
        for service in (*self.redises, *self.memcacheds, self.primary, self.replica):
            service.start()
        self.replica.follow(self.primary)
        url = self.primary.create()
        self.database = url.rpartition("/")[2]
        settings = {
            "AVCHAT_SECRET_KEY": secrets.token_hex(32),
            "AVCHAT_DATABASE_URL": url,
            "AVCHAT_REPLICA_URL": self.replica.url(self.database),
            "AVCHAT_REDIS_URL": ",".join(server.url for server in self.redises),
            "AVCHAT_MEMCACHED": ",".join(server.address for server in self.memcacheds),
        }
        for name in ("here", "there"):
            self.nodes.append(Server(self._directory / name, AVCHAT_NODE=name, **settings))
            self.nodes[-1].start()

    def stop(self) -> None:
        """Ends the nodes, then the services."""
        for each in (*self.nodes, *self.redises, *self.memcacheds, self.replica, self.primary):
            each.stop()

    async def replicated(self) -> None:
        """Waits until the replica has got as far as the primary; its words are others from now on."""
        assert await asyncio.to_thread(self.replica.caught_up, self.primary)
        words = "UPDATE im_message SET body = CONCAT('replica: ', body) WHERE body NOT LIKE 'replica: %'"
        self.replica.query(words, database=self.database)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("installation"))
    try:
        installation.start()
        yield installation
    finally:
        installation.stop()


@pytest.fixture
async def sites(installation: Installation) -> AsyncIterator[list[Site]]:
    """Three sites, made one after the other, so that each is on another server. No node may log a traceback."""
    sites = [Site(installation.nodes[0]) for _ in range(SERVERS)]
    yield sites
    for site in sites:
        await site.leave()
    assert [node.complaints() for node in installation.nodes] == [[], []]


async def join(site: Site, node: Server, sub: str, transport: str = "ws") -> Connection:
    """A member's connection to one of the nodes."""
    site.server = node
    return await site.join(sub, transport=transport)


async def shown(who: Connection, sub: str, show: str) -> None:
    """Waits until a member sees another so."""

    async def so() -> bool:
        presence = (await who.ok("presence.watch", members=[sub]))["presence"]
        return bool(presence[sub]["show"] == show)

    await eventually(so)


def bodies(page: dict[str, list[dict[str, str]]]) -> list[str]:
    """What a page of the history says."""
    return [message["body"] for message in page["messages"]]


def sites_on(server: Redis) -> set[str]:
    """The sites of which a Redis server's directory knows."""
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        names = {name for key in client.scan_iter("avchat:names:*") for name in client.smembers(key)}
    return {name for name in names if name.startswith("s:")}


async def test_members_of_sites_on_each_of_three_redis_servers_chat_across_the_nodes(
    installation: Installation, sites: list[Site]
) -> None:
    here, there = installation.nodes
    for site in sites:
        ann, bob = await join(site, here, "ann"), await join(site, there, "bob")
        cid = await join(site, there, "cid", "poll")
        assert isinstance(cid, HttpConnection)
        await shown(bob, "ann", "online")
        room = (await ann.ok("conversation.create", members=["bob", "cid"], name="Quay"))["conversation"]
        await ann.say(room, "from here")
        for who in (bob, cid):
            await who.event("message", body="from here")
        # The session's next requests come to the other node, as behind a proxy that knows of no sessions.
        cid.client.base_url = here.base
        await cid.say(room, "from a session")
        await bob.say(room, "from there")
        for who, body in ((ann, "from a session"), (bob, "from a session"), (ann, "from there"), (cid, "from there")):
            await who.event("message", body=body)
        await bob.tell("typing", conversation=room, on=True)
        await ann.event("typing", member="bob")
        await ann.ok("presence.set", show="dnd", status="mooring")
        await bob.sees("ann", "dnd")
        for who in (ann, bob, cid):
            page = await who.ok("history", conversation=room)
            said = [body.removeprefix("replica: ") for body in bodies(page) if body]
            assert said == ["from here", "from a session", "from there"]
    found = [sites_on(server) for server in installation.redises]
    assert [len(each) for each in found] == [1] * SERVERS
    assert len(set().union(*found)) == SERVERS


async def test_what_is_kept_in_memory_is_spread_over_both_memcached_servers(
    installation: Installation, sites: list[Site]
) -> None:
    here, there = installation.nodes
    for site in sites:
        ann = await join(site, here, "ann")
        for number in range(8):
            other = await join(site, there, f"other{number}")
            await ann.send(f"other{number}", f"Ahoy {number}")
            await other.event("message", body=f"Ahoy {number}")
            await other.ok("conversations")

    async def spread() -> bool:
        # A server that was slow once is left alone for a while.
        await ann.ok("conversations")
        return all(
            memcached.stats()[name] > 0 for memcached in installation.memcacheds for name in ("curr_items", "get_hits")
        )

    await eventually(spread)


async def test_a_name_or_a_site_that_is_changed_at_one_node_is_changed_at_the_other(
    installation: Installation, sites: list[Site]
) -> None:
    here, there = installation.nodes

    async def named(who: Connection) -> str:
        (bob,) = (await who.ok("members", ids=["bob"]))["members"]
        return str(bob["name"])

    def kept() -> str:
        return "".join(repr(memcached.contents()) for memcached in installation.memcacheds)

    for number, site in enumerate(sites):
        before, after = f"Bob of {number}", f"Robert of {number}"
        site.server = here
        await site.join("bob", name=before)
        ann = await join(site, there, "ann")
        assert [await named(ann), await named(ann)] == [before, before]
        assert before in kept()
        site.server = here
        await site.join("bob", name=after)
        assert await named(ann) == after
        guest = {"guest": {"name": "Visitor"}}
        site.server = there
        with pytest.raises(HelloRefused):
            await site.hello(guest)
        # In the other node's memory, and in the one that they share: by itself it would be there for a minute.
        await eventually(lambda key=site.key: key in kept())
        change = f'set_guests(account=None, site=Site.objects.get(key="{site.key}"), allowed=True)'
        here.manage("shell", "-c", f"from avchat.tenants.services import *; {change}")

        async def let_in(site: Site = site, guest: Frame = guest) -> bool:
            with suppress(HelloRefused):
                return bool(await site.hello(guest))
            return False

        await eventually(let_in)


async def test_history_comes_from_the_replica_at_every_node_and_is_never_less_than_was_acknowledged(
    installation: Installation, sites: list[Site]
) -> None:
    here, there = installation.nodes
    for site in sites:
        ann, bob = await join(site, here, "ann"), await join(site, there, "bob")
        room = (await ann.send("bob", "one"))["conversation"]
        await installation.replicated()
        for who in (ann, bob):
            assert bodies(await who.ok("history", conversation=room)) == ["replica: one"]
        installation.replica.query("STOP SLAVE SQL_THREAD")
        try:
            for number in range(5):
                await ann.say(room, f"late {number}")
                page = bodies(await bob.ok("history", conversation=room))
                assert page == ["one", *(f"late {earlier}" for earlier in range(number + 1))]
        finally:
            installation.replica.query("START SLAVE SQL_THREAD")
        await installation.replicated()
        assert bodies(await bob.ok("history", conversation=room))[-1] == "replica: late 4"


async def test_a_redis_and_a_memcached_that_are_gone_delay_and_lose_nothing(
    installation: Installation, sites: list[Site]
) -> None:
    here, there = installation.nodes
    pairs = [(await join(site, here, "ann"), await join(site, there, "bob")) for site in sites]
    for _, bob in pairs:
        await shown(bob, "ann", "online")
    installation.redises[1].kill()
    installation.memcacheds[0].kill()
    try:
        for ann, bob in pairs:
            for number in range(3):
                await ann.send("bob", f"{number}")
                await bob.event("message", body=f"{number}")
    finally:
        installation.memcacheds[0].start()
        installation.redises[1].start()
    for ann, bob in pairs:
        await bob.send("ann", "after")
        await ann.event("message", body="after")
        await ann.ok("presence.set", show="away", status="")
        await bob.sees("ann", "away")
        assert "offline" not in bob.shown("ann")
        assert [message["body"] for message in bob.messages()] == ["0", "1", "2"]

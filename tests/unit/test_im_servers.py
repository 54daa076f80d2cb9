"""Several Redis servers: a site lives on one of them, and what happens to one server concerns its own sites alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis as Client

from avchat.tenants.models import Site
from im import feed
from im.errors import Refusal
from im.node import Node
from im.nodes import announce
from im.nodes import link as links
from im.nodes.directory import Directory
from im.nodes.link import Layer
from im.nodes.redis import RedisDirectory
from tests.support.desk import Desk
from tests.support.nodes import Cluster, begin, bodies, hurry, over, read, seats, sees, settle, shows, watching
from tests.support.proxy import Proxy
from tests.support.redis import Redis
from tests.support.wait import eventually

pytestmark = pytest.mark.faults

SERVERS = 3


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Redis]]:
    servers = [Redis(tmp_path_factory.mktemp(f"redis{number}")) for number in range(SERVERS)]
    try:
        yield [server.start() for server in servers]
    finally:
        for server in servers:
            server.stop()


@pytest.fixture
def servers(running: list[Redis]) -> list[Redis]:
    """Empty ones, which a test may kill."""
    for server in running:
        server.start().empty()
    return running


@pytest.fixture
async def cluster(
    transactional_db: None, servers: list[Redis], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    hurry(monkeypatch)
    async with over(*(server.url for server in servers)) as cluster:
        yield cluster


@pytest.fixture
async def two(cluster: Cluster) -> tuple[Node, Node]:
    here, there = await cluster.grow(2)
    return here, there


@pytest.fixture
async def sites(transactional_db: None) -> list[Site]:
    """One on each of the servers, in their order."""
    made = [await settle(f"Harbour {number}") for number in range(SERVERS)]
    return sorted(made, key=lambda site: site.pk % SERVERS)


@pytest.fixture
def unrepaired(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Sites that are to do without the repair: what is not told over the bus they miss."""
    sites: set[int] = set()
    fetch = feed._missed

    def missed(site_id: int, *args: Any) -> Any:
        if site_id in sites:
            raise ConnectionError("not to be fetched")
        return fetch(site_id, *args)

    monkeypatch.setattr(feed, "_missed", missed)
    return sites


async def pairs(sites: list[Site], here: Node, there: Node) -> list[tuple[Desk, Desk]]:
    """In each site Ann here and Bob there, who sees her."""
    found = []
    for site in sites:
        ann, bob = await seats(site, ("ann", here), ("bob", there))
        await watching(bob, "ann", "online")
        found.append((ann, bob))
    return found


async def send(desk: Desk, body: str) -> Any:
    return await desk.ask("message.send", to={"member": "bob"}, body=body, key=body)


async def keys(server: Redis) -> set[str]:
    client = Client.from_url(server.url, decode_responses=True)
    try:
        return {str(key) async for key in client.scan_iter()}
    finally:
        await client.aclose()


async def names_on(server: Redis, node: Node) -> set[str]:
    client = Client.from_url(server.url, decode_responses=True)
    try:
        return set(await client.smembers(f"avchat:names:{node.id}"))
    finally:
        await client.aclose()


async def test_each_server_knows_of_its_own_sites_alone(
    sites: list[Site], two: tuple[Node, Node], servers: list[Redis]
) -> None:
    there = two[1]
    for site, server, (_, bob) in zip(sites, servers, await pairs(sites, *two), strict=True):
        expected = {f"s:{site.pk}", f"m:{bob.handler.caller.id}", f"w:{site.pk}:ann"}
        await eventually(lambda server=server, expected=expected: _has(server, there, expected))
        books = {key.split(":")[3] for key in await keys(server) if key.startswith("avchat:book:")}
        assert books == {str(site.pk)}


async def _has(server: Redis, node: Node, expected: set[str]) -> bool:
    return await names_on(server, node) == expected


@pytest.mark.parametrize("number", range(SERVERS))
async def test_members_of_a_site_on_any_of_the_servers_meet_across_nodes(
    sites: list[Site], two: tuple[Node, Node], unrepaired: set[int], number: int
) -> None:
    unrepaired.add(sites[number].pk)
    ((ann, bob),) = await pairs([sites[number]], *two)
    sent = await send(ann, "Ahoy")
    await eventually(lambda: bodies(bob) == ["Ahoy"])
    ann.ask("typing", conversation=sent["conversation"], on=True)
    await eventually(lambda: bob.of("typing"))
    await ann.ask("presence.set", show="dnd", status="mooring")
    await eventually(lambda: shows(bob, "ann") == ["dnd"])
    await bob.ask("block.add", member="ann")
    await eventually(lambda: shows(bob, "ann") == ["dnd", "offline"])


async def test_what_is_said_of_a_site_asks_nothing_of_the_other_servers(
    sites: list[Site], two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    for node in two:
        for number, link in enumerate(node.links):
            monkeypatch.setattr(link.directory, "locate", _noting(asked, number, link.directory.locate))
    for number, (ann, bob) in enumerate(await pairs(sites, *two)):
        asked.clear()
        sent = await send(ann, "Ahoy")
        await eventually(lambda bob=bob: bodies(bob) == ["Ahoy"])
        await ann.ask("presence.set", show="dnd", status="")
        await eventually(lambda bob=bob: shows(bob, "ann") == ["dnd"])
        ann.ask("typing", conversation=sent["conversation"], on=True)
        await eventually(lambda bob=bob: bob.of("typing"))
        await ann.ask("block.add", member="bob")
        await ann.ask("block.remove", member="bob")
        await eventually(lambda bob=bob: shows(bob, "ann")[-2:] == ["offline", "dnd"])
        assert set(asked) == {number}


def _noting(asked: list[int], number: int, call: Callable[..., Any]) -> Callable[..., Any]:
    async def noted(*args: Any) -> Any:
        asked.append(number)
        return await call(*args)

    return noted


@pytest.mark.parametrize("dead", range(SERVERS))
async def test_a_dead_server_delays_its_own_sites_and_no_other_and_all_is_right_when_it_is_back(
    sites: list[Site], cluster: Cluster, servers: list[Redis], unrepaired: set[int], dead: int
) -> None:
    here, there = await cluster.grow(2)
    desks = await pairs(sites, here, there)
    unrepaired.update(site.pk for site in sites if site is not sites[dead])
    servers[dead].kill()
    await eventually(lambda: not here.links[dead].up and not there.links[dead].up)
    for ann, _ in desks:
        assert [(await send(ann, f"{n}"))["type"] for n in range(5)] == ["ok"] * 5
        await ann.ask("presence.set", show="away", status="")
    for number, (_, bob) in enumerate(desks):
        await eventually(lambda bob=bob: bodies(bob) == ["0", "1", "2", "3", "4"])
        if number != dead:
            await eventually(lambda bob=bob: shows(bob, "ann") == ["away"])
    # A member who comes and one who goes meanwhile.
    (cid,) = await seats(sites[dead], ("cid", here))
    (dan,) = await seats(sites[dead], ("dan", here))
    assert not await sees(desks[dead][1], "cid", "online")
    assert not await sees(desks[dead][1], "dan", "online")
    await asyncio.to_thread(servers[dead].start)
    await eventually(cluster.linked)
    for ann, bob in desks:
        await send(ann, "after")
        await eventually(lambda bob=bob: bodies(bob) == ["0", "1", "2", "3", "4", "after"])
        # She was never said to be gone.
        await eventually(lambda bob=bob: shows(bob, "ann") == ["away"])
    watcher = desks[dead][1]
    await eventually(lambda: shows(watcher, "cid") == ["online"] and shows(watcher, "dan") == ["online"])
    for leaving in (cid, dan):
        leaving.stand()
    await eventually(lambda: shows(watcher, "dan") == shows(watcher, "cid") == ["online", "offline"])


async def test_the_members_of_a_node_that_died_go_offline_whatever_server_their_site_is_on(
    sites: list[Site], cluster: Cluster
) -> None:
    here, there = await cluster.grow(2)
    desks = await pairs(sites, here, there)
    await cluster.die(here)
    for _, bob in desks:
        await eventually(lambda bob=bob: shows(bob, "ann") == ["offline"])


async def test_a_node_cut_off_from_one_server_is_gone_for_its_sites_alone_and_comes_back_as_it_is_then(
    sites: list[Site], cluster: Cluster, servers: list[Redis]
) -> None:
    proxy = await Proxy(servers[0].port).open()
    url = f"redis://127.0.0.1:{proxy.port}/0"
    try:
        async with over(url, servers[1].url, servers[2].url) as cut:
            (here,) = await cut.grow(1)
            cut.ends = cluster.ends
            (there,) = await cut.grow(1)
            desks = await pairs(sites, here, there)
            (cid,) = await seats(sites[0], ("cid", here))
            watcher = desks[0][1]
            await eventually(lambda: sees(watcher, "cid", "online"))
            for _, bob in desks:
                bob.frames.clear()
            await proxy.shut()
            await eventually(lambda: shows(watcher, "ann") == ["offline"])
            assert not there.links[0].others
            # She goes while nobody can be told, and what was written of her is still there.
            cid.stand()
            await eventually(lambda: _gone(here, cid))
            await proxy.open()
            await eventually(lambda: shows(watcher, "ann") == ["offline", "online"])
            assert not await sees(watcher, "cid", "online")
            for ann, bob in desks[1:]:
                assert shows(bob, "ann") == []
                await send(ann, "Ahoy")
                await eventually(lambda bob=bob: bodies(bob) == ["Ahoy"])
    finally:
        await proxy.shut()


def _gone(node: Node, desk: Desk) -> bool:
    board = next(part for part in node.parts.values() if hasattr(part, "board")).board
    return board.find(desk.handler.caller.site_id, desk.handler.caller.sub) is None


async def test_who_leaves_during_a_short_cut_does_not_stay_online_for_ever(
    sites: list[Site], cluster: Cluster, servers: list[Redis], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await Proxy(servers[0].port).open()
    try:
        async with over(f"redis://127.0.0.1:{proxy.port}/0", servers[1].url, servers[2].url) as cut:
            (here,) = await cut.grow(1)
            cut.ends = cluster.ends
            (there,) = await cut.grow(1)
            ((ann, bob),) = await pairs(sites[:1], here, there)
            # So short that nobody takes the node for gone.
            monkeypatch.setattr("im.nodes.redis.LIFE_S", 20.0)
            await here.links[0].directory.beat()
            await proxy.shut()
            await eventually(lambda: not here.links[0].up)
            ann.stand()
            await eventually(lambda: _gone(here, ann))
            await proxy.open()
            await eventually(lambda: here.links[0].up)
            await eventually(lambda: sees(bob, "ann", "offline"))
            (cid,) = await seats(sites[0], ("cid", there))
            await eventually(lambda: sees(cid, "ann", "offline"))
    finally:
        await proxy.shut()


async def sessions(site: Site, node: Node) -> list[str]:
    """Sessions of Bob's, one in the directory of each of the servers."""
    found: dict[int, str] = {}
    while len(found) < SERVERS:
        id, desk = await begin(site, node, "bob")
        number = node.links.index(node.link_of(id))
        if number in found:
            await node.sessions.end(desk.handler)
        found.setdefault(number, id)
    return [found[number] for number in range(SERVERS)]


@pytest.mark.parametrize("number", range(SERVERS))
async def test_a_session_is_read_at_any_node_wherever_its_site_and_its_record_are(
    sites: list[Site], two: tuple[Node, Node], number: int
) -> None:
    ids = await sessions(sites[number], two[0])
    (ann,) = await seats(sites[number], ("ann", two[0]))
    for n in range(4):
        await send(ann, f"{n}")
        for id in ids:
            assert (await read(two[n % 2], id)).said() == [f"{n}"]


async def test_a_dead_server_keeps_its_sessions_at_home_and_no_other(
    sites: list[Site], cluster: Cluster, servers: list[Redis]
) -> None:
    here, there = await cluster.grow(2)
    dead = 0
    ids = await sessions(sites[1], here)
    (ann,) = await seats(sites[1], ("ann", here))
    servers[dead].kill()
    await eventually(lambda: not here.links[dead].up and not there.links[dead].up)
    await send(ann, "one")
    assert [(await read(here, id)).said() for id in ids] == [["one"]] * SERVERS
    with pytest.raises(Refusal, match="does not answer"):
        await read(there, ids[dead])
    await send(ann, "two")
    for id in ids[1:]:
        assert (await read(there, id)).said() == ["two"]
    await asyncio.to_thread(servers[dead].start)
    await eventually(cluster.linked)
    await eventually(lambda: _known(there, ids[dead]))
    assert (await read(there, ids[dead])).said() == ["two"]


async def _known(node: Node, id: str) -> bool:
    return await node.link_of(id).directory.session(id) is not None


async def test_rates_are_shared_over_the_servers_and_are_each_nodes_own_where_one_is_dead(
    cluster: Cluster, servers: list[Redis], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await cluster.grow(2)
    who = {here.links.index(here.link_of(f"127.0.0.{n}")): f"127.0.0.{n}" for n in range(50)}
    for node in (here, there):
        monkeypatch.setattr(node.rates.failed_hellos, "_rate", 0.01)
        monkeypatch.setattr(node.rates.failed_hellos, "_burst", 2)
    servers[1].kill()
    await eventually(lambda: not here.links[1].up and not there.links[1].up)
    for number in (0, 2):
        assert await here.rates.failed_hellos.take(who[number]) == 0
        assert await there.rates.failed_hellos.take(who[number]) == 0
        assert await here.rates.failed_hellos.take(who[number]) > 0
    assert await here.rates.failed_hellos.take(who[1]) == 0
    assert await there.rates.failed_hellos.empty(who[1]) == 0


async def test_a_changed_site_is_told_over_the_servers_that_are_left(
    sites: list[Site], cluster: Cluster, servers: list[Redis], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await cluster.grow(2)
    assert isinstance(here.links[0].directory, RedisDirectory)
    told: list[str] = []
    monkeypatch.setattr(announce.directory, "forget", lambda key=None: told.append(key))
    servers[0].kill()
    await eventually(lambda: not here.links[0].up and not there.links[0].up)
    here.tell_all("site", "by a node")
    await eventually(lambda: "by a node" in told)
    # A process that is no node.
    settings.REDIS_URLS = [server.url for server in servers]
    settings.CHANNEL_LAYERS = {
        str(number): {"CONFIG": {"hosts": [server.url]}} for number, server in enumerate(servers)
    }
    await asyncio.to_thread(announce.site_changed, "by a command")
    await eventually(lambda: told.count("by a command") >= len(cluster.nodes))


class Crowd:
    """A channel layer that counts the messages that are on their way at once."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.now = self.most = self.sent = 0

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.layer.send(channel, message)
            self.sent += 1
        finally:
            self.now -= 1

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self.layer.receive(channel)


async def test_more_nodes_than_a_layer_has_connections_are_told_by_turns(
    cluster: Cluster, servers: list[Redis], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("im.nodes.redis.LIFE_S", 20.0)
    count = 3 * links.AT_ONCE
    many = [RedisDirectory(f"node{n}", servers[0].url) for n in range(count)]
    for one in many:
        await one.beat()
        await one.close()
    crowds: list[Crowd] = []

    def ends(node: str, inner: Any = cluster.ends) -> list[tuple[Layer, Directory]]:
        made = [(Crowd(layer), directory) for layer, directory in inner(node)]
        crowds.extend(crowd for crowd, _ in made)
        return list(made)

    cluster.ends = ends
    node = Node(cluster.ends)
    cluster.nodes.append(node)
    await eventually(lambda: len(node.links[0].others) == count)
    # Each is told that there is another.
    await eventually(lambda: crowds[0].sent == count)
    assert crowds[0].most == links.AT_ONCE
    assert node.links[0].up

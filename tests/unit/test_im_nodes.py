"""Several nodes: what is stored at one reaches the members at the others, once and in order, whatever the bus does."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from channels.routing import URLRouter
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.test import RequestFactory

from avchat.dashboard import limits
from avchat.tenants.models import Site
from im import database, feed, rates, reception, routing, sessions
from im import handler as handler_module
from im import node as node_module
from im.caller import Caller
from im.errors import Refusal
from im.models import SiteVersion
from im.node import Node
from im.nodes import announce, names
from im.nodes.directory import Directory, Unreachable
from im.nodes.link import Layer
from im.nodes.memory import Hub, MemoryDirectory
from im.nodes.redis import RedisDirectory
from im.notes import Note
from presence import monitor
from presence import nodes as nodes_module
from tests.support.desk import Desk
from tests.support.nodes import (
    Cluster,
    Fickle,
    Reader,
    begin,
    bodies,
    hurry,
    over,
    read,
    seats,
    sees,
    settle,
    shows,
    watching,
)
from tests.support.redis import Redis
from tests.support.wait import eventually

Message = dict[str, Any]


@pytest.fixture(params=["memory", "redis"])
async def cluster(
    request: pytest.FixtureRequest, transactional_db: None, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    """No nodes yet; those that there are then see within moments who comes and goes."""
    hurry(monkeypatch)
    if request.param == "memory":
        hub, layer = Hub(), InMemoryChannelLayer(capacity=10_000)
        cluster = Cluster(lambda node: [(layer, MemoryDirectory(node, hub))])
        yield cluster
        await cluster.close()
    else:
        async with over(redis.url) as cluster:
            yield cluster


@pytest.fixture
async def two(cluster: Cluster) -> tuple[Node, Node]:
    here, there = await cluster.grow(2)
    return here, there


@pytest.fixture
async def site(transactional_db: None) -> Site:
    return await settle("Harbour")


async def test_a_message_reaches_a_member_at_another_node(site: Site, two: tuple[Node, Node]) -> None:
    bob, ann = await seats(site, ("bob", two[1]), ("ann", two[0]))
    sent = await ann.ask("message.send", to={"member": "bob"}, body="Ahoy", key="1")
    await eventually(lambda: bodies(bob) == ["Ahoy"])
    answer = await bob.ask("message.send", to={"conversation": sent["conversation"]}, body="Hello", key="1")
    assert answer["seq"] == 2
    await eventually(lambda: bodies(ann) == ["Hello"])
    assert bodies(bob) == ["Ahoy"]


async def test_two_connections_of_a_member_at_two_nodes_see_each_others_messages_tabs_and_reads(
    site: Site, two: tuple[Node, Node]
) -> None:
    bob, ann, phone = await seats(site, ("bob", two[0]), ("ann", two[0]), ("ann", two[1]))
    sent = await ann.ask("message.send", to={"member": "bob"}, body="Ahoy", key="k")
    await ann.ask("tabs.set", tabs=[{"conversation": sent["conversation"], "state": "open"}])
    await bob.ask("message.read", conversation=sent["conversation"], seq=1)
    await eventually(lambda: len(phone.of("message", "tabs", "read")) == 3)
    message, tabs, read = phone.of("message", "tabs", "read")
    assert message["key"] == "k"
    assert tabs["tabs"] == [{"conversation": sent["conversation"], "state": "open"}]
    assert (read["member"], read["seq"]) == ("bob", 1)
    assert ann.of("message", "tabs") == []


async def test_typing_is_told_at_another_node(site: Site, two: tuple[Node, Node]) -> None:
    bob, ann = await seats(site, ("bob", two[1]), ("ann", two[0]))
    sent = await ann.ask("message.send", to={"member": "bob"}, body="Ahoy", key="1")
    ann.ask("typing", conversation=sent["conversation"], on=True)
    await eventually(lambda: bob.of("typing"))
    assert bob.of("typing")[0]["member"] == "ann"
    assert ann.of("typing") == []


async def test_what_cannot_be_sent_to_another_node_does_not_keep_the_rest_from_it(
    site: Site, two: tuple[Node, Node]
) -> None:
    here, there = two
    bob, ann = await seats(site, ("bob", there), ("ann", here))
    sent = await ann.ask("message.send", to={"member": "bob"}, body="Ahoy", key="1")
    here.links[0].note_to(there.id, "nonsense", object())

    async def typed() -> bool:
        await ann.ask("typing", conversation=sent["conversation"], on=True)
        return bool(bob.of("typing"))

    await eventually(typed)


async def test_nodes_that_write_to_one_conversation_at_once_tell_everybody_all_of_it_in_order(
    site: Site, cluster: Cluster
) -> None:
    nodes = await cluster.grow(3)
    desks = await seats(site, ("ann", nodes[0]), ("bob", nodes[1]), ("cid", nodes[2]), ("dan", nodes[0]))
    made = await desks[0].ask("conversation.create", members=["bob", "cid", "dan"], name="Quay")
    sends = [
        desk.ask("message.send", to={"conversation": made["conversation"]}, body=f"{desk.sub} {n}", key=f"{n}")
        for n in range(30)
        for desk in desks
    ]
    answers = await asyncio.gather(*sends)
    assert sorted(answer["seq"] for answer in answers) == list(range(1, 121))
    await eventually(lambda: all(len(desk.of("message")) == 90 for desk in desks))
    for desk in desks:
        seqs = [frame["seq"] for frame in desk.of("message")]
        assert seqs == sorted(seqs)
        assert not any(body.startswith(desk.sub) for body in bodies(desk))


class Listed:
    """A layer that notes its channels."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.heard: set[str] = set()
        self.told: set[str] = set()

    async def send(self, channel: str, message: Message) -> None:
        self.told.add(channel)
        await self.layer.send(channel, message)

    async def receive(self, channel: str) -> Message:
        self.heard.add(channel)
        return await self.layer.receive(channel)


async def test_a_node_has_one_channel_whatever_its_members_do(site: Site, cluster: Cluster) -> None:
    layers: list[Listed] = []
    ends = cluster.ends

    def listed(node: str) -> list[tuple[Layer, Directory]]:
        made = [(Listed(layer), directory) for layer, directory in ends(node)]
        layers.extend(layer for layer, _ in made)
        return [*made]

    cluster.ends = listed
    nodes = await cluster.grow(3)
    for other in (site, await settle("Quay")):
        desks = await seats(other, *((f"m{n}", nodes[n % 3]) for n in range(6)))
        for desk in desks:
            await desk.ask("message.send", to={"member": "m0" if desk.sub != "m0" else "m1"}, body="Ahoy", key="1")
        await eventually(lambda desks=desks: len(bodies(desks[0])) == 5)
        await watching(desks[0], "m1", "online")
    assert [len(layer.heard) for layer in layers] == [1] * 3
    channels = set().union(*(layer.heard for layer in layers))
    assert len(channels) == 3
    assert set().union(*(layer.told for layer in layers)) == channels


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_bus_loses_delays_or_doubles_everybody_sees_all_once_and_in_order(
    site: Site, cluster: Cluster, seed: int
) -> None:
    ends = cluster.ends
    cluster.ends = lambda node: [(Fickle(layer, seed), directory) for layer, directory in ends(node)]
    nodes = await cluster.grow(3)
    desks = await seats(site, ("ann", nodes[0]), ("bob", nodes[1]), ("cid", nodes[2]))
    made = await desks[0].ask("conversation.create", members=["bob", "cid"], name="Quay")
    dice = random.Random(seed)
    for n in range(60):
        desk = dice.choice(desks)
        answer = await desk.ask(
            "message.send", to={"conversation": made["conversation"]}, body=f"{desk.sub} {n}", key=f"{n}"
        )
        assert answer["seq"] == n + 1
    history = [
        f"{m['body']}"
        for m in (await desks[0].ask("history", conversation=made["conversation"], limit=100))["messages"]
    ]
    for desk in desks:
        others = [body for body in history if not body.startswith(desk.sub)]
        await eventually(lambda desk=desk, others=others: bodies(desk) == others)


async def test_a_bus_that_carries_nothing_delays_messages_and_loses_none(site: Site, cluster: Cluster) -> None:
    fickle: list[Fickle] = []

    def ends(node: str, inner: Any = cluster.ends) -> Iterable[tuple[Layer, Directory]]:
        for layer, directory in inner(node):
            fickle.append(Fickle(layer, 1))
            yield fickle[-1], directory

    cluster.ends = ends
    here, there = await cluster.grow(2)
    bob, ann = await seats(site, ("bob", there), ("ann", here))
    for each in fickle:
        each.broken = True
    for n in range(5):
        await ann.ask("message.send", to={"member": "bob"}, body=f"{n}", key=f"{n}")
    await eventually(lambda: bodies(bob) == ["0", "1", "2", "3", "4"])


async def test_who_is_still_being_let_in_when_a_node_begins_with_a_site_misses_nothing(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    (bob,) = await seats(site, ("bob", there))
    read_states, stop = reception._states, Stop()

    def slow(site_id: int, asked: list[reception.Wanted]) -> Any:
        states = read_states(site_id, asked)
        if asked[0].caller.sub == "ann":
            stop.wait()
        return states

    monkeypatch.setattr(reception, "_states", slow)
    ann = Desk(here, site, "ann")
    coming = asyncio.create_task(ann.sit())
    await stop.reached()
    await bob.ask("message.send", to={"member": "ann"}, body="Ahoy", key="1")
    await seats(site, ("cid", here))
    stop.go()
    reply = await coming
    await bob.ask("message.send", to={"member": "ann"}, body="Hello", key="2")
    await eventually(lambda: bodies(ann)[-1:] == ["Hello"])
    assert [*("Ahoy" for _ in reply["unread"]), *bodies(ann)] == ["Ahoy", "Hello"]


async def test_who_comes_while_a_node_fetches_what_it_missed_misses_nothing(
    site: Site, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    fickle: list[Fickle] = []

    def ends(node: str, inner: Any = cluster.ends) -> Iterable[tuple[Layer, Directory]]:
        for layer, directory in inner(node):
            fickle.append(Fickle(layer, 1))
            yield fickle[-1], directory

    cluster.ends = ends
    here, there = await cluster.grow(2)
    zoe, bob = await seats(site, ("zoe", here), ("bob", there))
    for each in fickle:
        each.broken = True
    read_missed, stop = feed._missed, Stop()

    def slow(*args: Any) -> Any:
        stop.wait()
        return read_missed(*args)

    monkeypatch.setattr(feed, "_missed", slow)
    await bob.ask("message.send", to={"member": "zoe"}, body="Ahoy", key="1")
    await stop.reached()
    (ann,) = await seats(site, ("ann", here))
    await bob.ask("message.send", to={"member": "ann"}, body="Hello", key="2")
    stop.go()
    await eventually(lambda: bodies(zoe) == ["Ahoy"])
    await eventually(lambda: bodies(ann) == ["Hello"])


class Stop:
    """Has a thread wait where it is, for the first time that it comes there."""

    def __init__(self) -> None:
        self.passed = False
        self._there = threading.Event()
        self._gone = threading.Event()

    def wait(self) -> None:
        self._there.set()
        self._gone.wait(30)

    async def reached(self) -> None:
        await asyncio.to_thread(self._there.wait, 30)

    def go(self) -> None:
        self._gone.set()


async def test_presence_is_seen_from_another_node_and_so_is_its_end(site: Site, two: tuple[Node, Node]) -> None:
    (watcher,) = await seats(site, ("bob", two[1]))
    assert (await watcher.ask("presence.watch", members=["ann"]))["presence"]["ann"]["show"] == "offline"
    (ann,) = await seats(site, ("ann", two[0]))
    await eventually(lambda: shows(watcher, "ann") == ["online"])
    await ann.ask("presence.set", show="dnd", status="mooring")
    await eventually(lambda: shows(watcher, "ann") == ["online", "dnd"])
    assert watcher.of("presence")[-1]["members"]["ann"]["status"] == "mooring"
    (late,) = await seats(site, ("cid", two[1]))
    assert await sees(late, "ann", "dnd")
    ann.stand()
    await eventually(lambda: shows(watcher, "ann") == ["online", "dnd", "offline"])


async def test_who_changes_from_one_node_to_another_was_never_offline(site: Site, two: tuple[Node, Node]) -> None:
    watcher, ann = await seats(site, ("bob", two[1]), ("ann", two[0]))
    await watching(watcher, "ann", "online")
    ann.stand()
    (again,) = await seats(site, ("ann", two[1]))
    await eventually(lambda: not two[0].feeds)
    board = one_board(two[0])
    await eventually(lambda: board.find(ann.handler.caller.site_id, "ann") is None)
    assert shows(watcher, "ann") == []
    assert (await again.ask("ping"))["type"] == "ok"


async def test_a_member_idles_only_when_its_pages_at_all_nodes_do(site: Site, cluster: Cluster, settings: Any) -> None:
    settings.AWAY_SECONDS, settings.XA_SECONDS = 0.2, 100
    here, there = await cluster.grow(2)
    watcher, ann, phone = await seats(site, ("bob", there), ("ann", here), ("ann", there))
    await watching(watcher, "ann", "online")
    await ann.ask("presence.idle", on=True)
    await eventually(lambda: one_board(here).find(ann.handler.caller.site_id, "ann").shown == "away")
    assert shows(watcher, "ann") == []
    await phone.ask("presence.idle", on=True)
    await eventually(lambda: shows(watcher, "ann") == ["away"])
    await ann.ask("presence.idle", on=False)
    await eventually(lambda: shows(watcher, "ann") == ["away", "online"])


def one_board(node: Node) -> Any:
    return next(part for part in node.parts.values() if hasattr(part, "board")).board


async def test_the_directory_lists_who_is_online_at_any_node(site: Site, two: tuple[Node, Node]) -> None:
    bob, _ = await seats(site, ("bob", two[1]), ("ann", two[0]))
    found = await eventually(lambda: _listed(bob))
    assert [member["id"] for member in found["members"]] == ["ann", "bob"]
    assert found["online"] == 1


async def _listed(desk: Desk) -> Any:
    found = await desk.ask("members", online=True)
    return found if len(found["members"]) > 1 else None


async def test_the_members_of_a_node_that_died_go_offline_after_the_grace_time(
    site: Site, cluster: Cluster, redis: Redis, request: pytest.FixtureRequest
) -> None:
    if "memory" in request.node.name:
        # In one process nothing dies alone.
        return
    here, there = await cluster.grow(2)
    watcher, ann = await seats(site, ("bob", there), ("ann", here))
    await watching(watcher, "ann", "online")
    await cluster.die(here)
    await eventually(lambda: shows(watcher, "ann") == ["offline"])
    assert await database.read(lambda: _seen(ann.handler.caller.id))


def _seen(id: int) -> int:
    from im.models import Member

    return Member.objects.get(id=id).seen


async def test_a_node_that_one_server_has_lost_is_there_for_the_sites_of_the_others(
    site: Site, cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    if "redis" in request.node.name:
        return
    ends = [(InMemoryChannelLayer(capacity=10_000), Hub()) for _ in range(2)]
    cluster.ends = lambda node: [(layer, MemoryDirectory(node, hub)) for layer, hub in ends]
    here, there = await cluster.grow(2)
    watcher, ann = await seats(site, ("bob", here), ("ann", there))
    await watching(watcher, "ann", "online")
    other = 1 - here.links.index(here.link(site.id))
    await eventually(lambda: here.links[other].others)

    async def unreachable() -> None:
        raise Unreachable

    there.links[other].directory.beat = unreachable  # type: ignore[method-assign, assignment]
    ends[other][1].names.pop(there.id)
    elsewhere = monitor.of(here).elsewhere
    await eventually(lambda: elsewhere._going)
    await eventually(lambda: not elsewhere._going)
    monitor.of(here)._tell_all()
    assert shows(watcher, "ann") == []
    assert await sees(watcher, "ann", "online")
    ann.stand()
    await eventually(lambda: shows(watcher, "ann") == ["offline"])


async def test_how_the_members_of_a_node_are_is_asked_again_when_it_comes_back(
    site: Site, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes_module, "RESYNC_S", 3600.0)
    here, there = await cluster.grow(2)
    watcher, ann = await seats(site, ("bob", here), ("ann", there))
    await watching(watcher, "ann", "online")
    with monkeypatch.context() as lost:
        lost.setattr(there.links[0], "note", lambda note: None)
        await ann.ask("presence.set", show="away", status="")
    # It has been forgotten, and registers again.
    there.links[0].up = False
    await eventually(lambda: shows(watcher, "ann") == ["away"])


async def test_a_redis_that_begins_anew_costs_a_moment(site: Site, cluster: Cluster, redis: Redis) -> None:
    here, there = await cluster.grow(2)
    bob, ann = await seats(site, ("bob", there), ("ann", here))
    await watching(bob, "ann", "online")
    redis.kill()
    sent = [ann.ask("message.send", to={"member": "bob"}, body=f"{n}", key=f"{n}") for n in range(5)]
    assert [answer["type"] for answer in await asyncio.gather(*sent)] == ["ok"] * 5
    await eventually(lambda: bodies(bob) == ["0", "1", "2", "3", "4"])
    await asyncio.to_thread(redis.start)
    await eventually(lambda: all(node.links[0].up and node.links[0].others for node in (here, there)))
    await ann.ask("message.send", to={"member": "bob"}, body="after", key="after")
    await eventually(lambda: bodies(bob)[-1] == "after")
    assert len(bodies(bob)) == 6
    await ann.ask("presence.set", show="away", status="")
    await eventually(lambda: shows(bob, "ann") == ["away"])
    (cid,) = await seats(site, ("cid", there))
    await eventually(lambda: sees(cid, "ann", "away"))


async def test_a_redis_that_has_lost_everything_does_not_make_members_look_gone(
    site: Site, two: tuple[Node, Node], redis: Redis
) -> None:
    here, there = two
    bob, _ = await seats(site, ("bob", there), ("ann", here))
    await watching(bob, "ann", "online")
    # The look that is made now and then comes before the nodes have noticed.
    elsewhere, place = monitor.of(there).elsewhere, (site.pk, "ann")
    for node in two:
        node.links[0]._tasks[0].cancel()
    redis.empty()
    await elsewhere.learn([place])
    assert [one.show for one in elsewhere.of(place)] == ["online"]
    assert shows(bob, "ann") == []


async def test_who_comes_back_while_a_node_registers_again_is_entered(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    link = here.links[0]
    (ann,) = await seats(site, ("ann", here))
    change = link.directory.change
    leaving, go, left, registering = (asyncio.Event() for _ in range(4))

    async def slow(enter: Iterable[str], leave: Iterable[str], *, afresh: bool = False) -> None:
        if afresh:
            registering.set()
        elif leave:
            leaving.set()
            await go.wait()
        await change(enter, leave, afresh=afresh)
        if leave:
            left.set()

    monkeypatch.setattr(link.directory, "change", slow)
    register = link._register

    async def begun() -> None:
        registering.set()
        await register()

    monkeypatch.setattr(link, "_register", begun)
    ann.stand()
    await leaving.wait()
    (again,) = await seats(site, ("ann", here))
    link.up = False
    await registering.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    go.set()
    await left.wait()
    name = names.member(id_of(again))

    async def entered() -> bool:
        located = await there.links[0].directory.locate([name], [here.id])
        return link.up and not link._changes and located[here.id] == {name}

    await eventually(entered)


async def test_connections_of_an_address_are_counted_over_all_nodes_whatever_their_transport(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    monkeypatch.setattr(rates, "CONNECTION_BURST", 2)
    monkeypatch.setattr(rates, "CONNECTIONS_PER_SECOND", 0.001)
    nodes = await cluster.grow(2)
    scope = {"client": ("10.0.0.1", 4711)}

    async def websocket(node: Node) -> str:
        monkeypatch.setattr(node_module, "_current", node)
        communicator = WebsocketCommunicator(routing.websocket, "/im/v1/ws")
        communicator.scope |= scope
        assert (await communicator.connect())[0]
        await communicator.send_to("no frame")
        return str(json.loads(await communicator.receive_from())["code"])

    async def session(node: Node) -> str:
        monkeypatch.setattr(node_module, "_current", node)
        web = URLRouter(routing.http)
        communicator = HttpCommunicator(web, "POST", "/im/v1/sessions?site=none", b"no frame")
        communicator.scope |= scope
        return str(json.loads((await communicator.get_response())["body"])["code"])

    passed = [await websocket(nodes[0]), await session(nodes[1])]
    assert "rate-limited" not in passed
    assert [await websocket(nodes[1]), await session(nodes[0])] == ["rate-limited"] * 2


async def test_hellos_of_a_site_are_counted_over_all_nodes_and_those_of_others_are_not_kept_waiting(
    site: Site, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "SITE_HELLO_BURST", 2)
    monkeypatch.setattr(rates, "SITE_HELLOS_PER_SECOND", 0.001)
    here, there = await cluster.grow(2)
    await seats(site, ("ann", here), ("bob", there))
    for node in (here, there):
        with pytest.raises(Refusal) as refused:
            await seats(site, ("cid", node))
        assert refused.value.code == "rate-limited"
        assert refused.value.retry_ms
    await seats(await settle("Quay"), ("ann", here))


async def test_tries_to_log_in_are_counted_over_all_nodes_and_by_each_where_there_is_no_directory(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch, rf: RequestFactory
) -> None:
    request, who = rf.post("/dashboard/log-in"), "maren@example.org"

    async def at(node: Node, ask: Any) -> Any:
        monkeypatch.setattr(node_module, "_current", node)
        return await asyncio.to_thread(ask, request, who)

    for n in range(limits.FAILURES_PER_ACCOUNT):
        assert await at(two[n % 2], limits.may_log_in)
        await at(two[n % 2], limits.note_failure)
        # As in a process of its own.
        limits.GUARDS["account"].reset()
    assert [await at(node, limits.may_log_in) for node in two] == [False, False]
    for node in two:
        for link in node.links:
            monkeypatch.setattr(link.directory, "take", _unreachable)
    for _ in range(limits.FAILURES_PER_ACCOUNT):
        assert await at(two[0], limits.may_log_in)
        await at(two[0], limits.note_failure)
    assert not await at(two[0], limits.may_log_in)


async def _unreachable(*args: Any) -> Any:
    raise Unreachable


# blocks and choices of presence


def fickle(cluster: Cluster, seed: int) -> list[Fickle]:
    """Has the nodes that come hear of each other over a bus that is not to be relied on."""
    made: list[Fickle] = []

    def ends(node: str, inner: Any = cluster.ends) -> Iterable[tuple[Layer, Directory]]:
        for layer, directory in inner(node):
            made.append(Fickle(layer, seed))
            yield made[-1], directory

    cluster.ends = ends
    return made


def id_of(desk: Desk) -> int:
    return int(desk.handler.caller.id)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_bus_does_blocks_and_choices_end_at_every_node_as_they_were_made_last(
    site: Site, cluster: Cluster, seed: int
) -> None:
    fickle(cluster, seed)
    nodes = await cluster.grow(3)
    bob, *pages = await seats(site, ("bob", nodes[2]), *(("ann", node) for node in nodes))
    await watching(bob, "ann", "online")
    dice = random.Random(seed)
    for n in range(12):
        await dice.choice(pages).ask("block.remove" if n % 2 else "block.add", member="bob")
        await dice.choice(pages).ask("presence.set", show=dice.choice(["away", "dnd", "online"]), status=f"{n}")
    await dice.choice(pages).ask("presence.set", show="chat", status="at last")
    ann = id_of(pages[0])
    await eventually(lambda: {one_board(node).find(site.id, "ann").choice.status for node in nodes} == {"at last"})
    await eventually(lambda: not any(node.blocks.apart(ann, id_of(bob)) for node in nodes))
    await eventually(lambda: sees(bob, "ann", "chat"))
    await eventually(lambda: shows(bob, "ann")[-1] == "chat")
    await pages[0].ask("block.add", member="bob")
    await eventually(lambda: all(node.blocks.apart(ann, id_of(bob)) for node in nodes))
    await eventually(lambda: shows(bob, "ann")[-1] == "offline")


async def test_a_block_of_which_the_bus_carries_nothing_is_found_out_and_told(site: Site, cluster: Cluster) -> None:
    buses = fickle(cluster, 1)
    here, there = await cluster.grow(2)
    bob, ann = await seats(site, ("bob", there), ("ann", here))
    await watching(bob, "ann", "online")
    for each in buses:
        each.broken = True
    await ann.ask("block.add", member="bob")
    await eventually(lambda: shows(bob, "ann") == ["offline"])
    assert there.blocks.apart(id_of(bob), id_of(ann))
    await ann.ask("block.remove", member="bob")
    await eventually(lambda: shows(bob, "ann") == ["offline", "online"])
    assert not there.blocks.apart(id_of(bob), id_of(ann))


async def test_a_block_that_was_told_by_one_who_had_looked_too_early_is_found_out(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    bob, ann = await seats(site, ("bob", there), ("ann", here))
    locate = here.links[0].directory.locate

    async def early(wanted: list[str], nodes: Iterable[str]) -> dict[str, set[str]]:
        found = await locate(wanted, nodes)
        return {node: {name for name in has if names.member_of(name) is None} for node, has in found.items()}

    monkeypatch.setattr(here.links[0].directory, "locate", early)
    await ann.ask("block.add", member="bob")
    await eventually(lambda: there.blocks.apart(id_of(bob), id_of(ann)))


async def test_a_choice_of_which_the_bus_carries_nothing_is_found_out_and_told(site: Site, cluster: Cluster) -> None:
    buses = fickle(cluster, 1)
    here, there = await cluster.grow(2)
    watcher, ann, phone = await seats(site, ("bob", there), ("ann", here), ("ann", there))
    await watching(watcher, "ann", "online")
    for each in buses:
        each.broken = True
    await ann.ask("presence.set", show="dnd", status="mooring")
    await eventually(lambda: one_board(there).find(site.id, phone.sub).shown == "dnd")
    await eventually(lambda: shows(phone, "ann") == ["dnd"])


async def test_what_is_told_of_an_earlier_block_or_choice_takes_nothing_back(
    site: Site, two: tuple[Node, Node]
) -> None:
    here, _ = two
    bob, ann = await seats(site, ("bob", here), ("ann", here))
    told: list[Note] = []
    hear = here.hear

    def heard(note: Note) -> None:
        told.append(note)
        hear(note)

    here.journal._hear = heard
    await ann.ask("block.add", member="bob")
    await ann.ask("block.remove", member="bob")
    await ann.ask("presence.set", show="away", status="")
    await ann.ask("presence.set", show="dnd", status="")
    assert [note.kind for note in told] == ["blocks", "blocks", "choice", "choice"]
    for note in (told[0], told[2]):
        hear(note)
    assert not here.blocks.apart(id_of(ann), id_of(bob))
    assert one_board(here).find(site.id, ann.sub).choice.show == "dnd"


async def test_how_a_member_is_is_looked_up_where_word_of_it_was_overtaken(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes_module, "RESYNC_S", 3600.0)
    here, there = two
    watcher, ann = await seats(site, ("bob", there), ("ann", here))
    await watching(watcher, "ann", "online")
    link, held = here.links[0], list[Note]()
    note = link.note
    monkeypatch.setattr(link, "note", held.append)
    await ann.ask("presence.set", show="dnd", status="")
    await ann.ask("presence.set", show="away", status="")
    await eventually(lambda: len(held) == 2)
    for each in reversed(held):
        note(each)
    await ann.ask("presence.set", show="chat", status="")
    for each in held:
        note(each)
    await eventually(lambda: shows(watcher, "ann")[-1:] == ["chat"])
    assert "dnd" not in shows(watcher, "ann")


async def test_who_leaves_before_its_frame_has_its_turn_watches_nobody(site: Site, two: tuple[Node, Node]) -> None:
    here, _ = two
    (ann,) = await seats(site, ("ann", here))
    ann.ask("presence.watch", members=["bob"])
    ann.stand()
    (cid,) = await seats(site, ("cid", here))
    assert (await cid.ask("ping"))["type"] == "ok"
    assert monitor.of(here).places() == []


async def test_who_chooses_on_one_page_while_another_is_let_in_looks_so_on_both(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    _, phone = await seats(site, ("bob", here), ("ann", there))
    read_states, stop = reception._states, Stop()

    def slow(site_id: int, asked: list[reception.Wanted]) -> Any:
        states = read_states(site_id, asked)
        stop.wait()
        return states

    monkeypatch.setattr(reception, "_states", slow)
    page = Desk(here, site, "ann")
    coming = asyncio.create_task(page.sit())
    await stop.reached()
    await phone.ask("presence.set", show="dnd", status="")
    version = await database.read(lambda: SiteVersion.objects.get(site=site).version)
    await eventually(lambda: here.feeds[site.id].version == version)
    stop.go()
    await coming
    assert one_board(here).find(site.id, "ann").choice.show == "dnd"


# sessions


async def test_a_session_is_read_at_any_node_and_goes_on_where_the_last_read_ended(
    site: Site, two: tuple[Node, Node]
) -> None:
    here, there = two
    id, _ = await begin(site, here, "bob")
    (ann,) = await seats(site, ("ann", here))
    said = []
    for n in range(6):
        await ann.ask("message.send", to={"member": "bob"}, body=f"{n}", key=f"{n}")
        said += (await read(two[n % 2], id)).said()
    assert said == ["0", "1", "2", "3", "4", "5"]
    assert (await read(there, id)).frames == []


async def test_a_read_at_another_node_ends_the_one_under_way_and_repeats_nothing(
    site: Site, two: tuple[Node, Node]
) -> None:
    here, there = two
    id, _ = await begin(site, here, "bob")
    (ann,) = await seats(site, ("ann", here))
    first, second = Reader(), Reader()
    await here.sessions.attach(id, first, None)
    await ann.ask("message.send", to={"member": "bob"}, body="one", key="1")
    await eventually(lambda: first.said() == ["one"])
    await there.sessions.attach(id, second, None)
    assert first.over
    await ann.ask("message.send", to={"member": "bob"}, body="two", key="2")
    await eventually(lambda: second.said() == ["two"])
    assert first.said() == ["one"]


async def test_frames_are_answered_at_any_node_and_a_session_does_not_hear_its_own_messages(
    site: Site, two: tuple[Node, Node]
) -> None:
    here, there = two
    id, desk = await begin(site, here, "ann")
    (bob,) = await seats(site, ("bob", here))
    stream = Reader()
    await here.sessions.attach(id, stream, None)
    desk.handler = await there.sessions.find(id)
    answer = await desk.ask("message.send", to={"member": "bob"}, body="from there", key="1")
    assert answer["seq"] == 1
    await there.sessions.settled()
    await eventually(lambda: bodies(bob) == ["from there"])
    await bob.ask("message.send", to={"member": "ann"}, body="heard", key="1")
    await eventually(lambda: stream.said() == ["heard"])
    assert [frame["type"] for frame in (await read(there, id)).frames] == []


async def test_a_blocked_member_learns_nothing_of_the_blocker_at_whatever_node_its_session_asks(
    site: Site, cluster: Cluster
) -> None:
    here, there, third = await cluster.grow(3)
    id, desk = await begin(site, here, "ann")
    (bob,) = await seats(site, ("bob", there))
    sent = await desk.ask("message.send", to={"member": "bob"}, body="Ahoy", key="1")
    await bob.ask("block.add", member="ann")
    desk.handler = await third.sessions.find(id)
    assert await sees(desk, "bob", "offline")
    desk.handler = await third.sessions.find(id)
    listed = await desk.ask("members", online=True)
    assert [each["id"] for each in listed["members"]] == ["ann"]
    assert listed["online"] == 0
    desk.handler = await third.sessions.find(id)
    desk.ask("typing", conversation=sent["conversation"], on=True)
    assert bob.of("typing") == []
    await bob.ask("block.remove", member="ann")
    desk.handler = await third.sessions.find(id)
    desk.ask("typing", conversation=sent["conversation"], on=True)
    await eventually(lambda: bob.of("typing"))
    assert len(bob.of("typing")) == 1


async def test_what_a_session_watches_is_told_wherever_it_is_read(site: Site, two: tuple[Node, Node]) -> None:
    here, there = two
    id, desk = await begin(site, here, "bob")
    (ann,) = await seats(site, ("ann", here))
    desk.handler = await there.sessions.find(id)
    await eventually(lambda: sees(desk, "ann", "online"))
    await there.sessions.settled()
    assert (await read(there, id)).frames == []
    await ann.ask("presence.set", show="away", status="")
    told: list[Message] = []

    async def heard() -> bool:
        told.extend((await read(here, id)).frames)
        return bool(told)

    await eventually(heard)
    assert told[-1]["members"]["ann"]["show"] == "away"
    assert (await read(there, id)).frames == []


async def test_a_node_that_has_not_heard_that_a_session_was_taken_over_does_not_take_it_back(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    id, desk = await begin(site, here, "bob")
    (ann,) = await seats(site, ("ann", here))
    # As to a node that is frozen.
    monkeypatch.setattr(there.links[0], "note_to", lambda *args: None)
    await ann.ask("message.send", to={"member": "bob"}, body="one", key="1")
    assert (await read(there, id)).said() == ["one"]
    here.sessions.register(here.links[0])
    await eventually(lambda: here.sessions.here(id) is None)
    assert desk.handler.gone
    assert (await read(there, id)).frames == []


async def test_of_two_nodes_that_take_a_session_over_at_once_one_does(site: Site, cluster: Cluster) -> None:
    nodes = await cluster.grow(3)
    id, _ = await begin(site, nodes[0], "bob")
    readers = [Reader(), Reader()]
    attached = [node.sessions.attach(id, reader, None) for node, reader in zip(nodes[1:], readers, strict=True)]
    done = await asyncio.gather(*attached, return_exceptions=True)
    assert [each.code for each in done if isinstance(each, Refusal)] in ([], ["unavailable"])
    homes = [node for node in nodes if (handler := node.sessions.here(id)) and handler.port is not None]
    assert len(homes) == 1
    (ann,) = await seats(site, ("ann", nodes[0]))
    await ann.ask("message.send", to={"member": "bob"}, body="one", key="1")
    await eventually(lambda: sorted(reader.said() for reader in readers) == [[], ["one"]])


async def test_a_session_outlives_the_node_that_ends_in_good_order(site: Site, cluster: Cluster) -> None:
    here, there = await cluster.grow(2)
    id, _ = await begin(site, here, "bob")
    (ann,) = await seats(site, ("ann", there))
    stream = Reader()
    handler, _ = await here.sessions.attach(id, stream, None)
    await ann.ask("message.send", to={"member": "bob"}, body="one", key="1")
    await eventually(lambda: stream.said() == ["one"])
    here.drain()
    assert stream.over
    assert stream.frames[-1]["type"] == "closing"
    # As its transport does.
    here.sessions.detach(handler, stream)
    here.sessions.keep(handler)
    cluster.nodes.remove(here)
    await here.close()
    await ann.ask("message.send", to={"member": "bob"}, body="two", key="2")
    assert (await read(there, id)).said() == ["two"]


async def test_a_read_that_was_replaced_while_it_began_takes_nothing_back(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = two
    id, desk = await begin(site, here, "bob")
    (ann,) = await seats(site, ("ann", here))
    before = desk.handler.version
    await ann.ask("message.send", to={"member": "bob"}, body="one", key="1")
    changes_since, stop = handler_module._changes_since, Stop()

    def slow(caller: Caller, begin: int, *args: Any) -> Any:
        found = changes_since(caller, begin, *args)
        if begin == before and not stop.passed:
            stop.wait()
        return found

    monkeypatch.setattr(handler_module, "_changes_since", slow)
    first, second = Reader(), Reader()
    replaced = asyncio.create_task(here.sessions.attach(id, first, None))
    await stop.reached()
    stop.passed = True
    handler, _ = await here.sessions.attach(id, second, None)
    assert second.said() == ["one"]
    stop.go()
    await replaced
    here.sessions.detach(handler, second)
    assert (await read(here, id)).said() == []


@pytest.mark.parametrize("asked", [0, 1, 2])
async def test_what_is_watched_while_a_session_goes_from_node_to_node_is_told_there(
    site: Site, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    nodes = await cluster.grow(3)
    id, desk = await begin(site, nodes[0], "bob")
    (ann,) = await seats(site, ("ann", nodes[0]))
    desk.handler = await nodes[asked].sessions.find(id)
    look, stop = sessions._look, Stop()

    def slow(caller: Caller) -> Any:
        stop.wait()
        return look(caller)

    monkeypatch.setattr(sessions, "_look", slow)
    stream = Reader()
    attaching = asyncio.create_task(nodes[1].sessions.attach(id, stream, None))
    await stop.reached()
    assert await sees(desk, "ann", "online")
    await nodes[asked].sessions.settled()
    stop.go()
    await attaching
    await ann.ask("presence.set", show="away", status="")
    await eventually(lambda: [frame["members"]["ann"]["show"] for frame in stream.frames][-1:] == ["away"])


async def test_a_session_on_its_way_to_another_node_still_answers_frames_where_it_was(
    site: Site, two: tuple[Node, Node]
) -> None:
    here, _ = two
    id, desk = await begin(site, here, "ann")
    # The other node has said so, and has not written itself down yet.
    here.sessions.moved(id, 1)
    desk.handler = await here.sessions.find(id)
    assert (await desk.ask("ping"))["type"] == "ok"


async def test_what_is_watched_no_more_while_a_session_goes_from_node_to_node_is_not_told_there(
    site: Site, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = await cluster.grow(3)
    id, desk = await begin(site, nodes[0], "bob")
    ann, cid = await seats(site, ("ann", nodes[0]), ("cid", nodes[0]))
    await desk.ask("presence.watch", members=["ann", "cid"])
    await nodes[0].sessions.settled()
    put, stopped, go = nodes[1].sessions.records.put, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **how: Any) -> Any:
        stopped.set()
        await go.wait()
        return await put(*args, **how)

    # It has not written itself down yet: who is told of the wish is the old home.
    monkeypatch.setattr(nodes[1].sessions.records, "put", slow)
    stream = Reader()
    attaching = asyncio.create_task(nodes[1].sessions.attach(id, stream, None))
    await stopped.wait()
    desk.handler = await nodes[2].sessions.find(id)
    await desk.ask("presence.unwatch", members=["ann"])
    await desk.ask("presence.idle", on=True)
    await nodes[2].sessions.settled()
    go.set()
    handler, _ = await attaching
    assert (handler.watching, handler.idle) == ({"cid"}, True)
    await ann.ask("presence.set", show="away", status="")
    await cid.ask("presence.set", show="away", status="")
    await eventually(lambda: stream.frames)
    assert [set(frame["members"]) for frame in stream.frames] == [{"cid"}]


async def test_what_frames_at_other_nodes_wish_holds_whatever_becomes_of_the_notes(
    site: Site, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "RENEW_S", 0.1)
    nodes = await cluster.grow(3)
    id, desk = await begin(site, nodes[0], "bob")
    ann, cid, dan = await seats(site, *((sub, nodes[0]) for sub in ("ann", "cid", "dan")))
    for node in nodes[1:]:
        monkeypatch.setattr(node.links[0], "note_to", lambda *args: None)
    stream = Reader()
    handler, _ = await nodes[0].sessions.attach(id, stream, None)
    # At once, so that each knows of the session what it was before the others.
    asked = [await node.sessions.find(id) for node in nodes[1:]]
    for desk.handler, subs in zip(asked, (["ann", "cid"], ["dan"]), strict=True):
        await desk.ask("presence.watch", members=subs)
    await eventually(lambda: handler.watching == {"ann", "cid", "dan"})
    desk.handler = asked[0]
    await desk.ask("presence.unwatch", members=["cid"])
    await eventually(lambda: handler.watching == {"ann", "dan"})
    for each in (ann, cid, dan):
        await each.ask("presence.set", show="away", status="")
    await eventually(lambda: {sub for frame in stream.frames for sub in frame["members"]} == {"ann", "dan"})


async def test_what_is_just_being_watched_is_not_taken_back_by_a_look_at_what_is_wished(
    site: Site, two: tuple[Node, Node]
) -> None:
    here, _ = two
    _, desk = await begin(site, here, "bob")
    watched = desk.ask("presence.watch", members=["ann"])
    await asyncio.sleep(0)
    assert desk.handler.watching
    await here.sessions.wishes.hear(desk.handler)
    await watched
    assert desk.handler.watching == {"ann"}


async def test_what_changes_before_the_home_knows_that_it_is_watched_is_told(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    id, desk = await begin(site, here, "bob")
    (ann,) = await seats(site, ("ann", here))
    desk.handler = await there.sessions.find(id)
    with monkeypatch.context() as lost:
        lost.setattr(there.links[0], "note_to", lambda *args: None)
        await eventually(lambda: sees(desk, "ann", "online"))
        await there.sessions.settled()
    await ann.ask("presence.set", show="away", status="")
    assert [frame["members"]["ann"]["show"] for frame in (await read(here, id)).frames] == ["away"]
    assert (await read(here, id)).frames == []


async def test_a_read_at_a_node_that_just_lets_the_session_go_is_told_to_try_again(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    id, _ = await begin(site, here, "bob")
    (ann,) = await seats(site, ("ann", here))
    first, again, elsewhere = Reader(), Reader(), Reader()
    await here.sessions.attach(id, first, None)
    changes_since, stop = handler_module._changes_since, Stop()

    def slow(*args: Any) -> Any:
        if not stop.passed:
            stop.passed = True
            stop.wait()
        return changes_since(*args)

    monkeypatch.setattr(handler_module, "_changes_since", slow)
    asking = asyncio.create_task(here.sessions.attach(id, again, None))
    await stop.reached()
    await there.sessions.attach(id, elsewhere, None)
    stop.go()
    with pytest.raises(Refusal) as refused:
        await asking
    assert refused.value.code == "unavailable"
    await ann.ask("message.send", to={"member": "bob"}, body="one", key="1")
    await eventually(lambda: elsewhere.said() == ["one"])
    assert first.said() == again.said() == []


@pytest.mark.parametrize("reading", [True, False])
async def test_a_session_that_ended_stays_so_whatever_its_home_hears_of_it(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch, reading: bool
) -> None:
    monkeypatch.setattr(sessions, "RENEW_S", 0.1)
    here, there = two
    id, desk = await begin(site, here, "bob")
    stream = Reader()
    handler = desk.handler
    if reading:
        handler, _ = await here.sessions.attach(id, stream, None)
    monkeypatch.setattr(there.links[0], "note_to", lambda *args: None)
    await there.sessions.end(await there.sessions.find(id))
    if reading:
        await eventually(lambda: stream.over)
    else:
        here.sessions.keep(handler)
        with pytest.raises(Refusal, match="no such session"):
            await read(here, id)
    assert handler.gone
    for node in two:
        with pytest.raises(Refusal, match="no such session"):
            await node.sessions.find(id)
        with pytest.raises(Refusal, match="no such session"):
            await read(node, id)


async def test_a_session_that_ended_stays_so_when_redis_begins_anew(
    site: Site, cluster: Cluster, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await cluster.grow(2)
    if not isinstance(here.links[0].directory, RedisDirectory):
        return
    id, desk = await begin(site, here, "bob")
    with monkeypatch.context() as lost:
        lost.setattr(there.links[0], "note_to", lambda *args: None)
        await there.sessions.end(await there.sessions.find(id))
    redis.kill()
    await asyncio.to_thread(redis.start)
    await eventually(lambda: desk.handler.gone)
    for node in (here, there):
        with pytest.raises(Refusal, match="no such session"):
            await eventually(lambda node=node: _still(node, id))


async def test_a_session_whose_read_was_cut_off_before_it_began_ends_in_time(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    here, _ = two
    id, desk = await begin(site, here, "bob")
    settings.SESSION_SECONDS = 0.2
    put, stopped = here.sessions.records.put, asyncio.Event()

    async def slow(*args: Any, **how: Any) -> Any:
        stopped.set()
        return await put(*args, **how)

    monkeypatch.setattr(here.sessions.records, "put", slow)
    asking = asyncio.create_task(here.sessions.attach(id, Reader(), None))
    await stopped.wait()
    asking.cancel()
    await asyncio.wait({asking})
    await eventually(lambda: desk.handler.gone)


async def test_a_session_that_nobody_reads_any_more_at_its_old_home_does_not_end(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    id, _ = await begin(site, here, "bob")
    monkeypatch.setattr(there.links[0], "note_to", lambda *args: None)
    assert (await read(there, id)).frames == []
    here.sessions._expire(id)
    await here.sessions.settled()
    assert here.sessions.here(id) is None
    assert (await read(there, id)).frames == []
    assert (await read(here, id)).frames == []


@pytest.mark.parametrize("reading", [True, False])
async def test_a_session_does_not_hear_its_own_messages_when_the_bus_loses_them(
    site: Site, two: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch, reading: bool
) -> None:
    here, there = two
    id, desk = await begin(site, here, "ann")
    (bob,) = await seats(site, ("bob", here))
    stream = Reader()
    if reading:
        await here.sessions.attach(id, stream, None)
    monkeypatch.setattr(there.links[0], "publish", lambda commit: None)
    desk.handler = await there.sessions.find(id)
    await desk.ask("message.send", to={"member": "bob"}, body="mine", key="1")
    await there.sessions.settled()
    if not reading:
        # Before the node has found out what it missed.
        stream = await read(here, id)
    await eventually(lambda: bodies(bob) == ["mine"])
    assert stream.said() == []
    await bob.ask("message.send", to={"member": "ann"}, body="heard", key="1")
    if not reading:
        stream = await read(here, id)
    await eventually(lambda: stream.said() == ["heard"])


async def test_a_session_that_ended_is_over_at_every_node(site: Site, two: tuple[Node, Node]) -> None:
    here, there = two
    id, _ = await begin(site, here, "bob")
    await there.sessions.end(await there.sessions.find(id))
    for node in two:
        with pytest.raises(Refusal, match="no such session"):
            await eventually(lambda node=node: _still(node, id))


async def _still(node: Node, id: str) -> bool:
    await node.sessions.find(id)
    return False


async def _known(node: Node, id: str) -> bool:
    try:
        return await node.links[0].directory.session(id) is not None
    except Unreachable:
        return False


async def test_a_node_with_many_sessions_asks_for_all_of_them_at_once_and_stays_linked(
    site: Site, two: tuple[Node, Node]
) -> None:
    here, _ = two
    begun = [await begin(site, here, "bob") for _ in range(3)]
    lost: list[BaseException] = []
    here.links[0].lost = lost.append  # type: ignore[method-assign]
    for _ in range(100):
        for _, desk in begun:
            here.sessions.keep(desk.handler)
    asked = await asyncio.gather(*(here.sessions.records.read(id) for _ in range(100) for id, _ in begun))
    await here.sessions.settled()
    assert len(asked) == 300
    assert lost == []


async def test_sessions_outlive_a_redis_that_begins_anew(site: Site, cluster: Cluster, redis: Redis) -> None:
    here, there = await cluster.grow(2)
    id, _ = await begin(site, here, "bob")
    (ann,) = await seats(site, ("ann", here))
    redis.kill()
    await asyncio.to_thread(redis.start)
    await eventually(lambda: _known(there, id))
    await eventually(lambda: all(node.links[0].up and node.links[0].others for node in (here, there)))
    await ann.ask("message.send", to={"member": "bob"}, body="still here?", key="1")
    assert (await read(there, id)).said() == ["still here?"]


async def test_a_changed_site_is_forgotten_by_all_nodes_whoever_changes_it(
    site: Site, cluster: Cluster, redis: Redis, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster.grow(2)
    told: list[str] = []
    monkeypatch.setattr(announce.directory, "forget", lambda key=None: told.append(key))
    cluster.nodes[0].tell_all("site", site.key)
    await eventually(lambda: told == [site.key])
    if isinstance(cluster.nodes[0].links[0].directory, RedisDirectory):
        # A process that is no node.
        settings.REDIS_URLS = [redis.url]
        settings.CHANNEL_LAYERS = {"default": {"CONFIG": {"hosts": [redis.url]}}}
        await asyncio.to_thread(announce.site_changed, site.key)
        await eventually(lambda: told == [site.key] * 3)


async def test_a_task_that_loses_a_cancellation_ends_with_its_node_all_the_same(transactional_db: None) -> None:
    ended: list[str] = []

    async def lose_it() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    node = Node()
    node.spawn(lose_it())
    await eventually(lambda: node.links[0].up)
    await node.close()
    assert ended == ["ended"]

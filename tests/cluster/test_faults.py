"""Faults under load: what was answered `ok` is stored once, in order, and reaches everybody; the gone are offline.

Each test hurts one part of a running cluster while two dozen members talk, and lets the checker say what became of it.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from avchat.ops.cluster.supervisor import ROLL
from tests.support.checker import SETTLE_SECONDS, Checker, Client
from tests.support.cluster import Cluster, until
from tests.support.site import TRANSPORTS, Site

# What a fault cuts off in the middle of its handshake, the clients' libraries leave to the collector.
pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]
BEFORE, AFTER = 200, 300
"""How many messages are stored before and after a fault."""
FROZEN_SECONDS = 30
HUNG_SECONDS = 10
DRAIN_MS = 3000
DISK_MB = 400


@pytest.fixture
async def talk(cluster: Cluster) -> AsyncIterator[Checker]:
    """Members of a site of their own, all connected."""
    checker = Checker(Site(cluster, "--limits", "none", "--grace", "1"))
    yield await checker.begin()
    await checker.leave()


async def test_a_node_that_is_killed_under_load_loses_nothing(cluster: Cluster, talk: Checker) -> None:
    async with talk.talking():
        for node in cluster.node_names:
            await talk.flow(BEFORE)
            await cluster.hit(node)
        await talk.flow(AFTER)
    await talk.verify()


async def test_members_who_go_while_their_node_dies_are_offline_afterwards(cluster: Cluster, talk: Checker) -> None:
    async with talk.talking():
        await talk.flow(BEFORE)
    before = cluster.send("node1", signal.SIGKILL)
    await talk.part(8)
    await cluster.back("node1", before)
    await talk.verify()


async def test_nodes_that_restart_in_turn_under_load_lose_nothing(cluster: Cluster, talk: Checker) -> None:
    async with talk.talking():
        for node in cluster.node_names:
            await talk.flow(BEFORE)
            await cluster.hit(node, signal.SIGTERM)
        await talk.flow(AFTER)
    await talk.verify()


async def test_a_rolling_restart_under_load_moves_members_of_every_transport_on_and_loses_nothing(
    cluster: Cluster, talk: Checker
) -> None:
    before = cluster.pids
    # They only listen, so that each of them is connected when its node ends.
    quiet = [Client(talk.site, f"quiet-{transport}", transport) for transport in TRANSPORTS]
    for client in quiet:
        client.come()
    await asyncio.gather(*(client.ask("ping") for client in quiet))
    async with talk.talking():
        await talk.flow(BEFORE)
        os.kill(cluster.supervisor, ROLL)
        for name in cluster.node_names:
            await cluster.back(name, before[name])
        await talk.flow(AFTER)
    await talk.verify()
    for client in quiet:
        # It has gone on where it was, and is answered.
        await client.ask("ping")
        assert client.closings, f"{client.sub} was not told that its node ends"
        assert client.problems == []
    waits = [closing["retry_ms"] for client in quiet + talk.clients + talk.gone for closing in client.closings]
    assert all(0 <= wait <= DRAIN_MS for wait in waits)
    assert len(waits) >= len(talk.clients + talk.gone) / 2
    # They do not all come back at once.
    assert len(set(waits)) > len(waits) / 2
    await talk.shown([client.sub for client in quiet], "online")
    await asyncio.gather(*(client.go() for client in quiet))


async def test_a_database_that_is_killed_under_load_loses_nothing(cluster: Cluster, talk: Checker) -> None:
    async with talk.talking():
        await talk.flow(BEFORE)
        await cluster.hit("mariadb")
        await talk.flow(BEFORE)
        await cluster.hit("mariadb", signal.SIGTERM)
        await talk.flow(AFTER)
    await talk.verify()


async def test_a_redis_that_restarts_empty_under_load_loses_nothing(cluster: Cluster, talk: Checker) -> None:
    async with talk.talking():
        await talk.flow(BEFORE)
        await cluster.hit("redis")
        await talk.flow(BEFORE)
        await cluster.hit("redis", signal.SIGTERM)
        await talk.flow(AFTER)
    await talk.verify()


async def test_a_redis_that_hangs_under_load_loses_nothing(cluster: Cluster, talk: Checker) -> None:
    first, second = (talk.site.at(node["url"]) for node in cluster.state["nodes"])
    ann, bob = await first.join("ann", transport="ws"), await second.join("bob", transport="ws")
    cid = await second.join("cid", transport="sse")
    room = (await ann.ok("conversation.create", members=["bob", "cid"], name="Quay"))["conversation"]
    for member in (bob, cid):
        await member.event("conversation")
    async with talk.talking():
        await talk.flow(BEFORE)
        # It takes what it is told, and answers nothing.
        hung = cluster.send("redis", signal.SIGSTOP)
        end = time.monotonic() + HUNG_SECONDS
        try:
            await talk.flow(BEFORE)
            said = 0
            while time.monotonic() < end:
                # What is said on one node comes to the other by the database.
                await ann.say(room, f"Ahoy {said}")
                for member in (bob, cid):
                    await member.event("message", body=f"Ahoy {said}")
                said += 1
        finally:
            cluster.send("redis", signal.SIGCONT)
        await talk.flow(AFTER)
    await talk.verify()
    assert cluster.pids["redis"] == hung
    for member in (bob, cid):
        heard = [message["body"] for message in member.messages() if "body" in message]
        assert heard == [f"Ahoy {number}" for number in range(said)]
    await talk.shown(["ann", "bob", "cid"], "online")
    for site in (first, second):
        await site.leave()
    await talk.shown(["ann", "bob", "cid"], "offline")


async def test_a_memcached_that_is_gone_breaks_nothing(cluster: Cluster, talk: Checker) -> None:
    async with talk.talking():
        await talk.flow(BEFORE)
        # Frozen first: it takes what it is told and answers nothing. Then it is gone.
        before = cluster.send("memcached", signal.SIGSTOP)
        await talk.flow(BEFORE)
        cluster.send("memcached", signal.SIGKILL)
        await cluster.back("memcached", before)
        await talk.flow(AFTER)
    await talk.verify()


async def test_a_proxy_that_is_killed_under_load_loses_nothing(cluster: Cluster, talk: Checker) -> None:
    async with talk.talking():
        await talk.flow(BEFORE)
        await cluster.hit("nginx")
        await talk.flow(AFTER)
    await talk.verify()


async def test_a_node_that_is_frozen_for_half_a_minute_loses_nothing(cluster: Cluster, talk: Checker) -> None:
    async with talk.talking():
        await talk.flow(BEFORE)
        frozen = cluster.send("node1", signal.SIGSTOP)
        try:
            await asyncio.sleep(FROZEN_SECONDS)
        finally:
            cluster.send("node1", signal.SIGCONT)
        await talk.flow(AFTER)
    await talk.verify()
    assert cluster.pids["node1"] == frozen


async def test_members_of_a_frozen_node_are_offline_and_when_it_is_let_go_online_again(
    cluster: Cluster, talk: Checker
) -> None:
    first, second = (talk.site.at(node["url"]) for node in cluster.state["nodes"])
    # They only listen, so that they do not notice that their node stands still.
    quiet = [Client(first, f"quiet-{transport}", transport) for transport in TRANSPORTS]
    for client in quiet:
        client.come()
    await asyncio.gather(*(client.ask("ping") for client in quiet))
    subs = [client.sub for client in quiet]
    watcher = await second.join("watcher", transport="ws")
    await watcher.ok("presence.watch", members=subs)

    def shown(show: str) -> bool:
        return all(watcher.shown(sub)[-1:] == [show] for sub in subs)

    def told(client: Client) -> bool:
        return any(f"Ahoy {client.sub}" in bodies.values() for bodies in client.seen.values())

    async with talk.talking():
        await talk.flow(BEFORE)
        frozen = cluster.send("node1", signal.SIGSTOP)
        try:
            thaw = time.monotonic() + FROZEN_SECONDS
            await until(lambda: shown("offline"), "not all are offline", FROZEN_SECONDS)
            for sub in subs:
                await watcher.send(sub, f"Ahoy {sub}")
            await asyncio.sleep(thaw - time.monotonic())
        finally:
            cluster.send("node1", signal.SIGCONT)
        await until(lambda: shown("online"), "not all are online", SETTLE_SECONDS)
        await talk.flow(AFTER)
    assert cluster.pids["node1"] == frozen
    await until(lambda: all(map(told, quiet)), "not all were told what was said meanwhile", SETTLE_SECONDS)
    assert [client.problems for client in quiet] == [[]] * len(quiet)
    await talk.verify()
    await asyncio.gather(*(client.go() for client in quiet))
    await second.leave()
    await talk.shown(subs, "offline")


async def test_clients_that_say_everything_three_times_are_heard_once(cluster: Cluster) -> None:
    checker = await Checker(Site(cluster, "--limits", "none", "--grace", "1"), repeats=3).begin()
    async with checker.talking():
        await checker.flow(BEFORE)
        await cluster.hit("node1")
        await checker.flow(AFTER)
    await checker.verify()
    await checker.leave()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose database has a small disk of its own, which is there for its processes alone."""
    data = tmp_path / "cluster" / "mariadb"
    data.mkdir(parents=True)
    mount = f'mount -t tmpfs -o size={DISK_MB}m disk {data} && exec "$@"'
    cluster = Cluster(tmp_path, nodes=1, wrapper=["unshare", "--mount", "sh", "-c", mount, "sh"])
    try:
        yield cluster.start()
    finally:
        cluster.stop()


async def test_a_disk_that_is_full_under_the_database_loses_nothing(small_disk: Cluster) -> None:
    # The disk as the database's own process sees it.
    filler = Path(f"/proc/{small_disk.pids['mariadb']}/root{small_disk.var}/cluster/mariadb/filler")
    checker = await Checker(Site(small_disk, "--limits", "none", "--grace", "1")).begin()
    async with checker.talking():
        await checker.flow(BEFORE)
        await asyncio.to_thread(fill, filler)
        # Tables have some room left; then nothing can be stored, and nobody is told that it was.
        await checker.stuck()
        await asyncio.to_thread(filler.unlink)
        await checker.flow(AFTER)
    await checker.verify()
    await checker.leave()


def fill(path: Path) -> None:
    """Writes until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            return

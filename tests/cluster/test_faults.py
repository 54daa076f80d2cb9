"""Faults under load: what was answered `ok` is stored once, in order, and reaches everybody; the gone are offline.

Each test hurts one part of a running cluster while two dozen members talk, and lets the checker say what became of it.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.checker import Checker
from tests.support.cluster import Cluster
from tests.support.site import Site

# What a fault cuts off in the middle of its handshake, the clients' libraries leave to the collector.
pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]
BEFORE, AFTER = 200, 300
"""How many messages are stored before and after a fault."""
FROZEN_SECONDS = 30
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
    gone = await talk.part(8)
    await cluster.back("node1", before)
    await talk.verify()
    await talk.shown(gone, "offline")


async def test_nodes_that_restart_in_turn_under_load_lose_nothing(cluster: Cluster, talk: Checker) -> None:
    async with talk.talking():
        for node in cluster.node_names:
            await talk.flow(BEFORE)
            await cluster.hit(node, signal.SIGTERM)
        await talk.flow(AFTER)
    await talk.verify()


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
    # The board was put right: who is here is shown, and who goes is gone.
    await talk.shown([client.sub for client in talk.clients], "online")
    await talk.shown(await talk.part(8), "offline")


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
    await talk.shown(await talk.part(8), "offline")


async def test_clients_that_say_everything_three_times_are_heard_once(cluster: Cluster) -> None:
    checker = await Checker(Site(cluster, "--limits", "none"), repeats=3).begin()
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
    checker = await Checker(Site(small_disk, "--limits", "none")).begin()
    async with checker.talking():
        await checker.flow(BEFORE)
        await asyncio.to_thread(fill, filler)
        stored = checker.stored
        # Tables have some room left; then nothing can be stored, and nobody is told that it was.
        await checker.stuck()
        assert checker.stored >= stored
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

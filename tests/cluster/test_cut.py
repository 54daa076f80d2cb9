"""A network that loses what a node and Redis say to each other, under load."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.checker import Checker
from tests.support.hosts import NODES, Hosts
from tests.support.site import Site

# What a fault cuts off in the middle of its handshake, the clients' libraries leave to the collector.
pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]
CUT_SECONDS = 10
BEFORE, AFTER = 200, 300


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    """Three hosts, a node on two of them."""
    hosts = Hosts(tmp_path)
    with hosts.inside():
        try:
            await hosts.start()
            yield hosts
        finally:
            await hosts.stop()


async def test_a_cut_between_a_node_and_redis_loses_nothing(hosts: Hosts) -> None:
    checker = await Checker(Site(hosts, "--limits", "none", "--grace", "1")).begin()
    async with checker.talking():
        for node in NODES:
            await checker.flow(BEFORE)
            hosts.cut(node)
            # Long enough for whatever is held in Redis of the node to expire.
            await asyncio.sleep(CUT_SECONDS)
            hosts.heal(node)
        await checker.flow(AFTER)
    await checker.verify()
    await checker.leave()

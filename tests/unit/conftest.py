"""Fixtures for units: each test begins with an empty memory."""

from collections.abc import AsyncIterator

import pytest
from django.core.cache import cache
from django.db import connections

from avchat.tenants import directory, services
from avchat.tenants.models import Site
from im import database
from im.node import Node


@pytest.fixture(autouse=True)
def _empty_memory() -> None:
    directory.forget()
    cache.clear()


@pytest.fixture
async def node(transactional_db: None) -> AsyncIterator[Node]:
    """A node in this process, with a journal of its own."""
    running = Node()
    yield running
    await running.close()
    # The readers keep their connections; those of a test end with it.
    for _ in range(database.READERS):
        await database.read(connections.close_all)


@pytest.fixture
async def site(node: Node) -> Site:
    """A site with a secret."""

    def make() -> Site:
        site = Site.objects.create(name="Harbour")
        services.add_secret(account=None, site=site, label="test")
        return site

    return await database.read(make)

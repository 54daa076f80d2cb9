"""Fixtures for units: each test begins with an empty memory."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from django.core.cache import cache
from django.db import connections
from pytest_django import Settings

from avchat import cache as shelves
from avchat.dashboard import limits
from avchat.memcached import shared_cache
from avchat.tenants import directory, services
from avchat.tenants.models import Site
from im import database
from im.node import Node
from tests.support.memcached import Memcached


@pytest.fixture(autouse=True)
def _empty_memory() -> None:
    directory.forget()
    cache.clear()
    for guard in limits.GUARDS.values():
        guard.reset()


@pytest.fixture
def share(settings: Settings) -> Iterator[Callable[..., None]]:
    """Has this process use these memcached servers."""

    def share(*servers: Memcached | str, **options: object) -> None:
        addresses = [server if isinstance(server, str) else server.address for server in servers]
        made = shared_cache(addresses, settings.SECRET_KEY)
        made["OPTIONS"] |= options
        settings.CACHES = {**settings.CACHES, "shared": made}

    yield share
    shelves.reset()


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

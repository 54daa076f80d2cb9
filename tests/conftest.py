"""Fixtures for all tests: servers of their own, and fresh sites on them."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.memcached import Memcached
from tests.support.redis import Redis
from tests.support.server import Daphne, Server
from tests.support.site import TRANSPORTS, Site


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server as an operator gets it, shared by all tests: keep them apart by site.

    With AVCHAT_TEST_SERVER=daphne it is Daphne, for the tests of what does not depend on the server.
    """
    kind = Daphne if os.environ.get("AVCHAT_TEST_SERVER") == "daphne" else Server
    server = kind(tmp_path_factory.mktemp("server"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose waiting times are a second or two, for tests of what happens when they are over."""
    server = Server(
        tmp_path_factory.mktemp("hasty"),
        AVCHAT_HELLO_SECONDS="1",
        AVCHAT_SESSION_SECONDS="2",
        AVCHAT_AWAY_SECONDS="1",
        AVCHAT_XA_SECONDS="3",
    )
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def daphne(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Daphne as it is, with the same application."""
    server = Daphne(tmp_path_factory.mktemp("daphne"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis for all tests; each empties it."""
    server = Redis(tmp_path_factory.mktemp("redis"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def redis(redis_server: Redis) -> Iterator[Redis]:
    """An empty Redis, which a test may kill."""
    redis_server.empty()
    yield redis_server
    redis_server.start()


@pytest.fixture
def memcached() -> Iterator[Memcached]:
    """A memcached that a test may kill."""
    memcached = Memcached()
    try:
        yield memcached.start()
    finally:
        memcached.stop()


@pytest.fixture
def second_memcached() -> Iterator[Memcached]:
    """Another one."""
    memcached = Memcached()
    try:
        yield memcached.start()
    finally:
        memcached.stop()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each of the four transports in turn."""
    name: str = request.param
    return name


@pytest.fixture
async def site(server: Server, transport: str) -> AsyncIterator[Site]:
    """A fresh site, whose members come over `transport`. The server must not log a traceback meanwhile."""
    site = Site(server, transport=transport)
    yield site
    await site.leave()
    assert server.running
    assert server.complaints() == []


@pytest.fixture
async def other_site(server: Server, transport: str) -> AsyncIterator[Site]:
    """A second site on the same server."""
    site = Site(server, transport=transport)
    yield site
    await site.leave()

"""History from a real replica: read there as soon as it has got as far, and never anything less than the primary's."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.mariadb import MariaDB
from tests.support.server import Server
from tests.support.site import Site

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    server = MariaDB(tmp_path_factory.mktemp("primary"), "server-id=1", "log-bin=log", "sync-binlog=1")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def replica(primary: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """Follows the primary from its beginning."""
    server = MariaDB(tmp_path_factory.mktemp("replica"), "server-id=2")
    try:
        server.start()
        server.follow(primary)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(primary: MariaDB, replica: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that writes to the primary and may read history from the replica."""
    directory: Path = tmp_path_factory.mktemp("replicated")
    url = primary.create()
    server = Server(directory, AVCHAT_DATABASE_URL=url, AVCHAT_REPLICA_URL=replica.url(url.rpartition("/")[2]))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
async def site(server: Server) -> AsyncIterator[Site]:
    site = Site(server)
    yield site
    await site.leave()


def mark(server: Server, replica: MariaDB) -> None:
    """Lets one see what comes from the replica: its words are others than the primary's."""
    name = server.environment["AVCHAT_DATABASE_URL"].rpartition("/")[2]
    replica.query("UPDATE im_message SET body = CONCAT('replica: ', body)", database=name)


def test_a_server_whose_binary_log_a_power_cut_shortens_is_refused(server: Server, primary: MariaDB) -> None:
    primary.query("SET GLOBAL sync_binlog = 0")
    try:
        with pytest.raises(RuntimeError, match=r"avchat\.E003"):
            server.manage("check", "--database", "default")
    finally:
        primary.query("SET GLOBAL sync_binlog = 1")


async def test_history_comes_from_a_replica_that_has_got_as_far(
    site: Site, server: Server, primary: MariaDB, replica: MariaDB
) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    room = (await ann.send("bob", "hello"))["conversation"]
    assert await asyncio.to_thread(replica.caught_up, primary)
    mark(server, replica)
    page = await ann.ok("history", conversation=room)
    assert [message["body"] for message in page["messages"]] == ["replica: hello"]


async def test_nobody_is_shown_less_than_was_acknowledged(
    site: Site, server: Server, primary: MariaDB, replica: MariaDB
) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    room = (await ann.send("bob", "one"))["conversation"]
    assert await asyncio.to_thread(replica.caught_up, primary)
    mark(server, replica)
    replica.query("STOP SLAVE SQL_THREAD")
    try:
        await ann.send("bob", "two")
        page = await ann.ok("history", conversation=room)
        assert [message["body"] for message in page["messages"]] == ["one", "two"]
        await ann.ok("message.delete", conversation=room, seq=1)
        page = await ann.ok("history", conversation=room)
        assert page["messages"][0]["deleted"] is True
    finally:
        replica.query("START SLAVE SQL_THREAD")
    assert await asyncio.to_thread(replica.caught_up, primary)
    mark(server, replica)
    page = await ann.ok("history", conversation=room)
    assert page["messages"][1]["body"] == "replica: two"


async def test_a_replica_that_is_gone_is_done_without(
    site: Site, server: Server, primary: MariaDB, replica: MariaDB
) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    room = (await ann.send("bob", "still here"))["conversation"]
    replica.kill()
    page = await ann.ok("history", conversation=room)
    assert [message["body"] for message in page["messages"]] == ["still here"]

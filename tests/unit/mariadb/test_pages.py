"""Pages that hang: what they take of the database's connections, and what they leave when their clients go."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import pytest

from avchat import pages
from im import database
from tests.support.mariadb import MariaDB
from tests.support.server import Server
from tests.support.site import Site
from tests.support.wait import eventually

pytestmark = pytest.mark.database

MOST = 3 + database.READERS + pages.THREADS
"""Connections that docs/operations.md speaks of: journal, clock, health, readers, pages."""


@pytest.fixture
def name(server: Server) -> str:
    """The server's database."""
    return server.environment["AVCHAT_DATABASE_URL"].rpartition("/")[2]


@pytest.fixture
async def people(server: Server) -> AsyncIterator[Site]:
    """A site on the server, which must not log a traceback meanwhile."""
    people = Site(server)
    yield people
    await people.leave()
    assert server.complaints() == []


@contextmanager
def locked(mariadb: MariaDB, name: str) -> Iterator[None]:
    """Nobody can read the sites."""
    other = mariadb.connect()
    try:
        other.autocommit(True)
        other.cursor().execute(f"LOCK TABLES {name}.tenants_site WRITE")
        yield
    finally:
        other.close()


def hanging(mariadb: MariaDB, name: str) -> list[int]:
    """The connections of pages that wait for the sites; a task of the clock's may do so, too."""
    where = f"db = '{name}' AND state LIKE 'Waiting for table metadata lock%' AND info LIKE '%pk!_%' ESCAPE '!'"
    return [id for (id,) in mariadb.query(f"SELECT id FROM information_schema.processlist WHERE {where}")]


class Page:
    """A request for a page, on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.status = asyncio.ensure_future(self._status())

    @classmethod
    async def ask(cls, server: Server, path: str) -> "Page":
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        return cls(reader, writer)

    async def leave(self) -> None:
        self._writer.transport.abort()
        self.status.cancel()
        await asyncio.wait([self.status])

    async def _status(self) -> int:
        async with asyncio.timeout(60):
            line = await self._reader.readline()
            await self._reader.read()
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
        return int(line.split()[1])


async def ask(server: Server, path: str) -> int:
    return await (await Page.ask(server, path)).status


@pytest.mark.parametrize("path", ["/embed/pk_held.js", "/embed/pk_held{}.js"])
async def test_pages_that_hang_leave_the_messenger_its_connections(
    server: Server, mariadb: MariaDB, name: str, people: Site, path: str
) -> None:
    ann, bob = await people.join("ann"), await people.join("bob")
    await ann.send("bob", "before")
    with locked(mariadb, name):
        held = [await Page.ask(server, path.format(n)) for n in range(400)]
        refused = len(held) - pages.THREADS - pages.WAITING
        await eventually(lambda: sum(page.status.done() for page in held) == refused)
        assert len(mariadb.connections(name)) <= MOST
        # Of many who want the same site one asks.
        stuck = await eventually(lambda: hanging(mariadb, name))
        if path == "/embed/pk_held.js":
            assert len(stuck) == 1
        for id in set(mariadb.connections(name)) - set(stuck):
            mariadb.end(id)
        sent = await ann.send("bob", "meanwhile")
        await bob.event("message", body="meanwhile")
        page = await bob.ok("history", conversation=sent["conversation"])
        assert [message["body"] for message in page["messages"]] == ["before", "meanwhile"]
        assert await ask(server, "/readyz") == 200
        assert await ask(server, "/healthz") == 200
        assert len(mariadb.connections(name)) <= MOST
    answers = [await page.status for page in held]
    assert (answers.count(503), answers.count(200)) == (refused, len(held) - refused)


async def test_neither_pages_nor_readers_nor_clients_that_leave_leave_a_connection_behind(
    server: Server, mariadb: MariaDB, name: str
) -> None:
    with locked(mariadb, name):
        gone = [await Page.ask(server, f"/embed/pk_gone{n}.js") for n in range(40)]
        await eventually(lambda: len(hanging(mariadb, name)) == pages.THREADS)
        for page in gone:
            await page.leave()
        assert await ask(server, "/readyz") == 200
    # Pages that were waited for by nobody any more end, and take their connections with them.
    await eventually(lambda: len(mariadb.connections(name)) <= MOST - pages.THREADS)
    for n in range(40):
        assert await ask(server, f"/embed/pk_asked{n}.js") == 200
        assert await ask(server, "/readyz") == 200
    await eventually(lambda: len(mariadb.connections(name)) <= MOST - pages.THREADS)


async def test_pages_use_no_connection_after_the_server_has_closed_it(
    server: Server, mariadb: MariaDB, name: str
) -> None:
    for n in range(40):
        assert await ask(server, f"/embed/pk_closed{n}.js") == 200
        assert await ask(server, "/readyz") == 200
        for id in mariadb.connections(name):
            mariadb.end(id)

"""The server itself: what it takes of HTTP, what it hands to its pool, and how it ends."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.bare import CLOSE, TEXT, Bare, frame
from tests.support.client import decode, encode
from tests.support.http import HttpConnection
from tests.support.server import Server
from tests.support.site import Site

HANDSHAKE = (
    b"GET /im/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


class Wire:
    """A plain TCP connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """The next head of an answer."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)

    async def rest(self) -> bytes:
        """All that comes until the server ends the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(), 20)
        except ConnectionResetError:
            return b""

    async def until(self, mark: bytes) -> bytes:
        """All that comes up to these bytes."""
        return await asyncio.wait_for(self.reader.readuntil(mark), 20)


@pytest.fixture
async def wire(server: Server) -> AsyncIterator[Wire]:
    """A connection to the server, which may not fail because of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield Wire(reader, writer)
    writer.transport.abort()
    assert server.running
    assert server.complaints() == []


@pytest.fixture
def transport() -> str:
    return "poll"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"Version: 13", b"Version: 8"), 426),
        ((b"Sec-WebSocket-Version: 13\r\n", b""), 426),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ="), 400),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"no base64 at all"), 400),
        ((b"GET", b"POST"), 400),
        ((b"HTTP/1.1", b"HTTP/1.0"), 400),
        ((b"/im/v1/ws", b"/im/v1/nowhere"), 403),
    ],
)
async def test_a_handshake_that_is_none_is_refused(wire: Wire, change: tuple[bytes, bytes], status: int) -> None:
    wire.writer.write(HANDSHAKE.replace(*change) + b"\r\n")
    answer = await wire.head()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    if status == 426:
        assert b"Sec-WebSocket-Version: 13" in answer
    assert await wire.rest() == b""


async def test_extensions_are_declined_and_the_subprotocol_is_taken(wire: Wire) -> None:
    offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: other, avchat.v1\r\n\r\n"
    wire.writer.write(HANDSHAKE + offer)
    answer = await wire.head()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
    assert b"Sec-WebSocket-Protocol: avchat.v1\r\n" in answer
    assert b"permessage-deflate" not in answer


async def test_a_hello_and_more_that_come_with_the_handshake_are_not_lost(server: Server) -> None:
    site = Site(server)
    hello = {"type": "hello", "id": "h", "site": site.key, "token": site.token("ann")}
    frames = [hello, *({"type": "ping", "id": str(number)} for number in range(20))]
    client = await Bare.open(server.port, site.address, b"".join(frame(TEXT, encode(made)) for made in frames))
    ids = [decode((await client.read())[1])["id"] for _ in frames]
    assert ids == ["h", *map(str, range(20))]
    await client.drop()


async def test_a_head_without_end_is_refused(wire: Wire) -> None:
    wire.writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    answered = asyncio.create_task(wire.rest())
    for number in range(40):
        wire.writer.write(b"X-%d: " % number + b"x" * 8000 + b"\r\n")
        await asyncio.sleep(0.01)
    answer = await answered
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")


async def test_a_body_without_end_is_not_read_to_its_end(wire: Wire, server: Server) -> None:
    wire.writer.write(b"POST /dashboard/log-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n")
    answered = asyncio.create_task(wire.rest())
    sent = 0
    while not answered.done() and sent < 200_000_000:
        wire.writer.write(b"x" * 1_000_000)
        sent += 1_000_000
        await asyncio.sleep(0.001)
    answer = await answered
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert sent < 200_000_000


async def test_what_is_no_http_is_told_so(wire: Wire) -> None:
    wire.writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    assert (await wire.rest()).startswith(b"HTTP/1.1 400 ")


async def session(site: Site, sub: str) -> str:
    """The path of a session that nobody listens to."""
    connection = await site.join(sub)
    assert isinstance(connection, HttpConnection)
    await connection.deafen()
    return connection.path


def ask_events(path: str, accept: str, version: str = "1.1", query: str = "") -> bytes:
    """A request for a session's events."""
    return f"GET {path}/events{query} HTTP/{version}\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\n\r\n".encode()


async def test_a_stream_to_an_old_client_is_not_in_chunks(site: Site, wire: Wire) -> None:
    path = await session(site, "bob")
    wire.writer.write(ask_events(path, "application/x-ndjson", version="1.0"))
    head = (await wire.head()).lower()
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert await wire.until(b"\n") == b"\n"
    ann = await site.join("ann", transport="ws")
    await ann.send("bob", "hello")
    line = await wire.until(b'"body":"hello"')
    assert b'"type":"message"' in line
    await site.join("bob", transport="ws")


async def test_after_a_poll_the_connection_takes_the_next_request(site: Site, wire: Wire) -> None:
    path = await session(site, "bob")
    ann = await site.join("ann", transport="ws")
    poll = ask_events(path, "application/json", query="?wait=20")
    wire.writer.write(poll)
    # There is nothing to tell yet: the pool has it, and its head is there before its body.
    assert b"transfer-encoding: chunked" in (await wire.head()).lower()
    await ann.send("bob", "hello")
    told = await wire.until(b"\r\n0\r\n\r\n")
    for number in range(3):
        wire.writer.write(poll)
        head = (await wire.head()).lower()
        if b"transfer-encoding: chunked" in head:
            await ann.send("bob", f"hello {number}")
            told += await wire.until(b"\r\n0\r\n\r\n")
        else:
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            told += await asyncio.wait_for(wire.reader.readexactly(length), 20)
    assert b'"body":"hello"' in told


async def test_a_request_behind_a_waiting_poll_is_answered_after_it(site: Site, wire: Wire) -> None:
    path = await session(site, "bob")
    poll = ask_events(path, "application/json", query="?wait=1")
    wire.writer.write(poll + b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert (await wire.head()).startswith(b"HTTP/1.1 200 ")
    await wire.until(b"[]")
    await wire.until(b"HTTP/1.1 200 OK")
    assert b'"status"' in await wire.until(b"}")


def open_sockets(server: Server) -> int:
    """How many sockets the server has."""
    files = Path(f"/proc/{server.pid}/fd")
    return sum(name.startswith("socket:") for name in map(os.readlink, files.iterdir()))


async def test_a_stream_that_is_left_without_a_word_leaves_nothing_behind(site: Site, server: Server) -> None:
    path = await session(site, "bob")
    before = open_sockets(server)
    for accept in ("text/event-stream", "application/x-ndjson", "application/json") * 5:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ask_events(path, accept))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        writer.transport.abort()
    async with asyncio.timeout(20):
        while open_sockets(server) > before:  # noqa: ASYNC110 (what is waited for is told to nobody)
            await asyncio.sleep(0.05)


async def test_a_server_that_ends_gives_up_its_address_first(tmp_path: Path) -> None:
    own = Server(tmp_path)
    own.start()
    try:
        site = Site(own)
        client = await Bare.join(site, "ann")
        reader, writer = await asyncio.open_connection("127.0.0.1", own.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"}"), 20)
        ended = asyncio.create_task(asyncio.to_thread(own.terminate))
        assert json.loads((await client.read())[1])["type"] == "closing"
        opcode, payload = await client.read()
        assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, 1012)
        # Told to go elsewhere; and while it says good-bye, whoever comes finds nobody here, nor does one, such as a
        # proxy, that has kept its connection for the next request.
        assert await asyncio.wait_for(reader.read(), 20) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", own.port), 5).close()
        assert not client.reader.at_eof()
        await client.send(frame(CLOSE, payload))
        writer.close()
        await ended
        await site.leave()
    finally:
        own.stop()

"""The server's HTTP connections: how long a client may take."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from avchat.ops import http
from avchat.ops.http import HttpProtocol


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with what it was sent, a thousand times."""
    message = {"more_body": True, "body": b""}
    body = b""
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000):
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Line:
    """A client's connection, and the server's end of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: ServerState) -> None:
        self.reader = reader
        self.writer = writer
        self.state = state

    async def server(self) -> HttpProtocol:
        """The server's end, once it is there."""
        async with asyncio.timeout(10):
            while not self.state.connections:  # noqa: ASYNC110 (what is waited for is told to nobody)
                await asyncio.sleep(0)
        [found] = self.state.connections
        assert isinstance(found, HttpProtocol)
        return found


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    config = uvicorn.Config(
        app, http=HttpProtocol, ws=asyncio.Protocol, lifespan="off", log_config=None, interface="asgi3"
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpProtocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield Line(reader, writer, state)
    writer.transport.abort()
    server.close()
    async with asyncio.timeout(10):
        while state.tasks or state.connections:  # noqa: ASYNC110 (what is waited for is told to nobody)
            await asyncio.sleep(0)


async def over(line: Line) -> bool:
    """Whether the server has cut the client off."""
    try:
        return await asyncio.wait_for(line.reader.read(1), 10) == b""
    except ConnectionResetError:
        return True


async def test_a_client_that_says_nothing_is_cut_off_in_time(line: Line) -> None:
    server = await line.server()
    now = asyncio.get_running_loop().time()
    server.look(now)
    assert not server.transport.is_closing()
    server.look(now + http.HEAD_S + 1)
    assert await over(line)


async def test_a_head_that_never_ends_is_cut_off_however_much_of_it_comes(line: Line) -> None:
    server = await line.server()
    begun = asyncio.get_running_loop().time()
    line.writer.write(b"GET / HTTP/1.1\r\n")
    async with asyncio.timeout(10):
        while server.scope is None:  # noqa: ASYNC110 (what is waited for is told to nobody)
            await asyncio.sleep(0)
    line.writer.write(b"X: y\r\n")
    await asyncio.sleep(0)
    server.look(begun + http.HEAD_S + 1)
    assert await over(line)


async def test_a_client_that_sends_what_is_no_request_is_cut_off(line: Line) -> None:
    server = await line.server()
    line.writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await asyncio.wait_for(line.reader.readuntil(b"0\r\n\r\n"), 10)
    line.writer.write(b"\r\n")
    async with asyncio.timeout(10):
        while server.timeout_keep_alive_task is not None:  # noqa: ASYNC110 (what is waited for is told to nobody)
            await asyncio.sleep(0)
    server.look(asyncio.get_running_loop().time() + http.STALL_S + 1)
    assert await over(line)


async def test_a_body_that_stops_coming_is_cut_off(line: Line) -> None:
    server = await line.server()
    line.writer.write(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n123")
    async with asyncio.timeout(10):
        while server.in_head:  # noqa: ASYNC110 (what is waited for is told to nobody)
            await asyncio.sleep(0)
    now = asyncio.get_running_loop().time()
    server.look(now + http.HEAD_S + 1)
    assert not server.transport.is_closing()
    server.look(now + http.STALL_S + 1)
    assert await over(line)


async def test_an_answer_that_is_not_read_is_cut_off(line: Line) -> None:
    server = await line.server()
    line.writer.write(b"POST / HTTP/1.1\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000)
    async with asyncio.timeout(10):
        while not server.flow.write_paused:  # noqa: ASYNC110 (what is waited for is told to nobody)
            await asyncio.sleep(0)
    now = asyncio.get_running_loop().time()
    server.look(now)
    assert not server.transport.is_closing()
    server.look(now + http.STALL_S + 1)
    assert server.transport.is_closing()

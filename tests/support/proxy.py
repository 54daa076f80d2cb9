"""A TCP proxy before the server, for tests of what networks do: cut, go away, let only some transports through.

Promises to touch no byte of what it lets through.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

WEBSOCKET = "websocket"
EVENT_STREAM = "event stream"
# How a request for each begins; a browser sends each request's head at once.
_HEADS: dict[str, Callable[[bytes], bool]] = {
    WEBSOCKET: lambda head: head.startswith(b"GET /im/v1/ws"),
    EVENT_STREAM: lambda head: head.startswith(b"GET /im/v1/sessions/") and b"text/event-stream" in head,
}
_BLOCKED = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy:
    """Passes connections on to 127.0.0.1:`target`; `blocked` names the transports that are refused with a 502."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.blocked: set[str] = set()
        self.counts = dict.fromkeys(_HEADS, 0)
        self._asking = asyncio.Event()
        self._answering = asyncio.Event()
        self.go_on()
        self._listener: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._sockets: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base(self) -> str:
        """The origin of the service, as seen through the proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_websockets(self) -> int:
        """How many WebSockets stand through it now."""
        return len(self._sockets)

    async def open(self) -> Self:
        """Listens, on the port that it had before if it had one."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def shut(self) -> None:
        """The network is gone: cuts every connection and refuses new ones, until it is opened again."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()
        await asyncio.gather(*self._tasks)

    def cut(self) -> None:
        """Cuts every connection without a word; new ones are let through."""
        for writer in [*self._links]:
            writer.transport.abort()

    def hold(self) -> None:
        """Lets nothing through for now; nobody is told."""
        self._asking.clear()
        self._answering.clear()

    def hold_answers(self) -> None:
        """Lets through what browsers say, and nothing of what the server says to them."""
        self._answering.clear()

    def go_on(self) -> None:
        """Lets through what was held, and all that follows."""
        self._asking.set()
        self._answering.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._links.add(writer)
        try:
            with contextlib.suppress(OSError):
                onward, server = await asyncio.open_connection("127.0.0.1", self.target)
                self._links.add(server)
                try:
                    await asyncio.gather(self._requests(reader, server, writer), self._copy(onward, writer))
                finally:
                    self._links.discard(server)
                    self._sockets.discard(server)
                    server.transport.abort()
        finally:
            self._links.discard(writer)
            writer.transport.abort()
            self._tasks.discard(task)

    async def _requests(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            for kind, matches in _HEADS.items():
                if matches(data):
                    self.counts[kind] += 1
                    if kind in self.blocked:
                        client.write(_BLOCKED)
                        await client.drain()
                        raise ConnectionResetError
                    if kind == WEBSOCKET:
                        self._sockets.add(server)
            await self._asking.wait()
            server.write(data)
            await server.drain()
        server.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._answering.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

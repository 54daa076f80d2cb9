"""What the transports share: a consumer without a thread hop per message, the client's address, and an outbox."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from channels.consumer import AsyncConsumer
from channels.consumer import get_handler_name as handler_name
from channels.exceptions import StopConsumer
from django.conf import settings

from im.node import Node, current

GONE = 1006, "gone"

HIBERNATE = "avchat.hibernate"
"""The ASGI extension by which a consumer gives its connection away (docs/hibernate.md)."""


class Consumer(AsyncConsumer):
    """A Channels consumer that listens to its connection alone: events come through the node's router."""

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
        """Serves the connection; however that ends, it is gone afterwards."""
        # Channels' own loop makes a task of every message, to listen to a channel layer as well.
        self.scope, self.base_send = scope, send
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            self.gone()

    def gone(self) -> None:
        """The connection is over."""

    async def dispatch(self, message: dict[str, Any]) -> None:
        # Channels' own dispatch looks after database connections in a thread, at every message; there are none here.
        await getattr(self, handler_name(message))(message)

    async def hibernate(self, take: Callable[[Any], Any], **how: Any) -> None:
        """Gives the connection to the server's pool, where it has one, and ends; otherwise nothing happens.

        Args:
            take: called with the connection if the pool has it; answers its owner.
            how: what else the extension wants to know.
        """
        if HIBERNATE in (self.scope.get("extensions") or {}):
            taken = []

            def taking(connection: Any) -> Any:
                taken.append(connection)
                return take(connection)

            await self.send({"type": HIBERNATE, "take": taking, **how})
            if taken:
                raise StopConsumer

    @property
    def node(self) -> Node:
        """The node of this process."""
        return current()

    def header(self, name: bytes) -> str | None:
        """A header of the request; None where it was not sent."""
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value.decode("latin-1"))
        return None

    @property
    def address(self) -> str:
        """The client's address; behind a trusted proxy, the one that it names."""
        peer = (self.scope.get("client") or ("",))[0]
        forwarded = self.header(b"x-forwarded-for")
        if forwarded and peer in settings.TRUSTED_PROXIES:
            return forwarded.rsplit(",", 1)[-1].strip()
        return str(peer)


class Outbox:
    """Bytes on their way out: all that is written in one turn of the event loop goes in one piece."""

    __slots__ = ("_closing", "_flush", "_parts", "_task")

    def __init__(self, flush: Callable[[list[bytes], tuple[int, str] | None], Awaitable[None]]) -> None:
        self._flush = flush
        self._parts: list[bytes] = []
        self._closing: tuple[int, str] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def untouched(self) -> bool:
        """True where nothing was written and nothing closed."""
        return not self._parts and self._closing is None and self._task is None

    def write(self, data: bytes) -> None:
        """Has bytes sent, in order."""
        if self._closing is None:
            self._parts.append(data)
            self._wake()

    def close(self, code: int, reason: str) -> None:
        """Has the connection closed, after what was written before."""
        if self._closing is None:
            self._closing = code, reason
            self._wake()

    def abort(self) -> None:
        """Has the connection closed without anything that was written."""
        self._parts.clear()
        self.close(*GONE)

    def pour(self, connection: Any) -> None:
        """Has a connection of the pool send what waits here. Only in the turn in which it was written."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        for part in self._parts:
            connection.write(part)
        if self._closing is not None:
            connection.close(*self._closing)
        # Or else consumer, outbox and task would hold each other until garbage is looked for.
        del self._flush

    def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        # A yield first, so that what else is written in this turn comes along.
        await asyncio.sleep(0)
        try:
            while self._parts or self._closing is not None:
                parts, self._parts = self._parts, []
                closing = self._closing
                await self._flush(parts, closing)
                if closing is not None:
                    return
        except Exception:
            # The connection is gone; its transport hears of that by itself.
            self._closing = GONE
        finally:
            if self._closing is None:
                self._task = None

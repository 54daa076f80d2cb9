"""What the transports share: a consumer without a thread hop per message, the client's address, and an outbox."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from channels.consumer import AsyncConsumer
from channels.consumer import get_handler_name as handler_name
from django.conf import settings

from im.node import Node, current


class Consumer(AsyncConsumer):
    """A Channels consumer that listens to its connection alone: events come through the node's router."""

    channel_layer_alias = ""

    async def __call__(self, *args: Any) -> None:
        """Serves the connection; however that ends, it is gone afterwards."""
        try:
            await super().__call__(*args)
        finally:
            self.gone()

    def gone(self) -> None:
        """The connection is over."""

    async def dispatch(self, message: dict[str, Any]) -> None:
        # Channels' own dispatch looks after database connections in a thread, at every message; there are none here.
        await getattr(self, handler_name(message))(message)

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

    def __init__(self, flush: Callable[[list[bytes], Any], Awaitable[None]]) -> None:
        self._flush = flush
        self._parts: list[bytes] = []
        self._closing: Any = None
        self._task: asyncio.Task[None] | None = None

    def put(self, data: bytes) -> None:
        """Has bytes sent, in order."""
        if self._closing is None:
            self._parts.append(data)
            self._wake()

    def close(self, how: Any) -> None:
        """Has the connection closed, after what was put before. `how` goes to the transport and is not None."""
        if self._closing is None:
            self._closing = how
            self._wake()

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
            self._closing = True
        finally:
            if self._closing is None:
                self._task = None

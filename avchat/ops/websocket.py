"""A WebSocket as an ASGI application sees it, on a connection of the pool.

The pool does the framing from the handshake on; this is the connection's owner until the application hands it over to
another (`avchat.hibernate`), and for good where it does not.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from im import framing, pool

logger = logging.getLogger(__name__)

HIBERNATE = "avchat.hibernate"
MAX_WAITING = 64 * 1024
"""Bytes that wait for the application before no more are read."""
MAX_MESSAGES = 64

App = Callable[[Any, Any, Any], Any]


class AsgiSocket:
    """One WebSocket and its application.

    Args:
        accept: takes the answer to the handshake; gives the connection, or None where the client is gone.
        refuse: answers the handshake with a status instead.
        key: the client's `Sec-WebSocket-Key`.
        headers: the server's own, for the answer.
        rest: what the client sent behind its request, without waiting.
    """

    def __init__(
        self,
        accept: Callable[[bytes], pool.WebSocket | None],
        refuse: Callable[[int], None],
        key: bytes,
        headers: list[tuple[bytes, bytes]],
        rest: bytes,
    ) -> None:
        self._accept = accept
        self._refuse = refuse
        self._key = key
        self._headers = headers
        self._rest = rest
        self._messages: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self._waiting = 0
        self._arrived: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._connection: pool.WebSocket | None = None
        self._answered = False
        # Nothing is sent any more: the application has closed, or the client is gone, or somebody else has it.
        self._over = False

    async def run(self, app: App, scope: dict[str, Any]) -> None:
        """Runs the application from the handshake to its end."""
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            logger.exception("A WebSocket's application failed")
            self._close(framing.FAILED)
        else:
            self._close(framing.NORMAL)

    # what the application calls

    async def receive(self) -> dict[str, Any]:
        """The next event for the application."""
        while not self._messages:
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        message = self._messages.popleft()
        self._waiting -= len(_content(message))
        if not self.congested:
            _wake(self._room)
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """Takes an event of the application's. What comes after the end is left alone, as ASGI wants it."""
        kind = message["type"]
        if self._over:
            return
        if not self._answered:
            self._answer(kind, message)
        elif kind == "websocket.close":
            self._close(message.get("code") or framing.NORMAL, message.get("reason") or "")
        elif kind == "websocket.send":
            self._write(message)
        elif kind == HIBERNATE:
            self._hand_over(message["take"])

    def _answer(self, kind: str, message: dict[str, Any]) -> None:
        if kind != "websocket.accept":
            self._close(framing.NORMAL)
            return
        self._answered = True
        headers = [*self._headers, *message.get("headers", ())]
        if subprotocol := message.get("subprotocol"):
            headers.append((b"Sec-WebSocket-Protocol", subprotocol.encode("ascii")))
        self._connection = self._accept(framing.upgrade(self._key, headers))
        if self._connection is None:
            self.disconnected(framing.CUT_OFF)
        else:
            pool.current().own(self._connection, self, rest=self._rest)

    def _write(self, message: dict[str, Any]) -> None:
        assert self._connection is not None
        if (text := message.get("text")) is not None:
            self._connection.write(text.encode())
        else:
            self._connection.write_binary(message["bytes"])

    def _hand_over(self, take: Callable[[pool.WebSocket], pool.Listener]) -> None:
        assert self._connection is not None
        waiting = [_content(message) for message in self._messages]
        self._messages.clear()
        self._over = True
        pool.current().own(self._connection, take(self._connection), waiting)
        _wake(self._room)

    def _close(self, code: int, reason: str = "") -> None:
        if self._over:
            return
        self._over = True
        if not self._answered:
            self._answered = True
            self._refuse(403 if code == framing.NORMAL else 500)
            self._add({"type": "websocket.disconnect", "code": framing.CUT_OFF})
        elif self._connection is not None:
            self._connection.close(code, reason)

    # what the pool calls

    def on_frame(self, data: bytes | str) -> None:
        """A message for the application."""
        self._waiting += len(data)
        self._add({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})

    @property
    def congested(self) -> bool:
        """True while the application has enough to do."""
        return self._waiting >= MAX_WAITING or len(self._messages) >= MAX_MESSAGES

    async def uncongested(self) -> None:
        """Waits until the application has taken what waits, or is done."""
        if self.congested:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def disconnected(self, code: int) -> None:
        """The connection is over."""
        self._over = True
        self._add({"type": "websocket.disconnect", "code": code})
        _wake(self._room)

    def _add(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        _wake(self._arrived)


def _content(message: dict[str, Any]) -> str | bytes:
    data: str | bytes = message.get("text") or message.get("bytes") or b""
    return data


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)

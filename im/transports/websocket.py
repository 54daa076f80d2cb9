"""The WebSocket transport (RFC 6455): a message is a frame, either way."""

from typing import Any

from channels.exceptions import StopConsumer
from django.conf import settings

from im.errors import (
    CLOSE_FLOODING,
    CLOSE_FORBIDDEN,
    CLOSE_NO_HELLO,
    CLOSE_RESTART,
    CLOSE_TOO_LARGE,
    CLOSE_UNAUTHORIZED,
    Refusal,
    encode,
)
from im.handler import Handler
from im.hello import welcome
from im.transports.base import Consumer, Outbox

SUBPROTOCOL = "avchat.v1"

CLOSE_AFTER_REFUSED_HELLO = {
    "forbidden": CLOSE_FORBIDDEN,
    "too-large": CLOSE_TOO_LARGE,
    "rate-limited": CLOSE_FLOODING,
    "unavailable": CLOSE_RESTART,
}


class WebSocketConsumer(Consumer):
    """A WebSocket, from the handshake to the close."""

    handler: Handler | None = None

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Accepts, and gives the client some seconds to say hello."""
        self.outbox = Outbox(self._flush)
        offered = self.scope.get("subprotocols", [])
        chosen = SUBPROTOCOL if SUBPROTOCOL in offered else None
        await self.send({"type": "websocket.accept", "subprotocol": chosen})
        if wait := await self.node.rates.connections.take(self.address):
            refusal = Refusal("rate-limited", "Too many connections from your address.", retry_ms=wait)
            self._refuse(refusal)
        elif self.node.draining:
            self._refuse(Refusal("unavailable", "This node is ending.", retry_ms=1000))
        else:
            self.node.wheel.set(self, settings.HELLO_SECONDS, self._no_hello)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Takes one frame; reads no further while too many wait."""
        data = message.get("text")
        if data is None:
            data = message["bytes"]
        if self.handler is not None:
            self.handler.on_frame(data)
            await self.handler.uncongested()
        elif self.node.wheel.cancel(self):
            await self._hello(data)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """The client has closed, or was cut off."""
        raise StopConsumer

    def gone(self) -> None:
        """The connection is over."""
        self.node.wheel.cancel(self)
        if self.handler is not None:
            self.node.depart(self.handler)

    async def _hello(self, data: str | bytes) -> None:
        try:
            welcomed = await welcome(self.node, data, origin=self.header(b"origin"), address=self.address, port=self)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        self.handler = welcomed.handler
        self.write(encode(welcomed.reply), None)
        self.handler.release(welcomed.changes, welcomed.up_to)
        if self.node.draining:
            self.node.dismiss(self.handler)
        await self.hibernate(self._take)

    def _take(self, connection: Any) -> Handler:
        """From here on the pool reads for the handler and writes for it: this consumer is done."""
        handler, self.handler = self.handler, None
        assert handler is not None
        handler.port = connection
        self.outbox.pour(connection)
        return handler

    def _no_hello(self) -> None:
        self.close(CLOSE_NO_HELLO, "no hello")

    def _refuse(self, refusal: Refusal) -> None:
        self.write(refusal.encode(refusal.id), None)
        self.close(CLOSE_AFTER_REFUSED_HELLO.get(refusal.code, CLOSE_UNAUTHORIZED), refusal.code)

    # the handler's port

    def write(self, data: bytes, version: int | None) -> None:
        """Sends a frame as a text message."""
        self.outbox.write(data)

    def close(self, code: int, reason: str) -> None:
        """Closes with this code, after what was written."""
        self.outbox.close(code, reason)

    async def _flush(self, parts: list[bytes], closing: tuple[int, str] | None) -> None:
        for part in parts:
            await self.send({"type": "websocket.send", "text": part.decode()})
        if closing:
            await self.send({"type": "websocket.close", "code": closing[0], "reason": closing[1]})

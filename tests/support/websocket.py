"""The contract's client over WebSocket."""

import asyncio
import contextlib
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from tests.support.client import PATIENCE, Connection, Ended, Frame, HelloRefused, decode, encode


async def open_socket(base: str, source: str = "127.0.0.1", origin: str | None = None) -> ClientConnection:
    """A bare WebSocket on the service at `base`, from the address `source`; no hello has been said."""
    return await connect(
        base.replace("http", "ws", 1) + "/im/v1/ws",
        subprotocols=[Subprotocol("avchat.v1")],
        origin=Origin(origin) if origin else None,
        compression=None,
        open_timeout=PATIENCE,
        close_timeout=PATIENCE,
        max_size=None,
        proxy=None,
        local_addr=(source, 0),
    )


class WebSocketConnection(Connection):
    """One WebSocket; replies are matched by `id`."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__()
        self.socket = socket
        self._waiting: dict[str, asyncio.Future[Frame]] = {}
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, base: str, hello: Frame, source: str = "127.0.0.1", origin: str | None = None
    ) -> "WebSocketConnection":
        """Connects and says hello.

        Raises:
            HelloRefused: it was answered with an error.
        """
        self = cls(await open_socket(base, source, origin))
        try:
            await self.socket.send(encode(hello), text=True)
            async with asyncio.timeout(PATIENCE):
                reply = decode(await self.socket.recv())
                if reply["type"] == "error":
                    await self.socket.wait_closed()
                    raise HelloRefused(self.socket.close_code, reply)
        except BaseException:
            self.socket.transport.abort()
            raise
        self._reader = asyncio.create_task(self._read())
        return self._welcomed(reply)

    async def batch(self, *frames: Frame) -> list[Frame]:
        expected = [asyncio.get_running_loop().create_future() for frame in frames if "id" in frame]
        self._waiting |= zip((frame["id"] for frame in frames if "id" in frame), expected, strict=True)
        for frame in frames:
            await self._write(encode(frame))
        async with asyncio.timeout(PATIENCE):
            return list(await asyncio.gather(*expected))

    async def raw(self, data: bytes) -> Frame:
        await self._write(data)
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self._loose_errors or self._end is not None)
        if not self._loose_errors:
            assert self._end is not None
            raise self._end
        return self._loose_errors.pop(0)

    async def close(self) -> None:
        await self.socket.close()
        await self._stop_reading()

    async def drop(self) -> None:
        self.socket.transport.abort()
        await self._stop_reading()

    async def _write(self, data: bytes) -> None:
        try:
            await self.socket.send(data, text=True)
        except ConnectionClosed as closed:
            raise Ended(closed.rcvd.code if closed.rcvd else None) from None

    async def _stop_reading(self) -> None:
        if self._reader is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    async def _read(self) -> None:
        try:
            async for data in self.socket:
                await self._sort(decode(data))
        except ConnectionClosed:
            pass
        finally:
            # A close frame that never came is told as no code, like a stream that was cut off.
            code: Any = self.socket.close_code
            await self._over(None if code == 1006 else code)
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(Ended(code))

    async def _sort(self, frame: Frame) -> None:
        if frame["type"] not in ("ok", "error"):
            await self._arrived(frame)
        elif (future := self._waiting.pop(frame.get("id", ""), None)) is not None:
            if not future.done():
                # Otherwise nobody waits for it any longer.
                future.set_result(frame)
        else:
            assert frame["type"] == "error", f"an answer that nobody asked for: {frame}"
            async with self._changed:
                self._loose_errors.append(frame)
                self._changed.notify_all()

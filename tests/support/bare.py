"""A bare WebSocket client that sends whatever bytes a test wants, and reads frames one by one."""

import asyncio
import base64
import contextlib
import itertools
import os
from typing import NamedTuple, Self

from tests.support.client import PATIENCE, decode, encode
from tests.support.site import Site

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = MASK, size: int = 0
) -> bytes:
    """A client's frame. `size`: how many bytes the length takes at least, beyond the first (0, 2 or 8)."""
    length = len(payload)
    size = max(size, 0 if length < 126 else 2 if length < 65536 else 8)
    told = {0: length, 2: 126, 8: 127}[size]
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if mask else 0) | told))
    head += length.to_bytes(size) if size else b""
    if mask is None:
        return head + payload
    stream = itertools.cycle(mask)
    return head + mask + bytes(byte ^ next(stream) for byte in payload)


class Told(NamedTuple):
    """What the server did: answers in order, pongs, and the close code (0: a close without one, None: no close)."""

    answers: list[str]
    pongs: list[bytes]
    code: int | None


class Bare:
    """One connection, whose handshake is done."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, source: str = "127.0.0.1", extra: bytes = b"") -> Self:
        """Connects. `extra`: bytes that are sent behind the request, without waiting."""
        self = cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))
        key = base64.b64encode(os.urandom(16)).decode()
        await self.send(
            f"GET /im/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
            + extra
        )
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert b"deflate" not in head
        return self

    @classmethod
    async def join(cls, site: Site, sub: str) -> Self:
        """A member's connection."""
        self = await cls.open(site.server.port, site.address)
        site.leaving.append(self.drop)
        hello = {"type": "hello", "id": "h", "site": site.key, "token": site.token(sub)}
        await self.send(frame(TEXT, encode(hello)))
        opcode, payload = await self.read()
        assert (opcode, decode(payload)["type"]) == (TEXT, "ok")
        return self

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are. A server that has ended the connection is no error here."""
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def read(self) -> tuple[int, bytes]:
        """The server's next frame, which is whole and unmasked.

        Raises:
            EOFError, ConnectionError: it has ended the connection.
        """
        async with asyncio.timeout(PATIENCE):
            first, length = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80
            assert not length & 0x80
            if length >= 126:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8))
            return first & 0x0F, await self.reader.readexactly(length)

    async def told(self, until: int | None = None) -> Told:
        """Reads until the connection ends, or until so many frames have come."""
        answers: list[str] = []
        pongs: list[bytes] = []
        code = None
        try:
            while until is None or len(answers) + len(pongs) < until:
                opcode, payload = await self.read()
                if opcode == PONG:
                    pongs.append(payload)
                elif opcode == TEXT:
                    reply = decode(payload)
                    answers.append(reply.get("id") or reply.get("code", ""))
                elif opcode == CLOSE:
                    code = int.from_bytes(payload[:2])
                    # As a client does that had not said so itself.
                    await self.send(frame(CLOSE, payload))
        except (EOFError, ConnectionError):
            pass
        return Told(answers, pongs, code)

    async def drop(self) -> None:
        """Is gone without a word."""
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

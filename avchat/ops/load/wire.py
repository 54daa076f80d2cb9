"""A client's side of RFC 6455 and of HTTP/1.1, as far as the load tools need it: bytes in, bytes out."""

import base64
import os
from collections.abc import Callable, Iterator

import httptools

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
MASK = bytes(4)
"""A mask of zeros is a mask: the server takes it off as any other, and the client is spared putting it on."""


def upgrade(host: str) -> bytes:
    """The request that begins a WebSocket."""
    key = base64.b64encode(os.urandom(16))
    return (
        b"GET /im/v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: avchat.v1\r\nSec-WebSocket-Key: %s\r\n\r\n"
    ) % (host.encode(), key)


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A client's frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size)) + MASK + payload
    if size < 65536:
        return bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2) + MASK + payload
    return bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8) + MASK + payload


def frames(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The server's whole frames in `data`: opcode, payload, and where the next one begins."""
    at, end = 0, len(data)
    while end - at >= 2:
        start, size = at + 2, data[at + 1]
        if size == 126:
            start = at + 4
            size = int.from_bytes(data[at + 2 : start])
        elif size == 127:
            start = at + 10
            size = int.from_bytes(data[at + 2 : start])
        stop = start + size
        if stop > end or start > end:
            return
        yield data[at] & 0x0F, data[start:stop], stop
        at = stop


def request(method: str, path: str, host: str, body: bytes | None = None, accept: str = "application/json") -> bytes:
    """A request on a connection that stays."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n"
    if body is None:
        return head.encode() + b"\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Answers:
    """Takes the answers that come on one HTTP connection apart.

    Args:
        body: is called with the status and each piece of a body, as it comes.
        complete: is called with the status at the end of an answer, and with whether the connection stays.
    """

    def __init__(self, body: Callable[[int, bytes], None], complete: Callable[[int, bool], None]) -> None:
        self._body = body
        self._complete = complete
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Takes what has come.

        Raises:
            ValueError: it is not HTTP.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ValueError(str(error)) from None

    # what the parser calls

    def on_body(self, data: bytes) -> None:
        """A piece of a body."""
        self._body(self._parser.get_status_code(), data)

    def on_message_complete(self) -> None:
        """The end of an answer."""
        self._complete(self._parser.get_status_code(), self._parser.should_keep_alive())

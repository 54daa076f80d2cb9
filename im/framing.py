"""RFC 6455 on the server's side, as plain functions over bytes: a client's frames in, the server's frames out.

Nothing here keeps anything or waits for anything; `im.pool` does. Extensions are declined, so that the reserved bits
are always zero. A frame's length is judged before its payload is there.
"""

import base64
import hashlib
from collections.abc import Iterable

try:
    # In C, and several times as fast as XOR of whole numbers, which is what the other one does.
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80

NORMAL = 1000
PROTOCOL_ERROR = 1002
NO_CODE = 1005
CUT_OFF = 1006
NOT_UTF8 = 1007
TOO_BIG = 1009
FAILED = 1011

MAX_REASON = 123
"""Bytes of a close frame's reason."""

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Frame = tuple[int, bytes, int]
"""The first byte without the reserved bits (`FIN` and opcode), the payload, and where the next frame begins."""


class Violation(Exception):
    """A client does what it must not. `code`: with which its connection is closed."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def read(data: bytes | bytearray | memoryview, at: int, end: int, room: int) -> Frame | None:
    """The client's frame that begins at `at`; None where it is not there as a whole yet.

    Args:
        data: what has come, good up to `end`.
        room: bytes that the payload of a data frame may have.

    Raises:
        Violation: 1002, or 1009 where it says that it is longer than there is room for.
    """
    if end - at < 2:
        return None
    first, second = data[at], data[at + 1]
    at += 2
    if first & 0x70:
        raise Violation(PROTOCOL_ERROR, "reserved bits")
    if not second & 0x80:
        raise Violation(PROTOCOL_ERROR, "no mask")
    length = second & 0x7F
    opcode = first & 0x0F
    if opcode >= CLOSE:
        if opcode > PONG:
            raise Violation(PROTOCOL_ERROR, "reserved opcode")
        if not first & FIN or length > 125:
            raise Violation(PROTOCOL_ERROR, "control frame in fragments or too long")
    elif opcode > BINARY:
        raise Violation(PROTOCOL_ERROR, "reserved opcode")
    elif length >= 126:
        size = 2 if length == 126 else 8
        if end - at < size:
            return None
        length = int.from_bytes(data[at : at + size])
        at += size
        if length < 126 or (size == 8 and not 0xFFFF < length < 2**63):
            raise Violation(PROTOCOL_ERROR, "length not as short as can be")
    if length > room and opcode < CLOSE:
        raise Violation(TOO_BIG, "message too big")
    start = at + 4
    stop = start + length
    if stop > end:
        return None
    return first, apply_mask(data[start:stop], bytes(data[at:start])), stop


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame of the server's, which is never masked."""
    length = len(payload)
    if length < 126:
        return bytes((FIN | opcode, length)) + payload
    if length < 65536:
        return bytes((FIN | opcode, 126)) + length.to_bytes(2) + payload
    return bytes((FIN | opcode, 127)) + length.to_bytes(8) + payload


def close(code: int, reason: str = "") -> bytes:
    """A close frame; one without a code for `NO_CODE`."""
    if code == NO_CODE:
        return frame(CLOSE, b"")
    # A cut must not fall into a character.
    told = reason.encode()[:MAX_REASON].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(2) + told)


def close_code(payload: bytes) -> int:
    """The code of a client's close frame; `NO_CODE` where it has none.

    Raises:
        Violation: 1002 for a code that there is not, 1007 for a reason that is no text.
    """
    if not payload:
        return NO_CODE
    code = int.from_bytes(payload[:2])
    if len(payload) == 1 or not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in (1004, NO_CODE, CUT_OFF):
        raise Violation(PROTOCOL_ERROR, "no such close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Violation(NOT_UTF8, "the reason is not UTF-8") from None
    return code


def accept_token(key: bytes) -> bytes:
    """`Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key`.

    Raises:
        ValueError: where the key is not 16 bytes in base64.
    """
    if len(base64.b64decode(key, validate=True)) != 16:
        raise ValueError("a key has 16 bytes")
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())


def upgrade(key: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The answer by which a handshake is accepted, with more headers of the application's."""
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    lines.append(b"Sec-WebSocket-Accept: " + accept_token(key))
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"

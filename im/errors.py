"""What clients are told when something is refused: codes of errors, codes of closed connections, and `Refusal`."""

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

ErrorCode = Literal[
    "bad-frame",
    "unknown-type",
    "unauthorized",
    "forbidden",
    "not-found",
    "too-large",
    "rate-limited",
    "conflict",
    "unavailable",
]

CLOSE_BAD_FRAMES = 4400
CLOSE_UNAUTHORIZED = 4401
CLOSE_FORBIDDEN = 4403
CLOSE_NO_HELLO = 4408
CLOSE_TOO_LARGE = 4413
CLOSE_FLOODING = 4429
CLOSE_RESTART = 1012
CLOSE_REPLACED = 4410
"""Within the server only: a session's events are being read by a newer request."""


encode = msgspec.json.Encoder().encode
"""A frame as it goes over the wire."""


class Refusal(Exception):
    """The error that a client is answered with. `retry_ms`: when it may try again, in milliseconds."""

    def __init__(self, code: ErrorCode, message: str, retry_ms: int | None = None, id: str | None = None) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.retry_ms = retry_ms
        self.id = id

    def encode(self, id: str | None) -> bytes:
        """The `error` frame that answers the frame `id`."""
        return encode(Error(code=self.code, message=self.message, id=id or UNSET, retry_ms=self.retry_ms or UNSET))


class Error(Struct, tag_field="type", tag="error", kw_only=True):
    """What was asked is refused, and why."""

    id: str | UnsetType = UNSET
    code: ErrorCode
    message: str
    retry_ms: int | UnsetType = UNSET

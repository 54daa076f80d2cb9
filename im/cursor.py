"""Cursors: a position in the changes of a site, as clients keep it.

A cursor says: all that was yours up to here was written to you. It is `epoch.version.minute` and no secret:
presented by another member it brings only what is that member's own.
"""

import time
from typing import NamedTuple

LIFE_S = 25 * 3600
"""How long a cursor is good for, in seconds: a day, and an hour for clocks and slow clients."""


class Cursor(NamedTuple):
    """A position: the history of versions it belongs to, the version, and the minute (of 1970) it was given out."""

    epoch: str
    version: int
    minute: int

    def __str__(self) -> str:
        return _text(*self)

    @property
    def expired(self) -> bool:
        """True when it was given out too long ago to be resumed from."""
        return time.time() - self.minute * 60 > LIFE_S


def cursor(epoch: str, version: int) -> str:
    """The cursor of a version, given out now."""
    return _text(epoch, version, int(time.time()) // 60)


def parse(text: str) -> Cursor | None:
    """The cursor that `text` is; None where it is none."""
    try:
        epoch, version, minute = text.split(".")
        parsed = Cursor(epoch, int(version, 16), int(minute, 16))
    except ValueError:
        return None
    return parsed if 0 <= parsed.version < 2**63 and 0 <= parsed.minute < 2**40 else None


def _text(epoch: str, version: int, minute: int) -> str:
    return f"{epoch}.{version:x}.{minute:x}"

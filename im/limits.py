"""Rates: what a member or an address may do in a time, kept as token buckets.

A bucket holds the moment at which it will be full again, so that an idle one costs a number and no timer.
"""

import math
import time

SENDS_PER_SECOND = 50.0
SEND_BURST = 300
SHAPES_PER_SECOND = 10.0
SHAPE_BURST = 300
FRAMES_PER_SECOND = 500.0
FRAME_BURST = 3_000
FLOOD = 300
"""Frames that a connection may send on after it was told that it is too fast, within `FLOOD_S`."""
FLOOD_S = 10.0
BAD_FRAMES = 30
BAD_FRAMES_S = 10.0
MAX_BUCKETS = 200_000


FULL = 0.0
"""A bucket from which nothing was taken yet."""


def take(full_at: float, rate: float, burst: int) -> tuple[float, int]:
    """Takes a token from a bucket (generic cell rate algorithm, ITU-T I.371).

    Args:
        full_at: the bucket: the moment at which it is full, in seconds on the monotonic clock.
        rate: tokens a second.
        burst: tokens in a full bucket.

    Returns:
        The bucket as it is now, and 0, or the milliseconds until there is a token again.
    """
    now = time.monotonic()
    then = max(full_at, now) + 1 / rate
    wait = _wait_ms(then - now - burst / rate)
    return (full_at, wait) if wait else (then, 0)


class Buckets:
    """Buckets by address. Those that are full again are forgotten when there are too many."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, float] = {}

    def take(self, who: str) -> int:
        """Takes a token of an address: 0, or the milliseconds until there is one again."""
        if who not in self._buckets and len(self._buckets) >= MAX_BUCKETS:
            now = time.monotonic()
            self._buckets = {key: full_at for key, full_at in self._buckets.items() if full_at > now}
        self._buckets[who], wait = take(self._buckets.get(who, FULL), self._rate, self._burst)
        return wait

    def empty(self, who: str) -> int:
        """Milliseconds until an address has a token again; 0 where it has one. Takes none."""
        return _wait_ms(self._buckets.get(who, FULL) - time.monotonic() - (self._burst - 1) / self._rate)


class Window:
    """Counts what happens within a sliding time, for closing connections that go on and on."""

    __slots__ = ("count", "since")

    def __init__(self) -> None:
        self.count = 0
        self.since = 0.0

    def add(self, seconds: float) -> int:
        """Counts one more and answers how many there were since the window of `seconds` began."""
        now = time.monotonic()
        if now - self.since > seconds:
            self.since, self.count = now, 0
        self.count += 1
        return self.count


def _wait_ms(excess_s: float) -> int:
    """Whole milliseconds to wait; what floating point adds or takes is no reason to."""
    return max(0, math.ceil(excess_s * 1000 - 1e-3))

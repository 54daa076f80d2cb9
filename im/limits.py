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


class Bucket:
    """A token bucket as one number: the time at which it is full (generic cell rate algorithm, ITU-T I.371)."""

    __slots__ = ("full_at",)

    def __init__(self) -> None:
        self.full_at = 0.0

    @property
    def full(self) -> bool:
        """True where it is as good as new."""
        return self.full_at <= time.monotonic()

    def take(self, rate: float, burst: int) -> int:
        """Takes a token. Answers 0, or the milliseconds until there is one again.

        Args:
            rate: tokens a second.
            burst: tokens in a full bucket.
        """
        now = time.monotonic()
        full_at = max(self.full_at, now) + 1 / rate
        if wait := _wait_ms(full_at - now - burst / rate):
            return wait
        self.full_at = full_at
        return 0


class Buckets:
    """Buckets by address. Those that are full again are forgotten when there are too many."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, Bucket] = {}

    def take(self, who: str) -> int:
        """Takes a token of an address: 0, or the milliseconds until there is one again."""
        return self._bucket(who).take(self._rate, self._burst)

    def empty(self, who: str) -> int:
        """Milliseconds until an address has a token again; 0 where it has one. Takes none."""
        bucket = self._buckets.get(who)
        if bucket is None:
            return 0
        return _wait_ms(bucket.full_at - time.monotonic() - (self._burst - 1) / self._rate)

    def _bucket(self, who: str) -> Bucket:
        bucket = self._buckets.get(who)
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                now = time.monotonic()
                self._buckets = {key: kept for key, kept in self._buckets.items() if kept.full_at > now}
            bucket = self._buckets[who] = Bucket()
        return bucket


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

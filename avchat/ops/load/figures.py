"""What a load run counts and times, in each process by itself and then of all processes together."""

import math
from collections import Counter
from typing import Any

STEPS = 50
"""Buckets of a histogram for each factor of e: a percentile is at most two in a hundred above what it is."""


class Histogram:
    """Times, in buckets whose width grows with the time. Takes and tells seconds."""

    __slots__ = ("buckets", "count", "longest")

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()
        self.count = 0
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """Counts one more."""
        self.buckets[int(math.log(max(seconds, 1e-6) * 1e6) * STEPS)] += 1
        self.count += 1
        self.longest = max(self.longest, seconds)

    def percentile(self, part: float) -> float | None:
        """The time that `part` (of 1) took no longer than; None where nothing was timed."""
        left = math.ceil(self.count * part)
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return min(math.exp((bucket + 1) / STEPS) / 1e6, self.longest)
        return None

    def merge(self, told: dict[str, Any]) -> None:
        """Adds what another one has `told`."""
        for bucket, count in told["buckets"].items():
            self.buckets[int(bucket)] += count
            self.count += count
        self.longest = max(self.longest, told["longest"])

    def tell(self) -> dict[str, Any]:
        """All that it has, as JSON takes it."""
        return {"buckets": self.buckets, "longest": self.longest}

    def summary(self, name: str) -> dict[str, float | None]:
        """The percentiles that are asked for, in milliseconds, with names that begin with `name`."""
        parts = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
        found: dict[str, float | None] = {}
        for part, share in parts.items():
            at = self.percentile(share)
            found[f"{name}{part}_ms"] = None if at is None else round(at * 1000, 2)
        found[f"{name}max_ms"] = round(self.longest * 1000, 2) if self.count else None
        return found


class Figures:
    """All counts and times of a run. `counts` goes by name; a time is one of the histograms."""

    TIMES = ("delivery", "answer", "coming", "back", "presence")

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.times = {name: Histogram() for name in self.TIMES}

    def merge(self, told: dict[str, Any]) -> None:
        """Adds those of another process."""
        self.counts.update(told["counts"])
        for name, times in told["times"].items():
            self.times[name].merge(times)

    def tell(self) -> dict[str, Any]:
        """All of them, as JSON takes them."""
        return {"counts": self.counts, "times": {name: times.tell() for name, times in self.times.items()}}

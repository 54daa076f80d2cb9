"""Rates: what a bucket lets through, and when it does again."""

import pytest

from im import limits
from im.limits import FULL, Buckets, Window


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(limits.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Bucket:
    """A bucket, kept as its owner keeps it."""

    full_at = FULL

    def take(self, rate: float, burst: int) -> int:
        self.full_at, wait = limits.take(self.full_at, rate, burst)
        return wait


def test_a_bucket_lets_a_burst_through_and_then_its_rate(clock: Clock) -> None:
    bucket = Bucket()
    assert [bucket.take(50, 300) for _ in range(300)] == [0] * 300
    assert bucket.take(50, 300) == 20
    clock.now += 0.0201
    assert bucket.take(50, 300) == 0
    assert bucket.take(50, 300) > 0
    clock.now += 6
    assert [bucket.take(50, 300) for _ in range(300)] == [0] * 300


def test_waiting_as_long_as_told_is_enough(clock: Clock) -> None:
    bucket = Bucket()
    while not (wait := bucket.take(50, 300)):
        pass
    clock.now += wait / 1000
    assert bucket.take(50, 300) == 0


def test_addresses_have_buckets_of_their_own_and_asking_takes_nothing(clock: Clock) -> None:
    buckets = Buckets(5, 10)
    for _ in range(10):
        assert buckets.empty("a") == 0
        assert buckets.take("a") == 0
    assert buckets.empty("a") > 0
    assert buckets.empty("b") == 0
    clock.now += 0.3
    assert buckets.empty("a") == 0


def test_full_buckets_are_forgotten_when_there_are_too_many(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BUCKETS", 3)
    buckets = Buckets(1, 2)
    for who in "abc":
        buckets.take(who)
    clock.now += 10
    buckets.take("c")
    buckets.take("d")
    assert sorted(buckets._buckets) == ["c", "d"]


def test_a_window_counts_anew_when_it_is_over(clock: Clock) -> None:
    window = Window()
    assert [window.add(10) for _ in range(3)] == [1, 2, 3]
    clock.now += 10.1
    assert window.add(10) == 1

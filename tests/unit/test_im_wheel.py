"""The timer wheel: timers by name, moved, cancelled, and never lost."""

import asyncio

import pytest

from im import wheel
from im.wheel import Wheel


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "TICK_S", 0.01)


async def test_timers_fire_in_the_order_of_their_times() -> None:
    timers, fired = Wheel(), asyncio.Queue[str]()
    for name, seconds in (("c", 0.09), ("a", 0.0), ("b", 0.05)):
        timers.set(name, seconds, lambda name=name: fired.put_nowait(name))
    assert [await fired.get() for _ in range(3)] == ["a", "b", "c"]


async def test_a_timer_that_is_set_again_is_moved_and_fires_once() -> None:
    timers, fired = Wheel(), asyncio.Queue[str]()
    timers.set("page", 0.02, lambda: fired.put_nowait("early"))
    timers.set("page", 0.06, lambda: fired.put_nowait("late"))
    timers.set("end", 0.1, lambda: fired.put_nowait("end"))
    assert [await fired.get() for _ in range(2)] == ["late", "end"]


async def test_a_cancelled_timer_does_not_fire() -> None:
    timers, fired = Wheel(), asyncio.Queue[str]()
    timers.set("page", 0.02, lambda: fired.put_nowait("page"))
    timers.set("end", 0.05, lambda: fired.put_nowait("end"))
    assert timers.cancel("page")
    assert not timers.cancel("page")
    assert await fired.get() == "end"


async def test_a_timer_may_set_and_cancel_others() -> None:
    timers, fired = Wheel(), asyncio.Queue[str]()

    def first() -> None:
        timers.cancel("second")
        timers.set("third", 0, lambda: fired.put_nowait("third"))

    timers.set("first", 0.02, first)
    timers.set("second", 0.02, lambda: fired.put_nowait("second"))
    assert await fired.get() == "third"


async def test_a_timer_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    timers, fired = Wheel(), asyncio.Queue[str]()
    timers.set("bad", 0.02, lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    timers.set("good", 0.02, lambda: fired.put_nowait("good"))
    assert await fired.get() == "good"
    assert "A timer failed" in caplog.text


async def test_a_wheel_that_was_held_up_for_long_fires_all_that_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    timers, fired = Wheel(), asyncio.Queue[int]()
    for n in range(3):
        timers.set(n, 0.02 * n, lambda n=n: fired.put_nowait(n))
    monkeypatch.setattr(timers, "_now", lambda: 10**9)
    assert [await fired.get() for _ in range(3)] == [0, 1, 2]


async def test_a_wheel_without_timers_does_not_tick() -> None:
    timers, fired = Wheel(), asyncio.Queue[str]()
    timers.set("only", 0, lambda: fired.put_nowait("only"))
    await fired.get()
    assert not timers._ticking

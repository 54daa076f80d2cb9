"""The clock: without a broker, tasks are done in this process, but not where they are asked for."""

import threading
from collections.abc import Iterator

import pytest
from celery.exceptions import Reject
from django.db import OperationalError as DatabaseError
from kombu.exceptions import OperationalError
from pytest_django import Settings

from avchat.celery import app
from avchat.work import clock, tasks

PATIENCE_S = 15.0


@pytest.fixture
def running(settings: Settings) -> Iterator[None]:
    """A clock whose schedule is empty but for what a test puts there."""
    settings.CELERY_BEAT_SCHEDULE = {"none": {"task": "none", "schedule": 3600.0}}
    yield
    clock.stop()
    # What this process does later is no part of what has ended.
    clock._ending.clear()


def test_a_delayed_task_runs_in_the_clocks_thread_and_not_in_the_callers(running: None) -> None:
    done = threading.Event()
    where: list[str] = []

    @app.task(name="tests.note")
    def note(what: str) -> None:
        where.append(f"{what} in {threading.current_thread().name}")
        done.set()

    note.delay("ran")
    assert where == []
    clock.start()
    assert done.wait(PATIENCE_S)
    assert where == ["ran in clock"]


def test_a_task_that_fails_keeps_no_other_from_running(running: None, caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()

    @app.task(name="tests.fail")
    def fail() -> None:
        raise ValueError("no")

    @app.task(name="tests.work")
    def work() -> None:
        done.set()

    clock.start()
    fail.delay()
    work.delay()
    assert done.wait(PATIENCE_S)
    assert "A task failed" in caplog.text


@pytest.mark.parametrize(("code", "traceback"), [(2013, False), (1054, True)])
def test_a_database_that_does_not_answer_is_a_line_in_the_log_and_what_is_wrong_with_a_task_a_traceback(
    code: int, traceback: bool, running: None, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    @app.task(name=f"tests.database{code}")
    def ask() -> None:
        raise DatabaseError(code, "Lost connection to server during query")

    @app.task(name=f"tests.after{code}")
    def after() -> None:
        done.set()

    ask.delay()
    after.delay()
    clock.start()
    assert done.wait(PATIENCE_S)
    (record,) = [record for record in caplog.records if record.name == "avchat.work.clock"]
    assert "Lost connection" in caplog.text
    assert (record.exc_info is not None) == traceback


def test_the_schedule_is_gone_through_again_and_again_even_while_a_task_asks_for_itself(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, running: None
) -> None:
    turns = threading.Semaphore(0)

    @app.task(name="tests.tick")
    def tick() -> None:
        turns.release()

    @app.task(name="tests.greedy")
    def greedy() -> None:
        clock.breathe(0)
        greedy.delay()

    settings.CELERY_BEAT_SCHEDULE = {"tick": {"task": "tests.tick", "schedule": 0.05}}
    monkeypatch.setattr(clock, "FIRST_S", 0.0)
    greedy.delay()
    clock.start()
    for _ in range(3):
        assert turns.acquire(timeout=PATIENCE_S)


def test_work_under_way_is_cut_off_at_its_next_breath_when_the_process_ends(running: None) -> None:
    working, ended = threading.Event(), threading.Event()

    @app.task(name="tests.bulk")
    def bulk() -> None:
        working.set()
        try:
            while True:
                clock.breathe(0)
        finally:
            ended.set()

    clock.start()
    bulk.delay()
    assert working.wait(PATIENCE_S)
    clock.stop()
    assert ended.is_set()


def test_with_a_broker_the_serving_process_has_no_clock(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    clock.start()
    assert "clock" not in {thread.name for thread in threading.enumerate()}


def test_a_broker_that_is_away_is_no_error_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Away:
        name = "away"

        def delay(self) -> None:
            raise OperationalError("nobody there")

    tasks.soon(Away())
    assert "waits for the schedule" in caplog.text


def test_every_entry_of_the_schedule_is_a_task(settings: Settings) -> None:
    app.autodiscover_tasks(force=True)
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= app.tasks.keys()


def test_work_that_takes_longer_than_its_limit_stops_at_its_next_breath() -> None:
    breaths: list[int] = []

    @app.task(name="tests.endless", soft_time_limit=0.2)
    def endless() -> None:
        while len(breaths) < 1000:
            breaths.append(1)
            clock.breathe(0)

    with pytest.raises(clock.Overdue):
        endless()
    # What comes after it has a limit of its own.
    clock.breathe(0)


def test_a_task_that_is_cut_off_in_a_worker_goes_back_to_the_broker(running: None) -> None:
    @app.task(name="tests.cut")
    def cut() -> None:
        clock.breathe(0)

    clock.end()
    with pytest.raises(clock.Ending):
        cut()
    cut.push_request(called_directly=False)
    try:
        with pytest.raises(Reject) as rejected:
            cut()
    finally:
        cut.pop_request()
    assert rejected.value.requeue

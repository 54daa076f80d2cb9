"""The clock: does the work in the process that serves, where there is no broker.

One thread, which goes by the same schedule and runs the same tasks as Celery's beat and workers would, one after the
other. Bulk work takes a breath between its batches (`breathe`), so that the event loop gets its turns and SQLite's
one writer is free in between. What was submitted and not done when the process ends is found again by the schedule.

Whoever runs tasks, this clock or a worker, ends them and bounds their time at a breath (`end`, `within`): a thread
cannot be stopped anywhere else.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Any

from django.conf import settings
from django.db import OperationalError, close_old_connections, connections

logger = logging.getLogger(__name__)

FIRST_S = 5.0
"""How soon after the start all of the schedule is gone through, in seconds."""
BREATH_S = 0.02
"""The shortest breath, in seconds."""
GONE = {2002, 2003, 2006, 2013}
"""What the client of MariaDB says where there is no server, or no answer of it."""
STOP_S = 3.0
"""How long a stop waits for the batch under way, in seconds."""

_calls: "SimpleQueue[Callable[[], Any] | None]" = SimpleQueue()
_ending = threading.Event()
_deadline = ContextVar("deadline", default=math.inf)
_thread: threading.Thread | None = None


class Ending(BaseException):
    """The process ends; work that is cut off here is taken up again later."""


class Overdue(Exception):
    """The work has taken longer than it may."""


def start() -> None:
    """Starts the clock, unless a broker's workers do the work."""
    global _thread
    if settings.CELERY_BROKER_URL or _thread is not None:
        return
    _ending.clear()
    _thread = threading.Thread(target=_work, name="clock", daemon=True)
    _thread.start()


def stop() -> None:
    """Ends the clock after the batch under way."""
    global _thread
    if _thread is not None:
        end()
        _calls.put(None)
        _thread.join(STOP_S)
        _thread = None


def end() -> None:
    """Has all work of this process stop at its next breath."""
    _ending.set()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done inside may take so many seconds, and stops at its first breath after that."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def submit(task: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Has a task run by this process's clock. One whose clock never starts (a command's) leaves it to the schedule."""
    _calls.put(lambda: task(*args, **kwargs))


def breathe(worked_s: float) -> None:
    """Waits between two batches, for about as long as the last one took (in seconds), and at least a little.

    Raises:
        Ending: the process is about to end.
        Overdue: the time is over that the work may take.
    """
    if _ending.wait(max(worked_s, BREATH_S)):
        raise Ending
    if time.monotonic() > _deadline.get():
        raise Overdue


def _work() -> None:
    from avchat.celery import app

    app.autodiscover_tasks(force=True)
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    due = {name: time.monotonic() + FIRST_S for name in schedule}
    while not _ending.is_set():
        now = time.monotonic()
        for name in [each for each, at in due.items() if at <= now]:
            due[name] = now + schedule[name]["schedule"]
            submit(app.tasks[schedule[name]["task"]])
        try:
            call = _calls.get(timeout=min(due.values()) - now)
        except Empty:
            continue
        if call is not None:
            _run(call)
    connections.close_all()


def _run(call: Callable[[], Any]) -> None:
    close_old_connections()
    try:
        call()
    except Ending:
        pass
    except Exception as error:
        if isinstance(error, OperationalError) and GONE.intersection(error.args[:1]):
            # What it did not do is found again by the schedule.
            logger.warning("A task is left for its next turn, because the database does not answer: %s", error)
        else:
            logger.exception("A task failed")
    finally:
        close_old_connections()

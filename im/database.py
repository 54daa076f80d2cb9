"""The messenger's way to the database from the event loop: a few threads of its own that only read.

Writes go through the journal. A thread that stays keeps its connections, and lets go of one that the server has
closed; the event loop itself never touches the database.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Generic, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections

READERS = 4
MANY = 200
"""Questions in one batch, at the most: so many that the next ones need not wait for long."""
BATCHES = 2
"""Batches of one kind that are answered at the same time: what is slow to answer does not hold up all others."""
APART_S = 0.02
"""What lies between the beginnings of two batches of one kind, in seconds."""

P = ParamSpec("P")
Q = TypeVar("Q")
R = TypeVar("R")

_readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="reader")


def now_ms() -> int:
    """The time, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def refresh() -> None:
    """Has a thread that stays go on with its connections as far as they are good; others are opened anew when needed.

    Django's own `close_old_connections`, which goes before and after each page, would end them with every piece of
    work.
    """
    for kept in connections.all(initialized_only=True):
        kept.close_at = None
        kept.close_if_unusable_or_obsolete()


def attempt(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs a function that reads the database in this thread, which stays.

    It may run twice: once more where the database fails it, which a restart or a closed connection does.
    """
    refresh()
    try:
        return function(*args, **kwargs)
    except (OperationalError, InterfaceError):
        refresh()
        return function(*args, **kwargs)


async def read(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs a function that reads the database in one of the reader threads, as `attempt` does."""
    return await asyncio.get_running_loop().run_in_executor(_readers, lambda: attempt(function, *args, **kwargs))


class Batch(Generic[Q, R]):
    """Questions that are answered together.

    Whoever comes alone is answered at once. Those who come soon after, or while others are answered, make the next
    batch: in a crowd there are many in each, so that none costs much.

    Args:
        answer: gives for each question, in order, what it is answered with, or what is raised.
        apart: what lies between the beginnings of two batches, in seconds.
    """

    def __init__(self, answer: Callable[[list[Q]], Awaitable[list[R | Exception]]], apart: float = APART_S) -> None:
        self._answer = answer
        self._apart = apart
        self._waiting: list[tuple[Q, asyncio.Future[R]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering = False
        self._next = 0.0

    async def ask(self, question: Q) -> R:
        """The answer to one question. One that is cancelled, or fails, leaves the others of its batch theirs."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((question, future))
        if not self._gathering and len(self._tasks) < BATCHES:
            self._gathering = True
            task = loop.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            try:
                await asyncio.sleep(self._next - loop.time())
            finally:
                self._gathering = False
            some, self._waiting = self._waiting[:MANY], self._waiting[MANY:]
            self._next = loop.time() + self._apart
            answers = await self._answers([question for question, _ in some])
            for (_, future), answer in zip(some, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
            if self._gathering:
                # Another one has begun to, of all who wait.
                return
            self._gathering = bool(self._waiting)

    async def _answers(self, questions: list[Q]) -> list[R | Exception]:
        try:
            return await self._answer(questions)
        except (OperationalError, InterfaceError) as error:
            return [error] * len(questions)
        except Exception as error:
            if len(questions) == 1:
                return [error]
            # The fault may be one question's own.
            return [answer for question in questions for answer in await self._answers([question])]


@contextmanager
def snapshot() -> Iterator[None]:
    """All reads inside see the database as it is at the first of them. They end with it, whatever goes wrong."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        else:
            # Django's own atomic() would begin a write transaction here, and wait for the journal's.
            cursor.execute("BEGIN DEFERRED")
        try:
            yield
        except BaseException:
            # Where the connection is lost, so is the transaction.
            with suppress(DatabaseError, InterfaceError):
                cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")

"""The messenger's way to the database from the event loop: a few threads of its own that only read.

Writes go through the journal. A thread that stays keeps its connections, and lets go of one that the server has
closed; the event loop itself never touches the database.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections

READERS = 4

P = ParamSpec("P")
R = TypeVar("R")

_readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="reader")


def now_ms() -> int:
    """The time, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def refresh() -> None:
    """Has a thread that stays go on with its connections as far as they are good; others are opened anew when needed.

    Django's own `close_old_connections` would end them with every piece of work, as is right for the threads of
    views, which end with their request: a connection that outlives its thread is a leak.
    """
    for kept in connections.all(initialized_only=True):
        kept.close_at = None
        kept.close_if_unusable_or_obsolete()


async def read(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs a function that reads the database in one of the reader threads.

    It may run twice: once more where the database fails it, which a restart or a closed connection does.
    """

    def task() -> R:
        refresh()
        try:
            return function(*args, **kwargs)
        except (OperationalError, InterfaceError):
            refresh()
            return function(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(_readers, task)


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

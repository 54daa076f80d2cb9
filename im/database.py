"""The messenger's way to the database from the event loop: a few threads of its own that only read.

Writes go through the journal. A reader keeps its connection and lets go of one that has gone stale; the
event loop itself never touches the database.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connection

READERS = 4

P = ParamSpec("P")
R = TypeVar("R")

_readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="reader")


def now_ms() -> int:
    """The time, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


async def read(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs a function that reads the database in one of the reader threads."""

    def task() -> R:
        close_old_connections()
        return function(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(_readers, task)


@contextmanager
def snapshot() -> Iterator[None]:
    """All reads inside see the database as it is at the first of them."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        else:
            # Django's own atomic() would begin a write transaction here, and wait for the journal's.
            cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("COMMIT")

"""The end of tasks, which is waited for."""

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_S = 0.1


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels tasks, again and again until they have ended.

    Once is not enough: until Python 3.12 `asyncio.wait_for`, through which the Redis client sends each command, loses
    a cancellation that comes at the moment in which its own work is done. Such a task would go on with a connection
    that nobody closes any more.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)

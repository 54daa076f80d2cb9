"""Waiting for what is to become true: by looking again, never by luck."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 20.0
LOOK_S = 0.02


async def eventually(condition: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
    """Waits until `condition()` (which may be asynchronous) is true, and answers what it is.

    Raises:
        AssertionError: it was not, in `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"Not true after {patience} seconds: {inspect.getsource(condition).strip()}"
        await asyncio.sleep(LOOK_S)


def until(condition: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
    """As `eventually`, where there is no event loop, or none that is to go on meanwhile."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"Not true after {patience} seconds: {inspect.getsource(condition).strip()}"
        time.sleep(LOOK_S)
    return found

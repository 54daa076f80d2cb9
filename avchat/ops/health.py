"""Health of a node: alive, and ready to be given work.

What probes ask is answered by whatever name or address they ask, and whatever pages and readers are busy with: by the
event loop, and a thread with a connection of its own.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection
from django.urls import path

from im import database, node

ANSWER_S = 5.0
"""How long the database may take to say that it is there, in seconds."""

Send = Callable[[dict[str, Any]], Awaitable[None]]

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="health")


async def healthz(scope: dict[str, Any], receive: Any, send: Send) -> None:
    """200 as long as the process answers at all."""
    await _answer(send, 200, status="ok")


async def readyz(scope: dict[str, Any], receive: Any, send: Send) -> None:
    """200 where this node is of use; 503 while the database does not answer, without which nobody can be let in.

    A Redis server that does not answer is named, and no reason to send members elsewhere: it is gone for other nodes,
    too, and this one goes on by the database.
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            await _probes.ask(None)
    except Exception as error:
        await _answer(send, 503, status="unavailable", database=type(error).__name__)
        return
    here = node.running()
    if here is not None and not all(link.up for link in here.links):
        await _answer(send, 200, status="degraded", redis="unreachable")
    else:
        await _answer(send, 200, status="ok")


urls = [path("healthz", healthz), path("readyz", readyz)]  # type: ignore[arg-type]


async def _ask(probes: list[None]) -> list[Exception | None]:
    await asyncio.get_running_loop().run_in_executor(_thread, database.attempt, _select)
    return [None for _ in probes]


# However many ask while the database is silent, the thread asks it once for all.
_probes = database.Batch(_ask)


def _select() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


async def _answer(send: Send, code: int, **fields: str) -> None:
    body = json.dumps(fields).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})

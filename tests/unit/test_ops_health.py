"""/healthz and /readyz, as probes ask them: by a node's address."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from channels.testing import HttpCommunicator
from django.db import OperationalError, connections
from django.test import override_settings

from avchat.asgi import application
from avchat.ops import health
from im import node


@pytest.fixture
async def _database(transactional_db: None) -> AsyncIterator[None]:
    yield
    await asyncio.get_running_loop().run_in_executor(health._thread, connections.close_all)


async def get(path: str) -> tuple[int, Any]:
    """What a probe is told."""
    headers = [(b"host", b"10.1.2.3:8000")]
    asking = HttpCommunicator(application, "GET", path, headers=headers)
    answer = await asking.get_response(timeout=30)
    await asking.wait()
    return answer["status"], answer["body"]


async def ready() -> tuple[int, Any]:
    status, body = await get("/readyz")
    return status, json.loads(body)


@pytest.mark.usefixtures("_database")
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@override_settings(ALLOWED_HOSTS=["chat.example"])
async def test_a_probe_may_ask_by_any_name(path: str) -> None:
    assert (await get(path))[0] == 200
    assert (await get("/dashboard/"))[0] == 400


@pytest.mark.usefixtures("_database")
async def test_a_node_without_redis_is_ready_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    links = [SimpleNamespace(up=True), SimpleNamespace(up=False)]
    monkeypatch.setattr(node, "_current", SimpleNamespace(links=links))
    assert await ready() == (200, {"status": "degraded", "redis": "unreachable"})
    links[1].up = True
    assert await ready() == (200, {"status": "ok"})


async def test_a_node_without_the_database_is_not_ready_and_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(health, "connection", SimpleNamespace(cursor=gone))
    assert await ready() == (503, {"status": "unavailable", "database": "OperationalError"})
    assert (await get("/healthz"))[0] == 200


async def test_a_database_that_is_silent_is_not_waited_for_for_long_and_asked_once_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[None] = []
    awake = threading.Event()

    def silent() -> None:
        asked.append(None)
        awake.wait(60)

    monkeypatch.setattr(health, "_select", silent)
    monkeypatch.setattr(health, "ANSWER_S", 0.1)
    try:
        for _ in range(10):
            assert await ready() == (503, {"status": "unavailable", "database": "TimeoutError"})
        assert len(asked) == 1
    finally:
        awake.set()
    monkeypatch.undo()
    monkeypatch.setattr(health, "_select", lambda: None)
    assert await ready() == (200, {"status": "ok"})
    # Those who gave up are not asked for: at most one more batch was.
    assert len(asked) <= 2

"""/healthz and /readyz, as probes ask them: by a node's address."""

from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection
from django.test import Client, override_settings

from im import node


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@override_settings(ALLOWED_HOSTS=["chat.example"])
def test_a_probe_may_ask_by_any_name(path: str) -> None:
    assert Client().get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert Client().get("/dashboard/", headers={"Host": "10.1.2.3:8000"}).status_code == 400


@pytest.mark.django_db
def test_a_node_without_redis_is_ready_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    links = [SimpleNamespace(up=True), SimpleNamespace(up=False)]
    monkeypatch.setattr(node, "_current", SimpleNamespace(links=links))
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "degraded", "redis": "unreachable"})
    links[1].up = True
    assert Client().get("/readyz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_a_node_without_the_database_is_not_ready_and_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(connection, "cursor", gone)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable", "database": "OperationalError"})
    assert Client().get("/healthz").status_code == 200

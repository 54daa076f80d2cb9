"""/healthz and /readyz, as probes ask them: by a node's address."""

import pytest
from django.test import Client, override_settings


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@override_settings(ALLOWED_HOSTS=["chat.example"])
def test_a_probe_may_ask_by_any_name(path: str) -> None:
    assert Client().get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert Client().get("/dashboard/", headers={"Host": "10.1.2.3:8000"}).status_code == 400

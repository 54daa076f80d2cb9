"""Fixtures for units: each test begins with an empty memory."""

import pytest
from django.core.cache import cache

from avchat.tenants import directory


@pytest.fixture(autouse=True)
def _empty_memory() -> None:
    directory.forget()
    cache.clear()

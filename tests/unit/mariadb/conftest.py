"""Fixtures for what MariaDB alone does. Its tests are collected where the units run on it."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection, connections

from tests.support.mariadb import MariaDB, shared
from tests.support.wire import Wire

collect_ignore_glob = [] if settings.ON_MARIADB else ["test_*"]


@pytest.fixture(scope="session")
def mariadb() -> MariaDB:
    """The server that the tests of this process run on."""
    return shared()


@pytest.fixture
def wire(transactional_db: None, mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """The way of connections that are opened from now on, as an account without an administrator's rights."""
    name = connection.settings_dict["NAME"]
    mariadb.query("CREATE OR REPLACE USER app@'127.0.0.1' IDENTIFIED BY 'app'")
    mariadb.query(f"GRANT ALL ON {name}.* TO app@'127.0.0.1'")
    wire = Wire(mariadb.port)
    for key, value in {"PORT": wire.port, "USER": "app", "PASSWORD": "app"}.items():
        monkeypatch.setitem(connections.settings["default"], key, value)
    yield wire
    wire.close()
    connection.close()

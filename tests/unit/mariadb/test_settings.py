"""What a session on MariaDB is like, and what is said of a server that would lose messages."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, connection

from avchat.tenants.models import Site
from tests.support.mariadb import MariaDB
from tests.support.server import Server

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@contextmanager
def server_with(mariadb: MariaDB, name: str, value: str) -> Iterator[None]:
    """The server has another setting for a while."""
    ((_, before),) = mariadb.query(f"SHOW GLOBAL VARIABLES LIKE '{name}'")
    mariadb.query(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        mariadb.query(f"SET GLOBAL {name} = {before}")


def test_a_session_is_strict_sees_what_is_committed_and_does_not_stand_still() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@sql_mode, @@tx_isolation, @@idle_transaction_timeout, @@character_set_client")
        mode, isolation, idle, charset = cursor.fetchone()
    assert "STRICT_TRANS_TABLES" in mode
    assert (isolation, idle, charset) == ("READ-COMMITTED", 2, "utf8mb4")
    with pytest.raises(DataError):
        Site.objects.create(name="x" * 81)


def test_a_durable_server_passes(mariadb: MariaDB) -> None:
    call_command("check", databases=["default"], fail_level="WARNING")


def test_a_server_that_a_power_cut_robs_of_messages_is_refused(mariadb: MariaDB) -> None:
    with (
        server_with(mariadb, "innodb_flush_log_at_trx_commit", "2"),
        pytest.raises(CommandError, match="innodb_flush_log_at_trx_commit=1"),
    ):
        call_command("check", databases=["default"])


@pytest.mark.django_db(transaction=True)
def test_views_and_readers_leave_no_connection_behind(mariadb: MariaDB, server: Server) -> None:
    name = server.environment["AVCHAT_DATABASE_URL"].rpartition("/")[2]
    before = mariadb.connections(name)
    for _ in range(40):
        with urllib.request.urlopen(f"{server.base}/readyz") as answer:
            assert answer.status == 200
    fresh = set(mariadb.connections(name)) - set(before)
    assert len(fresh) <= 1, "at most the one that is about to be closed"

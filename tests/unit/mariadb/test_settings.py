"""What a session on MariaDB is like, and what is said of a server that would lose messages."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, connection

from avchat.tenants.models import Site
from tests.support.mariadb import MariaDB
from tests.support.server import Server, free_port

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


def test_serve_refuses_to_start_on_a_server_that_a_power_cut_robs_of_messages(mariadb: MariaDB, server: Server) -> None:
    with server_with(mariadb, "innodb_flush_log_at_trx_commit", "2"):
        serve = server.start_command("serve", "--bind", f"127.0.0.1:{free_port()}", output=subprocess.PIPE)
        try:
            said, _ = serve.communicate(timeout=60)
        finally:
            serve.kill()
    assert serve.returncode == 1
    assert b"avchat.E002" in said

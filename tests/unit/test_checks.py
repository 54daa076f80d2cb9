"""What is said of a database that does not keep what was acknowledged, and what the embedded one keeps."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from avchat import checks
from tests.support.server import BASE, inherited

DURABLE = {
    "version": "10.11.6-MariaDB",
    "innodb_flush_log_at_trx_commit": "1",
    "log_bin": "ON",
    "sync_binlog": "1",
    "idle_transaction_timeout": "2",
    "character_set_database": "utf8mb4",
    "collation_database": "utf8mb4_unicode_520_ci",
}


def found(monkeypatch: pytest.MonkeyPatch, server: dict[str, str]) -> list[str | None]:
    """What the checks find on a server with these settings."""
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="mysql")})
    monkeypatch.setattr(checks, "_settings_of", lambda alias: server)
    return [message.id for message in checks.check_databases(databases=["default"])]


def test_nothing_is_said_of_a_server_that_keeps_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, DURABLE) == []


def test_a_server_without_a_binary_log_need_not_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, {**DURABLE, "log_bin": "OFF", "sync_binlog": "0"}) == []


def test_mysql_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # It has no such thing as idle_transaction_timeout.
    assert found(monkeypatch, {"version": "8.0.36", "innodb_flush_log_at_trx_commit": "1"}) == ["avchat.E001"]


@pytest.mark.parametrize(
    ("setting", "value", "id"),
    [
        ("innodb_flush_log_at_trx_commit", "2", "avchat.E002"),
        ("sync_binlog", "0", "avchat.E003"),
        ("character_set_database", "utf8mb3", "avchat.E004"),
        ("idle_transaction_timeout", "0", "avchat.W001"),
        ("idle_transaction_timeout", "3", "avchat.W001"),
        ("collation_database", "utf8mb4_bin", "avchat.W002"),
    ],
)
def test_each_setting_that_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, id: str
) -> None:
    assert found(monkeypatch, {**DURABLE, setting: value}) == [id]


def test_a_commit_on_sqlite_is_on_the_disk_before_it_returns(tmp_path: Path) -> None:
    ask = (
        "import django; django.setup(); from django.db import connection as c;"
        "print(*(c.cursor().execute(f'PRAGMA {name}').fetchone()[0] for name in ('synchronous', 'journal_mode')))"
    )
    ours = {"AVCHAT_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "avchat.settings"}
    process = subprocess.run(
        [sys.executable, "-c", ask], cwd=BASE, env=inherited() | ours, capture_output=True, text=True, check=True
    )
    full = "2"
    assert process.stdout.split() == [full, "wal"]

"""System checks of the database: what a message that was answered `ok` stands on.

`manage.py migrate` and `manage.py serve` refuse to go on where one of them is an error.
"""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

IDLE_S = 2
"""How long a transaction may stand still before the server ends it, in seconds at the most."""

ASKED = (
    "version",
    "innodb_flush_log_at_trx_commit",
    "log_bin",
    "sync_binlog",
    "idle_transaction_timeout",
    "character_set_database",
    "collation_database",
)


@register(Tags.database)
def check_databases(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Whether the databases that the messenger writes to keep what they have acknowledged."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        if connections[alias].vendor == "mysql" and alias == "default":
            found += _check(_settings_of(alias))
    return found


def _settings_of(alias: str) -> dict[str, str]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SHOW VARIABLES WHERE variable_name IN %s", [ASKED])
        return dict(cursor.fetchall())


def _check(server: dict[str, str]) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if "MariaDB" not in server["version"]:
        return [Error("The database is MySQL.", hint="Use MariaDB 10.11 or newer.", id="avchat.E001")]
    if server["innodb_flush_log_at_trx_commit"] != "1":
        found.append(
            Error(
                "A power cut loses messages that were acknowledged.",
                hint="Set innodb_flush_log_at_trx_commit=1 on the database server.",
                id="avchat.E002",
            )
        )
    if server["log_bin"] == "ON" and server["sync_binlog"] != "1":
        found.append(
            Error(
                "A power cut loses messages that were acknowledged: the server goes by its binary log.",
                hint="Set sync_binlog=1 on the database server.",
                id="avchat.E003",
            )
        )
    if server["character_set_database"] != "utf8mb4":
        found.append(
            Error(
                "The database cannot keep every character.",
                hint="ALTER DATABASE … CHARACTER SET utf8mb4 before the first migration.",
                id="avchat.E004",
            )
        )
    if not 0 < int(server["idle_transaction_timeout"]) <= IDLE_S:
        found.append(
            Warning(
                "A node that stands still keeps its locks, and other nodes wait for them.",
                hint=f"An init_command in AVCHAT_DATABASE_URL has to set idle_transaction_timeout={IDLE_S} too.",
                id="avchat.W001",
            )
        )
    if not server["collation_database"].endswith("_ci"):
        found.append(
            Warning(
                "Names and addresses are told apart by their case.",
                hint="ALTER DATABASE … COLLATE utf8mb4_unicode_520_ci before the first migration.",
                id="avchat.W002",
            )
        )
    return found

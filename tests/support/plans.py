"""How the database answers what a piece of code asks: by look-ups in an index, or by reading a table through."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

BIG = {"im_message", "im_participant", "im_member", "im_memberword", "im_conversation", "work_subscriber"}
NAMED = re.compile(r"""[`"]?((?:im|work)_\w+)[`"]?\s+(?:AS\s+)?[`"]?(\w+)""", re.IGNORECASE)
SCAN = re.compile(r"SCAN (\w+)")


class Plans:
    """What was asked: the statements, those that read a big table through, and how many rows were read in all."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.scans: list[str] = []
        self.rows = 0

    def note(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Django's hook around each statement."""
        if re.match(r"\s*(SELECT|WITH|UPDATE|DELETE)\b", sql) and not many:
            self.statements.append(sql)
            tables = {alias: table for table, alias in NAMED.findall(sql)} | {table: table for table in BIG}
            cursor = context["cursor"]
            mysql = connection.vendor == "mysql"
            cursor.execute(f"EXPLAIN {'' if mysql else 'QUERY PLAN '}{sql}", params)
            for row in cursor.fetchall():
                if mysql:
                    read = row[2] if row[3] in ("ALL", "index") else None
                else:
                    found = SCAN.match(row[3])
                    read = found and found[1]
                if read and tables.get(read) in BIG:
                    self.scans.append(f"{row}\n{sql % tuple(params or ())}")
        return execute(sql, params, many, context)


@contextmanager
def explained() -> Iterator[Plans]:
    """Takes down how everything that is asked inside is answered."""
    plans = Plans()
    before = _rows_read()
    with connection.execute_wrapper(plans.note):
        yield plans
    plans.rows = _rows_read() - before


def _rows_read() -> int:
    """Rows that the server has read for this connection; SQLite does not count them."""
    if connection.vendor != "mysql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(count) for _, count in cursor.fetchall())

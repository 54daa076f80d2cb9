"""Text that the service itself compares: ids, keys, emoji, folded names.

Promises that such text is equal only to itself, on every database: no case, accent, emoji or trailing blank is
taken for another, and its order is that of code points. (MariaDB's usual collations take 'ann' for 'Ann' and one
emoji for another, and `utf8mb4_bin` takes 'ann' for 'ann '; SQLite compares exactly by itself.) What only people
read, and what they expect to find whatever the case, keeps the database's own collation.
"""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

EXACT = "utf8mb4_nopad_bin"


class ExactCharField(models.CharField):  # type: ignore[type-arg]
    """A `CharField` that compares exactly."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """As Django's, with the collation that the database needs for it."""
        parameters: dict[str, Any] = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = EXACT
        return parameters

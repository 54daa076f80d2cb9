"""The journal's statements, each for all of a batch.

A statement for each row would take longer for its way than for its work, and quoting a value takes the driver longer
than all else that is done for it: numbers, which need no quoting, stand in the text, and only text is left to it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import connection


class RoomRow(NamedTuple):
    """A conversation as stored."""

    id: int
    site_id: int
    key: str
    pair: str | None
    name: str
    seq: int
    shape: int
    version: int
    latest: int


class NewMessage(NamedTuple):
    """A message to be stored."""

    conversation_id: int
    seq: int
    site_id: int
    sender_id: int | None
    key: str | None
    body: str
    time: int
    reply_to: int | None
    system: str | None
    version: int


# A list to look up, not two conditions: of those, MariaDB would read all that meet the first.
SENT = """WITH wanted (sender, word) AS (VALUES {})
 SELECT m.sender_id, m.{key}, c.{key}, m.seq, m.time
 FROM im_message m JOIN im_conversation c ON c.id = m.conversation_id
 WHERE (m.sender_id, m.{key}) IN (SELECT sender, word FROM wanted)"""
ROOM = ("seq", "version", "latest", "shape")


def lock_rooms(ids: Iterable[int]) -> list[RoomRow]:
    """Locks these conversations in the order of their ids; answers those that there are."""
    columns = ", ".join(map(connection.ops.quote_name, RoomRow._fields))
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    with connection.cursor() as sql:
        sql.execute(f"SELECT {columns} FROM im_conversation WHERE id IN ({_numbers(ids)}) ORDER BY id{lock}")
        return list(map(RoomRow._make, sql.fetchall()))


def find_sent(keys: Sequence[tuple[int, str]]) -> list[tuple[int, str, str, int, int]]:
    """The messages with these (sender, key): (sender, key, conversation, seq, time)."""
    rows = ", ".join([f"({sender:d}, %s)" for sender, _ in keys])
    with connection.cursor() as sql:
        sql.execute(SENT.format(rows, key=connection.ops.quote_name("key")), [key for _, key in keys])
        return list(sql.fetchall())


def insert_messages(messages: Iterable[NewMessage]) -> None:
    """Stores messages."""
    columns = [*NewMessage._fields, "born", "deleted"]
    rows: list[str] = []
    texts: list[str | None] = []
    for m in messages:
        rows.append(
            f"({m.conversation_id:d}, {m.seq:d}, {m.site_id:d}, {_number(m.sender_id)}, %s, %s, {m.time:d},"
            f" {_number(m.reply_to)}, {'NULL' if m.system is None else '%s'}, {m.version:d}, {m.version:d}, 0)"
        )
        texts += (m.key, m.body) if m.system is None else (m.key, m.body, m.system)
    names = ", ".join(map(connection.ops.quote_name, columns))
    with connection.cursor() as sql:
        sql.execute(f"INSERT INTO im_message ({names}) VALUES {', '.join(rows)}", texts)


def update_rooms(rows: Iterable[tuple[int, int, int, int, int]]) -> None:
    """Stores what has changed of conversations: (seq, version, latest, shape, id)."""
    with connection.cursor() as sql:
        if connection.vendor == "mysql":
            # The first SELECT names the columns and gives no row.
            values = ", ".join([f"({_numbers(row)})" for row in rows])
            changes = ", ".join(f"room.{column} = changed.{column}" for column in ROOM)
            named = "SELECT 0 AS seq, 0 AS version, 0 AS latest, 0 AS shape, 0 AS id WHERE 0"
            sql.execute(
                f"UPDATE ({named} UNION ALL VALUES {values}) AS changed"
                f" STRAIGHT_JOIN im_conversation AS room ON room.id = changed.id SET {changes}"
            )
        else:
            places = ", ".join(f"{column} = %s" for column in ROOM)
            sql.executemany(f"UPDATE im_conversation SET {places} WHERE id = %s", list(rows))


def note_seen(site_id: int, members: Iterable[int], at: int) -> None:
    """Members were here until then (ms since 1970), unless something later is known."""
    with connection.cursor() as sql:
        sql.execute(
            f"UPDATE im_member SET seen = {at:d}"
            f" WHERE id IN ({_numbers(members)}) AND site_id = {site_id:d} AND seen < {at:d}"
        )


def _number(value: int | None) -> str:
    return "NULL" if value is None else f"{value:d}"


def _numbers(values: Iterable[int]) -> str:
    return ", ".join([f"{value:d}" for value in values])

"""A site with a million members, participants and messages, made by the database itself within a minute.

Conversations are of two. Member 1 is in the first 2,000 of them; the first has 200,000 messages, the newest,
of which the last 1,000 are not read yet; the viewer's others have 100 each, 10 of them not read; the rest of half a
million two at the most. A tenth of the members are found by a word. (With fewer members there are fewer of all.)
"""

from django.apps import apps
from django.db import connection

from avchat.tenants.models import Site
from im.models import SiteVersion

VIEWER = 1
LONG = 1
EACH = 100

SERIES = {
    "mysql": "(SELECT seq AS n FROM seq_1_to_{size}) AS s",
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {size}) SELECT n FROM c) AS s",
}

TABLES = ("im_message", "im_participant", "im_conversation", "im_memberword", "im_member")

STATEMENTS = (
    """INSERT INTO im_member (id, site_id, sub, name, sort, avatar, url, role, `groups`, `show`, status, tabs, seen,
        created, tabs_version, lists_version, email, origin)
     SELECT n, {site}, {sub}, {sub}, {sub}, '', '', 'member', '[]', 'online', '', '[]', 0, 0, 0, 0, '', ''
     FROM {all}""",
    "INSERT INTO im_memberword (site_id, word, member_id) SELECT {site}, {sub}, n FROM {some}",
    """INSERT INTO im_conversation (id, site_id, `key`, pair, name, seq, version, shape, latest, created)
     SELECT n, {site}, {room}, {sub}, '', {seq}, {last}, 1, {last}, 0 FROM {half}""",
    """INSERT INTO im_participant (site_id, conversation_id, member_id, joined, `left`, shown, told_seq, read_seq,
        read_time, read_version)
     SELECT {site}, c, CASE WHEN odd THEN {one} ELSE {other} END, 1, 0, 1, 0, {read}, 0, 0
     FROM (SELECT (n + 1) {div} 2 AS c, n % 2 AS odd FROM {all}) AS p""",
    """INSERT INTO im_message (conversation_id, seq, site_id, sender_id, `key`, body, time, deleted, born, version)
     SELECT c, q, {site}, CASE WHEN q % 2 = 0 THEN {one} ELSE {other} END, n, 'x', n, 0, born, born
     FROM (
      SELECT n, (n + {rest}) % {size} + 1 AS born,
       CASE WHEN n <= {long} THEN {first} WHEN n <= {busy} THEN 2 + (n - {long} - 1) {div} {each}
       ELSE {rooms} + 1 + (n - {busy} - 1) {div} 2 END AS c,
       CASE WHEN n <= {long} THEN n WHEN n <= {busy} THEN 1 + (n - {long} - 1) % {each}
       ELSE 1 + (n - {busy} - 1) % 2 END AS q
      FROM {all}) AS m""",
)


def fill(size: int) -> Site:
    """Makes the site with so many members, participants and messages; its tables are empty before."""
    mysql = connection.vendor == "mysql"
    site = Site.objects.create(name="Million")
    rooms, long = size // 500, size // 5
    busy = long + (rooms - 1) * EACH
    names = {
        "site": site.pk,
        "sub": "CONCAT('m', n)" if mysql else "'m' || n",
        "room": "CONCAT('room', n)" if mysql else "'room' || n",
        "all": SERIES[connection.vendor].format(size=size),
        "some": SERIES[connection.vendor].format(size=size // 10),
        "half": SERIES[connection.vendor].format(size=size // 2),
        "div": "DIV" if mysql else "/",
        "seq": f"CASE WHEN n = {LONG} THEN {long} WHEN n <= {rooms} THEN {EACH} ELSE 2 END",
        "read": f"CASE WHEN c = {LONG} THEN {long - 1_000} WHEN c <= {rooms} THEN {EACH - 10} ELSE 0 END",
        "last": f"CASE WHEN n = {LONG} THEN {size} ELSE n END",
        "rest": size - long - 1,
        "size": size,
        "one": f"(CASE WHEN c <= {rooms} THEN {VIEWER} ELSE c END)",
        "other": f"(c + {size // 2})",
        "long": long,
        "first": LONG,
        "each": EACH,
        "rooms": rooms,
        "busy": busy,
    }
    with connection.cursor() as sql:
        if mysql:
            sql.execute("SET foreign_key_checks = 0, unique_checks = 0")
        for statement in STATEMENTS:
            sql.execute(statement.format(**names))
        if mysql:
            sql.execute("SET foreign_key_checks = 1, unique_checks = 1")
            sql.execute(f"ANALYZE TABLE {', '.join(TABLES)}")
            sql.fetchall()
    SiteVersion.objects.create(site=site, version=size)
    return site


def empty() -> None:
    """Removes all that a site has, quickly."""
    tables = [model._meta.db_table for app in ("work", "im") for model in apps.get_app_config(app).get_models()]
    with connection.constraint_checks_disabled(), connection.cursor() as sql:
        for table in tables:
            sql.execute(f"{'TRUNCATE TABLE' if connection.vendor == 'mysql' else 'DELETE FROM'} {table}")
        sql.execute("DELETE FROM tenants_site")

"""A site with a million members, participants and messages, made by the database itself within a minute.

Member 1 (`VIEWER`) is in the first `BUSY` conversations, each of two; the first of them (`LONG`) has `LONG_SEQ`
messages, the others of the viewer 100, and the rest of the site's half a million two at the most.
"""

from django.db import connection

from avchat.tenants.models import Site
from im.models import SiteVersion

MILLION = 1_000_000
VIEWER, LONG, BUSY = 1, 1, 2_000
LONG_SEQ = 200_000

SERIES = {
    "mysql": "(SELECT seq AS n FROM seq_1_to_{size}) AS s",
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {size}) SELECT n FROM c) AS s",
}

# Who: the viewer in its own conversations, else the member of the conversation's number; and one of the second half.
ONE, OTHER = f"(CASE WHEN c <= {BUSY} THEN {VIEWER} ELSE c END)", "(c + 500000)"

STATEMENTS = (
    """INSERT INTO im_member (id, site_id, sub, name, sort, avatar, url, role, `groups`, `show`, status, tabs, seen,
        created, tabs_version, lists_version)
     SELECT n, {site}, {sub}, {sub}, {sub}, '', '', 'member', '[]', 'online', '', '[]', 0, 0, 0, 0 FROM {million}""",
    "INSERT INTO im_memberword (site_id, word, member_id) SELECT {site}, {sub}, n FROM {million}",
    """INSERT INTO im_conversation (id, site_id, `key`, pair, name, seq, version, shape, latest, created)
     SELECT n, {site}, {room}, {sub}, '', {seq}, n, 1, n, 0 FROM {half}""",
    """INSERT INTO im_participant (site_id, conversation_id, member_id, joined, `left`, shown, told_seq, read_seq,
        read_time, read_version)
     SELECT {site}, c, CASE WHEN odd THEN {one} ELSE {other} END, 1, 0, 1, 0, 0, 0, 0
     FROM (SELECT (n + 1) {div} 2 AS c, n % 2 AS odd FROM {million}) AS p""",
    """INSERT INTO im_message (conversation_id, seq, site_id, sender_id, `key`, body, time, deleted, born, version)
     SELECT c, q, {site}, CASE WHEN q % 2 = 0 THEN {one} ELSE {other} END, n, 'x', n, 0, n, n
     FROM (
      SELECT n, CASE WHEN n <= {long} THEN {first} WHEN n <= {busy} THEN 2 + (n - {long} - 1) {div} 100
       ELSE {viewers} + 1 + (n - {busy} - 1) {div} 2 END AS c,
       CASE WHEN n <= {long} THEN n WHEN n <= {busy} THEN 1 + (n - {long} - 1) % 100
       ELSE 1 + (n - {busy} - 1) % 2 END AS q
      FROM {million}) AS m""",
)


def fill() -> Site:
    """Makes the site; the tables are empty before."""
    vendor = connection.vendor
    site = Site.objects.create(name="Million")
    busy = LONG_SEQ + (BUSY - 1) * 100
    names = {
        "site": site.pk,
        "sub": "CONCAT('m', n)" if vendor == "mysql" else "'m' || n",
        "room": "CONCAT('room', n)" if vendor == "mysql" else "'room' || n",
        "million": SERIES[vendor].format(size=MILLION),
        "half": SERIES[vendor].format(size=MILLION // 2),
        "div": "DIV" if vendor == "mysql" else "/",
        "seq": f"CASE WHEN n = {LONG} THEN {LONG_SEQ} WHEN n <= {BUSY} THEN 100 ELSE 2 END",
        "one": ONE,
        "other": OTHER,
        "long": LONG_SEQ,
        "busy": busy,
        "first": LONG,
        "viewers": BUSY,
    }
    tables = ("im_member", "im_memberword", "im_conversation", "im_participant", "im_message")
    with connection.cursor() as sql:
        if vendor == "mysql":
            sql.execute("SET foreign_key_checks = 0, unique_checks = 0")
        for statement in STATEMENTS:
            sql.execute(statement.format(**names))
        if vendor == "mysql":
            sql.execute("SET foreign_key_checks = 1, unique_checks = 1")
            sql.execute(f"ANALYZE TABLE {', '.join(tables)}")
            sql.fetchall()
        else:
            sql.execute("ANALYZE")
    SiteVersion.objects.create(site=site, version=MILLION)
    return site

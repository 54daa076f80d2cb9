"""What the network and the database do to a commit: each change is stored once, answered once and told once."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from django.db import connection, transaction

from avchat.tenants.models import Site
from im import database, journal
from im.models import Conversation, JournalMark, Member, Message, SiteVersion
from im.node import Node
from tests.support.desk import Desk, Frame
from tests.support.mariadb import MariaDB
from tests.support.wire import Wire

pytestmark = pytest.mark.database

SENDS = 20


@pytest.fixture
async def pair(wire: Wire, node: Node, site: Site) -> tuple[Desk, Desk]:
    """Two members who have begun to talk."""
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    await ann.ask("message.send", to={"member": "bob"}, body="0", key="0")
    return ann, bob


def talk(ann: Desk) -> list["asyncio.Future[Frame]"]:
    """Submits a group and many messages at once."""
    sends = [ann.ask("message.send", to={"member": "bob"}, body=str(n), key=str(n)) for n in range(1, SENDS + 1)]
    return [ann.ask("conversation.create", members=["bob"], name="group"), *sends]


async def check(pair: tuple[Desk, Desk], asked: list["asyncio.Future[Frame]"]) -> None:
    """All was answered well, is stored once, and was told once and in order."""
    _, bob = pair
    _, *answers = await asyncio.gather(*asked)
    assert [answer["seq"] for answer in answers] == list(range(2, SENDS + 2))
    await until(lambda: len(bob.of("message")) >= SENDS + 1)
    assert [frame["body"] for frame in bob.of("message")] == [str(n) for n in range(SENDS + 1)]
    assert len([frame for frame in bob.of("conversation") if frame["name"] == "group"]) == 1
    assert await database.read(Message.objects.count) == SENDS + 1
    assert await database.read(Conversation.objects.filter(name="group").count) == 1


async def until(condition: Callable[[], Any]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  (what is waited for happens in the database)
            await asyncio.sleep(0.02)


@contextmanager
def locked(table: str, mariadb: MariaDB) -> Iterator[Any]:
    """The rows of a table are locked by somebody else, whose cursor this is."""
    other = mariadb.connect(name())
    cursor = other.cursor()
    try:
        cursor.execute("SET idle_transaction_timeout = 0")
        cursor.execute("START TRANSACTION")
        cursor.execute(f"SELECT * FROM {table} FOR UPDATE")
        yield cursor
    finally:
        other.close()


@pytest.mark.parametrize("lost", ["answer", "question"])
async def test_a_commit_lost_on_the_way_is_stored_once_and_told_once(
    wire: Wire, pair: tuple[Desk, Desk], lost: Literal["answer", "question"]
) -> None:
    wire.lose = lost
    await check(pair, talk(pair[0]))
    assert wire.lost == 1


async def test_a_commit_whose_answer_was_lost_is_told_even_where_its_writes_were_refused_meanwhile(
    wire: Wire, pair: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = pair
    monkeypatch.setattr(journal, "RETRY_S", 0.05)
    wire.lose, wire.gone = "answer", True
    asked = ann.ask("conversation.create", members=["bob"], name="group")
    assert (await asked)["code"] == "unavailable"
    assert bob.of("conversation")[-1]["name"] == ""
    wire.gone = False
    await until(lambda: bob.of("conversation")[-1]["name"] == "group")
    assert await database.read(Conversation.objects.filter(name="group").count) == 1


async def test_connections_that_the_server_kills_lose_and_double_nothing(
    wire: Wire, pair: tuple[Desk, Desk], mariadb: MariaDB
) -> None:
    ann, bob = pair
    kept = own()
    sent, read = [], []
    for n in range(1, 60):
        asked = ann.ask("message.send", to={"member": "bob"}, body=str(n), key=str(n))
        for id in set(mariadb.connections(name())) - set(kept):
            mariadb.end(id)
        sent.append(await asked)
        read.append(await bob.ask("history", conversation=sent[-1]["conversation"], limit=1))
    assert [answer["seq"] for answer in sent] == list(range(2, 61))
    assert [answer["messages"][0]["seq"] for answer in read] == list(range(2, 61))
    assert [frame["seq"] for frame in bob.of("message")] == list(range(1, 61))


async def test_no_connection_is_used_after_the_server_has_closed_it(
    wire: Wire, mariadb: MariaDB, node: Node, site: Site
) -> None:
    mariadb.query("SET GLOBAL wait_timeout = 1")
    for id in set(mariadb.connections(name())) - set(own()):
        mariadb.end(id)
    try:
        ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
        await bob.sit()
        await ann.sit()
        await until(lambda: mariadb.connections(name()) in ([], own()))
        answer = await ann.ask("message.send", to={"member": "bob"}, body="later", key="1")
        await until(lambda: mariadb.connections(name()) in ([], own()))
        history = await ann.ask("history", conversation=answer["conversation"])
        assert [message["body"] for message in history["messages"]] == ["later"]
    finally:
        mariadb.query("SET GLOBAL wait_timeout = 28800")


def name() -> str:
    """The database."""
    return str(connection.settings_dict["NAME"])


def own() -> list[int]:
    """The test's own connection."""
    return [connection.connection.thread_id()] if connection.connection else []


async def test_a_lock_that_is_held_for_long_is_waited_for(
    pair: tuple[Desk, Desk], mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "RETRY_S", 60)
    before = status(mariadb, "Innodb_row_lock_waits")
    with locked("im_siteversion", mariadb):
        asked = talk(pair[0])
        # The first wait is in vain.
        await until(lambda: status(mariadb, "Innodb_row_lock_waits") >= before + 2)
    await check(pair, asked)


def waiting(mariadb: MariaDB) -> bool:
    return status(mariadb, "Innodb_row_lock_current_waits") > 0


async def test_a_deadlock_is_tried_again(pair: tuple[Desk, Desk], mariadb: MariaDB) -> None:
    before = status(mariadb, "Innodb_deadlocks")
    with locked("im_conversation", mariadb) as other:
        # Of two in a deadlock the server lets go the one that has changed less.
        for n in range(50):
            other.execute(f"INSERT INTO im_journalmark VALUES ('{n}', 0, 0)")
        asked = talk(pair[0])
        await until(lambda: waiting(mariadb))
        await asyncio.to_thread(other.execute, "SELECT * FROM im_siteversion FOR UPDATE")
        assert status(mariadb, "Innodb_deadlocks") == before + 1
    await check(pair, asked)


def status(mariadb: MariaDB, name: str) -> int:
    ((_, count),) = mariadb.query(f"SHOW GLOBAL STATUS LIKE '{name}'")
    return int(count)


async def test_a_database_that_is_read_only_for_a_while_loses_nothing(
    pair: tuple[Desk, Desk], mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, _ = pair
    mariadb.query("SET GLOBAL read_only = 1")
    try:
        with monkeypatch.context() as patch:
            patch.setattr(journal, "RETRY_S", 0.05)
            refused = await ann.ask("message.send", to={"member": "bob"}, body="x", key="refused")
        assert refused["code"] == "unavailable"
        asked = talk(ann)
        await asyncio.sleep(0)
    finally:
        mariadb.query("SET GLOBAL read_only = 0")
    await check(pair, asked)


async def test_a_database_that_crashes_and_comes_back_loses_and_doubles_nothing(
    pair: tuple[Desk, Desk], mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "RETRY_S", 60)
    asked = talk(pair[0])
    mariadb.kill()
    mariadb.start()
    await check(pair, asked)


async def test_who_stands_still_in_a_transaction_loses_its_locks(pair: tuple[Desk, Desk], site: Site) -> None:
    stop = threading.Event()

    def stand_still() -> None:
        with transaction.atomic():
            SiteVersion.objects.select_for_update().get(site=site)
            held.set()
            stop.wait(60)

    held = threading.Event()
    frozen = asyncio.create_task(asyncio.to_thread(stand_still))
    await until(held.is_set)
    await check(pair, talk(pair[0]))
    stop.set()
    with pytest.raises(Exception, match=r"2006|2013|4031"):
        await frozen


async def test_a_read_that_fails_leaves_no_transaction_behind(
    wire: Wire, node: Node, site: Site, mariadb: MariaDB
) -> None:
    def fail() -> None:
        with database.snapshot():
            Member.objects.count()
            raise ZeroDivisionError

    for _ in range(8):
        with pytest.raises(ZeroDivisionError):
            await database.read(fail)
    assert mariadb.query("SELECT COUNT(*) FROM information_schema.innodb_trx") == [(0,)]


async def test_a_snapshot_does_not_see_what_is_stored_meanwhile(wire: Wire, node: Node, site: Site) -> None:
    def counted() -> tuple[int, int, int]:
        with database.snapshot():
            first = JournalMark.objects.count()
            thread = threading.Thread(target=add)
            thread.start()
            thread.join()
            second = JournalMark.objects.count()
        return first, second, JournalMark.objects.count()

    def add() -> None:
        JournalMark.objects.create(journal="meanwhile", batch=1, time=1)
        connection.close()

    first, second, after = await database.read(counted)
    assert (second, after) == (first, first + 1)

"""The journal: what shares a commit, what a fault does to it, and in which order things are told."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext

from avchat.tenants import services
from avchat.tenants.models import Site
from im import database, journal, transaction
from im.commit import Event
from im.errors import Refusal
from im.journal import Write
from im.models import Conversation, JournalMark, Member, Message, SiteVersion
from im.node import Node
from im.transaction import Transaction
from tests.support.desk import Desk

pytestmark = pytest.mark.database


def submitted(node: Node, site: Site, run: Callable[[Transaction], Any]) -> "asyncio.Future[Any]":
    """Submits a write without waiting; the future has its result or its refusal."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    node.journal.submit(Write(site.pk, run, future.set_result))
    return future


def next_version(site: Site) -> Callable[[Transaction], int]:
    return lambda tx: tx.next_version(site.pk)


def stored_version(site: Site) -> int:
    return SiteVersion.objects.get(site=site).version


async def test_writes_that_wait_together_share_a_commit(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    commit = node.journal._commit

    def counted(batch: list[Write], ask: bool) -> Any:
        sizes.append(len(batch))
        return commit(batch, ask)

    monkeypatch.setattr(node.journal, "_commit", counted)
    results = await asyncio.gather(*(submitted(node, site, next_version(site)) for _ in range(100)))
    assert results == list(range(1, 101))
    assert len(sizes) < 20
    assert await database.read(stored_version, site) == 100


async def test_one_bad_write_spoils_no_other(node: Node, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    def bad(tx: Transaction) -> None:
        tx.next_version(site.pk)
        raise ZeroDivisionError

    futures = [submitted(node, site, bad if n == 5 else next_version(site)) for n in range(10)]
    results = await asyncio.gather(*futures)
    refused = results.pop(5)
    assert isinstance(refused, Refusal)
    assert refused.code == "unavailable"
    assert results == list(range(1, 10))
    assert await database.read(stored_version, site) == 9
    assert "A write failed" in caplog.text


async def test_a_database_that_is_lost_for_a_moment_loses_and_doubles_nothing(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    finish = Transaction.finish
    faults = iter([True, True, False])

    def faulty(tx: Transaction) -> None:
        finish(tx)
        if next(faults, False):
            raise OperationalError("server has gone away")

    monkeypatch.setattr(Transaction, "finish", faulty)
    answers = await asyncio.gather(
        *(ann.ask("message.send", to={"member": "bob"}, body=str(n), key=str(n)) for n in range(20))
    )
    assert [answer["seq"] for answer in answers] == list(range(1, 21))
    assert [frame["seq"] for frame in bob.of("message")] == list(range(1, 21))
    assert await database.read(Message.objects.count) == 20


async def test_a_database_that_stays_away_is_said_to_be_unavailable(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(tx: Transaction) -> None:
        raise OperationalError("server has gone away")

    monkeypatch.setattr(journal, "RETRY_S", 0.05)
    monkeypatch.setattr(Transaction, "finish", lost)
    with pytest.raises(Refusal) as refused:
        await node.journal.write(site.pk, next_version(site))
    assert refused.value.code == "unavailable"
    assert refused.value.retry_ms
    monkeypatch.undo()
    assert await node.journal.write(site.pk, next_version(site)) == 1


async def test_what_was_rolled_back_is_not_remembered(node: Node, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob, eve = (Desk(node, site, sub) for sub in ("ann", "bob", "eve"))
    for desk in (ann, bob, eve):
        await desk.sit()
    ids: dict[str, int] = dict(await database.read(lambda: list(Member.objects.values_list("sub", "id"))))
    monkeypatch.setattr(transaction, "_members", {})

    def doomed(tx: Transaction) -> None:
        tx.open_room(site.pk, {ids["ann"]: "ann", ids["eve"]: "eve"}, name="never")
        raise ZeroDivisionError

    with pytest.raises(Refusal):
        await node.journal.write(site.pk, doomed)
    assert transaction._members == {}
    made = await ann.ask("conversation.create", members=["bob"], name="real")
    answer = await eve.ask("message.send", to={"conversation": made["conversation"]}, body="hello?", key="1")
    assert answer["code"] == "not-found"
    assert await database.read(Conversation.objects.count) == 1


async def test_an_answer_comes_before_what_it_causes_and_events_in_the_order_of_versions(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        node.journal, "_publish", lambda commit: told.extend(f"event {event.version}" for event in commit.events)
    )

    def emitting(tx: Transaction) -> str:
        version = tx.next_version(site.pk)
        tx.emit(Event(site.pk, version, [], None))
        return f"answer {version}"

    for _ in range(3):
        node.journal.submit(Write(site.pk, emitting, told.append))
    await node.journal.write(site.pk, next_version(site))
    assert told == ["answer 1", "event 1", "answer 2", "event 2", "answer 3", "event 3"]


async def test_the_journal_stores_what_was_submitted_before_it_stops(transactional_db: None, site: Site) -> None:
    node = Node()
    futures = [submitted(node, site, next_version(site)) for _ in range(30)]
    await asyncio.to_thread(node.journal.stop)
    assert await asyncio.gather(*futures) == list(range(1, 31))


async def test_two_journals_on_the_same_sites_neither_refuse_nor_leave_gaps(node: Node, site: Site) -> None:
    """As two nodes do: both write to the same conversations of the same sites at once."""
    other = Node()
    sites = [site, await database.read(another_site)]
    try:
        desks = {}
        for at in sites:
            for where, subs in ((node, ("ann", "cid")), (other, ("bob", "dee"))):
                for sub in subs:
                    desks[at.pk, sub] = Desk(where, at, sub)
                    await desks[at.pk, sub].sit()
        rooms = {}
        for at in sites:
            made = await desks[at.pk, "ann"].ask("conversation.create", members=["bob", "cid", "dee"], name="all")
            rooms[at.pk] = made["conversation"]
        answers = await asyncio.gather(
            *(
                desk.ask("message.send", to={"conversation": rooms[at]}, body=str(n), key=f"{sub} {n}")
                for n in range(40)
                for (at, sub), desk in desks.items()
            ),
        )
    finally:
        await asyncio.to_thread(other.journal.stop)
    assert [answer for answer in answers if answer["type"] != "ok"] == []
    for at in sites:
        seqs = await database.read(seqs_of, rooms[at.pk])
        assert seqs == list(range(1, 161))
        assert await database.read(versions_of, at) == await database.read(stored_version, at)


def another_site() -> Site:
    site = Site.objects.create(name="Quay")
    services.add_secret(account=None, site=site, label="test")
    return site


def seqs_of(key: str) -> list[int]:
    return list(Message.objects.filter(conversation__key=key).order_by("seq").values_list("seq", flat=True))


def versions_of(site: Site) -> int | None:
    """The last version that a conversation of the site carries."""
    last = Conversation.objects.filter(site=site).order_by("-version").first()
    return last.version if last else None


async def test_a_commit_that_is_stored_though_it_failed_is_told_and_not_repeated(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    commit = BaseDatabaseWrapper.commit
    faults = iter([True])

    def faulty(self: BaseDatabaseWrapper) -> None:
        commit(self)
        if next(faults, False):
            raise OperationalError("lost connection during COMMIT")

    monkeypatch.setattr(BaseDatabaseWrapper, "commit", faulty)
    made = await ann.ask("conversation.create", members=["bob"], name="group")
    assert made["type"] == "ok"
    await ann.ask("message.send", to={"conversation": made["conversation"]}, body="x", key="1")
    assert [frame["name"] for frame in bob.of("conversation")] == ["group"]
    assert await database.read(Conversation.objects.count) == 1


async def test_who_says_it_again_among_others_is_answered_as_before(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    commit = node.journal._commit

    def watched(batch: list[Write], ask: bool) -> Any:
        asked.append(ask)
        return commit(batch, ask)

    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    monkeypatch.setattr(node.journal, "_commit", watched)
    first = await ann.ask("message.send", to={"member": "bob"}, body="first", key="first")
    assert asked == [False], "a message is taken to be new"

    def say(*keys: str) -> "asyncio.Future[list[dict[str, Any]]]":
        return asyncio.gather(*(ann.ask("message.send", to={"member": "bob"}, body=key, key=key) for key in keys))

    answers = await say("a", "b", "first", "c")
    assert {**answers.pop(2), "id": first["id"]} == first
    assert [answer["seq"] for answer in answers] == [2, 3, 4]
    assert [frame["body"] for frame in bob.of("message")] == ["first", "a", "b", "c"]
    asked.clear()
    answers = await say("b", "d", "first")
    assert [answer["seq"] for answer in answers] == [3, 5, 1]
    assert asked == [True] * len(asked), "keys are asked for at once, for a while"
    assert await database.read(Message.objects.count) == 5


async def test_what_is_stored_is_answered_as_it_was_even_where_it_would_be_refused_by_now(
    node: Node, site: Site
) -> None:
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    room = (await ann.ask("conversation.create", members=["bob"], name="pier"))["conversation"]
    first = await ann.ask("message.send", to={"conversation": room}, body="bye", key="bye")
    await ann.ask("conversation.leave", conversation=room)
    again = await ann.ask("message.send", to={"conversation": room}, body="bye", key="bye")
    assert {**again, "id": first["id"]} == first
    refused = await ann.ask("message.send", to={"conversation": room}, body="back", key="back")
    assert refused["code"] == "not-found"


async def test_the_members_of_conversations_are_asked_for_once(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    rooms = [(await ann.ask("conversation.create", members=["bob"], name=str(n)))["conversation"] for n in range(5)]
    monkeypatch.setattr(transaction, "_members", {})

    def counted(tx: Transaction) -> int:
        with CaptureQueriesContext(connection) as queries:
            tx.prefetch([(site.pk, room, None) for room in rooms], [])
        return sum("im_participant" in query["sql"] for query in queries)

    assert await node.journal.write(site.pk, counted) == 1


async def test_the_marks_of_journals_that_are_long_gone_are_removed(node: Node, site: Site) -> None:
    def left() -> list[str]:
        return list(JournalMark.objects.values_list("journal", flat=True))

    await database.read(lambda: JournalMark.objects.create(journal="gone", batch=7, time=1))
    await node.journal.write(site.pk, next_version(site))
    assert await database.read(left) == [node.journal._id]


async def test_a_journal_that_ends_does_not_try_for_ever_to_store_what_was_submitted(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "RETRY_S", 3600.0)
    monkeypatch.setattr(journal, "STOP_S", 0.2)
    monkeypatch.setattr(journal, "BATCH", 1)

    tried: list[int] = []

    def broken(tx: Transaction) -> None:
        raise OperationalError("server has gone away")

    with monkeypatch.context() as away:
        away.setattr(Transaction, "finish", broken)
        writes = [submitted(node, site, lambda tx, n=n: tried.append(n)) for n in range(5)]
        ending = asyncio.create_task(asyncio.to_thread(node.journal.stop))
        try:
            refused = await asyncio.wait_for(asyncio.gather(*writes), 10)
        finally:
            away.undo()
            await ending
    assert [each.code for each in refused] == ["unavailable"] * 5
    assert set(tried) == {0}, "each try may take as long as the database lets it wait"


async def test_a_journal_whose_database_does_not_answer_at_all_ends_nevertheless(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "STOP_S", 0.1)
    begun, answered = threading.Event(), threading.Event()

    def hangs(tx: Transaction) -> None:
        begun.set()
        answered.wait(30)

    write = submitted(node, site, hangs)
    await asyncio.to_thread(begun.wait)
    await asyncio.to_thread(node.journal.stop)
    assert not write.done()
    answered.set()
    await asyncio.to_thread(node.journal._thread.join)

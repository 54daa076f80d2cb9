"""Every query that members cause, or what clears up behind them, is answered from an index, however large the site is.

On MariaDB with a million members, participants and messages, and the rows that it reads are counted; on SQLite, whose
planner goes by the schema alone, with few.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from avchat.tenants import directory as sites
from avchat.tenants.models import Site
from avchat.tenants.tokens import Claims
from avchat.work import digest, retention, statistics
from avchat.work.models import Day, DigestMark, Subscriber
from im import (
    conversations,
    cursor,
    database,
    feed,
    members,
    messages,
    node,
    protocol,
    reception,
    replay,
    rosters,
    views,
)
from im.caller import Caller
from im.dispatch import routes
from im.models import Block, Contact, Conversation, Hidden, Message, Reaction
from im.transaction import Transaction
from presence import directory, services
from tests.support import million
from tests.support.plans import explained

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SIZE = 1_000_000 if connection.vendor == "mysql" else 10_000
LONG_SEQ = SIZE // 5
LONG, SHORT = "room1", "room2"
EPOCH = date(1970, 1, 1)
# Connected to one node: the viewer, whom it writes with, and members of whom most are in one conversation.
PRESENT = frozenset({1, *range(SIZE // 2 + 1, SIZE // 2 + 51), *range(SIZE // 4, SIZE // 4 + 2_000)})


@pytest.fixture(autouse=True)
def _snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is in a transaction of its own already."""
    monkeypatch.setattr(database, "snapshot", contextlib.nullcontext)


@pytest.fixture(autouse=True)
def _days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days of a second: all messages are of the first thousand seconds."""
    monkeypatch.setattr(statistics, "_ms", lambda day: (day - EPOCH).days * 1_000)


@pytest.fixture(scope="module")
def caller(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Caller]:
    """The member with the most conversations on a large site."""
    with django_db_blocker.unblock():
        site = million.fill(SIZE)
        info = sites.site(site.key)
        assert info is not None
        add_what_is_rare(site.pk)
        try:
            yield Caller(info, million.VIEWER, f"m{million.VIEWER}", "member")
        finally:
            million.empty()


def add_what_is_rare(site: int) -> None:
    """Hidden messages, reactions, contacts and blocks of the viewer and of others."""
    viewer, half = million.VIEWER, SIZE // 2
    for room in range(1, 20):
        for seq in range(98, 101):
            Hidden.objects.create(site_id=site, member_id=viewer, conversation_id=room, seq=seq)
        for seq in range(1, 60):
            Reaction.objects.create(
                site_id=site, conversation_id=room, seq=seq, member_id=half + room, emoji="👍", version=SIZE - seq
            )
    for model, more in ((Contact, {}), (Block, {"version": SIZE // 2, "time": 0})):
        for other in range(half + 2_500, half + 2_700):
            model.objects.create(site_id=site, owner_id=viewer, member_id=other, **more)
            model.objects.create(site_id=site, owner_id=other, member_id=other + 1, **more)
    # Mail reaches a tenth, some of whom are due; the site's messages are looked through but for the last thousand.
    some = million.SERIES[connection.vendor].format(size=SIZE // 10)
    with connection.cursor() as sql:
        sql.execute(
            "INSERT INTO work_subscriber (member_id, site_id, came, went, due, mailed, told, off)"
            f" SELECT n, {site}, 0, 0, CASE WHEN n % 100 = 5 THEN 1 ELSE 0 END, 0, 0, 0 FROM {some}"
        )
    Subscriber.objects.filter(member=viewer).delete()
    Subscriber.objects.create(member_id=half + 1, site_id=site, came=0)
    DigestMark.objects.create(site_id=site, since=1, version=SIZE - 1_000)
    Site.objects.filter(id=site).update(digest_since=1)


def store(*frames: protocol.Frame, caller: Caller) -> None:
    """As the journal does, all of them in one commit; nothing of it stays."""
    with transaction.atomic():
        tx = Transaction()
        tx.lock_sites([caller.site_id])
        wants = [route.wants(caller, frame) for frame in frames if (route := routes[type(frame)]).wants]
        tx.prefetch((room for room, _ in wants if room), (sent for _, sent in wants if sent))
        for frame in frames:
            routes[type(frame)].service(tx, caller, SimpleNamespace(node=None), frame)
        tx.finish()
        transaction.set_rollback(True)


def stored(kind: type[protocol.Frame], **fields: Any) -> Callable[[Caller], None]:
    return lambda caller: store(kind(**fields), caller=caller)


def send(n: int, to: protocol.Target) -> protocol.MessageSend:
    return protocol.MessageSend(to=to, body="x", key=f"key {n}")


def send_many(caller: Caller) -> None:
    frames = [send(n, protocol.Target(conversation=f"room{n % (SIZE // 500) + 1}")) for n in range(500)]
    store(*frames, caller=caller)


def hello(caller: Caller, members: Iterable[int], missed: int | None = None) -> None:
    """These members come at once, each after so many changes of its site; None: for the first time."""
    position = replay.position(caller.site_id)
    resume = None if missed is None else cursor.cursor(position.epoch, position.version - missed)
    wanted = [reception.Wanted(Caller(caller.site, id, f"m{id}", "member"), resume, None) for id in members]
    for state in reception._states(caller.site_id, wanted):
        assert isinstance(state, reception.State)
        assert state.resumed is (None if missed is None else True)
        assert bool(state.changes) is (missed is not None)


def missed_by_a_feed(caller: Caller) -> None:
    missed = feed._missed(caller.site_id, SIZE - 1_000, PRESENT)
    assert set(missed.changes) == {million.VIEWER, SIZE // 2 + 1}, "those in the room in which something was said"
    assert all(missed.changes.values())


def touched_in_many_rooms(caller: Caller) -> None:
    """Rooms of two, in each of which something was said, and two who see each other in none of the rest."""
    touched = replay.touched(caller.site_id, SIZE // 2 - 500, PRESENT)
    assert million.VIEWER in touched.members


def enrolled(caller: Caller) -> None:
    """A hundred members, of whom a third is new and a third has another name."""
    about = [(f"m{n}" if n % 3 else f"new{n}", f"m{n}" if n % 3 == 1 else f"Ann {n}") for n in range(3_000, 3_100)]
    common = {"avatar": "", "url": "", "role": "member", "groups": (), "guest": False, "kid": "k"}
    with transaction.atomic():
        tx = Transaction()
        tx.lock_sites([caller.site_id])
        found = members.enroll(tx, caller.site_id, [Claims(sub=sub, name=name, **common) for sub, name in about])
        assert set(found) == {sub for sub, _ in about}
        transaction.set_rollback(True)


def counted(caller: Caller) -> None:
    """A day on which something was said a thousand times, among all others."""
    day = EPOCH + timedelta(days=SIZE // 2_000)
    statistics._count(caller.site_id, day, final=True)
    assert Day.objects.get(site=caller.site_id, day=day).messages == 1_000


def looked_through(caller: Caller) -> None:
    """Many can be reached by mail, and one has not read what was said."""
    digest.look_through(caller.site_id)
    assert Subscriber.objects.filter(site=caller.site_id, due__gt=digest.DAY_MS).count() == 1


def seen_to(caller: Caller) -> None:
    """Many are due, none of whom has an address."""
    before = Subscriber.objects.filter(site=caller.site_id, due=1).count()
    assert caller.site_id in digest.sites()
    digest.send_due(caller.site_id)
    assert Subscriber.objects.filter(site=caller.site_id, due=1).count() == max(0, before - digest.PAGE) < before


def missed_by_the_busiest(caller: Caller) -> None:
    site, row = Site.objects.get(id=caller.site_id), Subscriber(member_id=caller.id, told=0)
    assert len(digest._missed(site, row)) == digest.SHOWN


def page_of_members(**fields: Any) -> Callable[[Caller], Any]:
    frame = protocol.Members(**fields)
    here = list(range(1, 5_000)) if fields.get("online") else None
    return lambda caller: directory._page(caller, frame, here)


def next_page_of_members(caller: Caller) -> None:
    rows, _ = directory._page(caller, protocol.Members(limit=50), None)
    cursor = directory._cursor(rows[-1])
    directory._page(caller, protocol.Members(limit=50, cursor=cursor), None)


def resumed(missed: int) -> Callable[[Caller], Any]:
    return lambda caller: replay.since(caller.site_id, caller.id, SIZE - missed, "epoch")


def conversation_for_each(caller: Caller) -> None:
    row = Conversation.objects.get(id=2)
    views.conversation_for_each(caller.site_id, row, [caller.id, SIZE // 2 + 2])


def unread_of_the_busiest(caller: Caller) -> None:
    counts = views.unread_counts(caller.site_id, caller.id)
    assert len(counts) == SIZE // 500
    assert counts[million.LONG] == 1_000 // 2, "every other is the viewer's own"
    assert counts[2] == 10 // 2 - 1, "and one is hidden"


# What is asked, and how many rows MariaDB may read for it. A page has at most 100 entries; the viewer has 2,000
# conversations, a few reads each.
QUERIES: dict[str, tuple[Callable[[Caller], Any], int]] = {
    "history, the last page": (lambda c: messages.history(c, protocol.History(conversation=LONG, limit=100)), 2_000),
    "history, a page in the middle": (
        lambda c: messages.history(c, protocol.History(conversation=LONG, before=LONG_SEQ // 2, limit=100)),
        2_000,
    ),
    "resume after nothing": (resumed(0), 12_000),
    "resume after a thousand changes": (resumed(1_000), 30_000),
    "hello": (lambda c: reception._states(c.site_id, [reception.Wanted(c, None, None)]), 80_000),
    "hello with resume": (lambda c: hello(c, [c.id], 1_000), 100_000),
    "hellos of many at once": (lambda c: hello(c, range(SIZE // 2 + 2, SIZE // 2 + 102)), 10_000),
    "hellos of many at once, with resume": (
        lambda c: hello(c, range(SIZE // 2 + 52, SIZE // 2 + 102), SIZE - 50),
        60_000,
    ),
    "who is named by tokens": (lambda c: members.profiles(c.site_id, [f"m{n}" for n in range(1, 501)]), 2_000),
    "members who are new or changed": (enrolled, 3_000),
    "whom changes concern": (lambda c: replay.concerned(c.site_id, SIZE - 1_000, PRESENT), 30_000),
    "what a node missed": (missed_by_a_feed, 30_000),
    "what a node missed of many conversations": (touched_in_many_rooms, 20_000),
    "choices of presence": (lambda c: replay.choices(PRESENT, SIZE - 1_000), 10_000),
    "versions of sites": (lambda c: node._versions([c.site_id]), 10),
    "a silent conversation": (
        lambda c: views.silent_conversation(c.site_id, "new", "", range(1, 101), pair=False),
        500,
    ),
    "a day's figures": (counted, 5_000),
    "digests: who has missed something": (looked_through, 10_000),
    "digests: who is due": (seen_to, 10_000),
    "digests: what the busiest has missed": (missed_by_the_busiest, 30_000),
    "unread counts": (unread_of_the_busiest, 80_000),
    "unread counts of a page": (lambda c: views.unread_counts(c.site_id, c.id, range(2, 52)), 3_000),
    "conversations": (lambda c: conversations.listed(c, protocol.Conversations(limit=50)), 20_000),
    "conversations, a later page": (
        lambda c: conversations.listed(c, protocol.Conversations(limit=50, cursor=str(SIZE // 600))),
        20_000,
    ),
    "conversations by id": (
        lambda c: conversations.listed(c, protocol.Conversations(ids=[f"room{n}" for n in range(2, 102)])),
        12_000,
    ),
    "last messages": (lambda c: views._last(c.site_id, c.id, Conversation.objects.filter(id__lte=100)), 2_000),
    "a conversation for each of its members": (conversation_for_each, 2_000),
    "a roster": (lambda c: rosters._read(LONG), 100),
    "a member by sub": (lambda c: members.resolve(c.site_id, [f"m{n}" for n in range(1, 100)]), 500),
    "members by id": (page_of_members(ids=[f"m{n}" for n in range(1, 101)]), 500),
    "members, the first page": (page_of_members(limit=100), 500),
    "members, the next page": (next_page_of_members, 500),
    "members by a word": (page_of_members(query="m77777", limit=50), 2_000),
    "members who are here": (page_of_members(online=True, limit=50), 25_000),
    "members who are here, by a word": (page_of_members(online=True, query="m12", limit=50), 70_000),
    "presence, last seen": (lambda c: services._seen(c.site_id, c.id, [f"m{n}" for n in range(1000)]), 5_000),
    "contacts and blocks": (lambda c: replay.contacts_of(c.site_id, c.id), 3_000),
    "a send": (stored(protocol.MessageSend, to=protocol.Target(conversation=SHORT), body="x", key="k"), 500),
    "a send to a member": (stored(protocol.MessageSend, to=protocol.Target(member="m9"), body="x", key="k"), 500),
    "five hundred sends": (send_many, 10_000),
    "an edit": (stored(protocol.MessageEdit, conversation=LONG, seq=2, body="y"), 500),
    "a deletion": (stored(protocol.MessageDelete, conversation=LONG, seq=2), 500),
    "a reaction": (stored(protocol.MessageReact, conversation=LONG, seq=2, emoji="👍", on=True), 500),
    "a read mark": (stored(protocol.MessageRead, conversation=LONG, seq=2), 500),
    "a report": (stored(protocol.Report, conversation=LONG, seq=2, reason="x"), 500),
    "a new group": (stored(protocol.ConversationCreate, members=["m7", "m8", "m9"], name="x"), 1_000),
    "tabs": (stored(protocol.TabsSet, tabs=[protocol.Tab(conversation=LONG, state="open")]), 500),
    "a contact": (stored(protocol.ContactAdd, member="m9"), 3_000),
    "a block": (stored(protocol.BlockAdd, member="m9"), 3_000),
}


@pytest.mark.parametrize("name", QUERIES)
def test_what_members_ask_is_looked_up_in_indexes(caller: Caller, name: str) -> None:
    ask, most = QUERIES[name]
    with explained() as plans:
        ask(caller)
    assert plans.statements
    assert plans.scans == []
    assert plans.rows <= most


def test_what_is_beyond_its_time_is_found_and_deleted_by_indexes(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = 100
    monkeypatch.setattr(retention, "cutoff", lambda days: old)
    Site.objects.update(retention_days=30)
    with explained() as plans:
        assert list(retention.sites()) == [caller.site_id]
        assert retention.preview(caller.site_id, 30) == old - 1
        assert retention.trim(caller.site_id)
    assert not Message.objects.filter(time__lt=old).exists()
    assert any("im_message" in statement for statement in plans.statements)
    assert plans.scans == []
    assert plans.rows <= 5_000


def test_what_a_page_asks_does_not_grow_with_its_conversations(caller: Caller) -> None:
    counts = []
    for many in (10, 90):
        rows = list(Conversation.objects.filter(id__lte=many))
        with explained() as plans:
            views.conversations(caller.site_id, caller.id, rows)
        counts.append(len(plans.statements))
    assert counts[0] == counts[1]


def test_a_query_that_reads_a_table_through_is_noticed(caller: Caller) -> None:
    with explained() as plans:
        list(Message.objects.filter(time=1))
    assert len(plans.scans) == 1

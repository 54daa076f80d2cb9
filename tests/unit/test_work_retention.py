"""Retention: what is older than a site keeps it is gone, and nobody finds a hole."""

import pytest

from avchat.tenants import directory, services
from avchat.tenants.models import Site
from avchat.work import clock, retention
from im import database, messages, views
from im.caller import Caller
from im.errors import Refusal
from im.models import Conversation, Hidden, Message, Participant, Reaction, Report, SiteVersion
from im.protocol import BlockAdd, History, MessageEdit, MessageReact
from im.protocol import Report as ReportFrame
from tests.support.talk import Talk

pytestmark = pytest.mark.django_db
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def site() -> Site:
    return Site.objects.create(name="Harbour")


@pytest.fixture
def talk(site: Site) -> Talk:
    return Talk(site)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    return


def age(conversation: str, upto: int, days: float) -> None:
    """Makes the messages of a conversation up to a seq that many days old."""
    old = Message.objects.filter(conversation__key=conversation, seq__lte=upto)
    old.update(time=database.now_ms() - int(days * DAY_MS))


def caller(site: Site, member: int, sub: str) -> Caller:
    info = directory.site(site.key)
    assert info
    return Caller(info, member, sub, "member")


def conversation_of(talk: Talk, count: int) -> tuple[str, int, int]:
    """A conversation of ann and bob with so many messages of ann's: its key, and the two's ids."""
    ann, bob = talk.join("ann"), talk.join("bob")
    for number in range(count):
        key = talk.say(ann, bob, f"message {number + 1}").conversation
    return key, ann.pk, bob.pk


@pytest.mark.usefixtures("small_batches")
def test_messages_older_than_the_site_keeps_them_are_deleted_and_the_history_begins_later(
    site: Site, talk: Talk
) -> None:
    key, _, bob = conversation_of(talk, 20)
    age(key, 14, days=31)
    services.set_retention(account=None, site=site, days=30)
    assert list(retention.sites()) == [site.pk]
    assert retention.trim(site.pk)
    assert list(retention.sites()) == []
    page = messages.history(caller(site, bob, "bob"), History(conversation=key, limit=4))
    assert [message.seq for message in page.messages] == [17, 18, 19, 20]
    assert page.more
    page = messages.history(caller(site, bob, "bob"), History(conversation=key, before=17, limit=4))
    assert [message.seq for message in page.messages] == [15, 16]
    assert not page.more
    # What comes next has the next number, and what is gone is no longer unread.
    assert talk.say(talk.join("ann"), key).seq == 21
    assert views.unread_counts(site.pk, bob) == {Conversation.objects.get(key=key).pk: 7}


def test_a_site_that_keeps_for_ever_loses_nothing(site: Site, talk: Talk) -> None:
    key, *_ = conversation_of(talk, 3)
    age(key, 3, days=4000)
    assert list(retention.sites()) == []
    assert retention.trim(site.pk)
    assert Message.objects.count() == 3


def test_another_sites_messages_stay(site: Site, talk: Talk) -> None:
    other = Site.objects.create(name="Elsewhere")
    theirs = Talk(other)
    key, *_ = conversation_of(theirs, 2)
    age(key, 2, days=90)
    services.set_retention(account=None, site=site, days=1)
    retention.trim(site.pk)
    assert Message.objects.filter(site=other).count() == 2


def test_messages_of_the_last_day_stay_whatever_is_asked_for(site: Site, talk: Talk) -> None:
    """Their keys still answer a send that comes again, and cursors of 25 hours go on without a gap."""
    key, *_ = conversation_of(talk, 3)
    age(key, 1, days=1.2)
    age(key, 0, days=1)
    Message.objects.filter(seq=2).update(time=database.now_ms() - int(25.5 * 3600 * 1000))
    services.set_retention(account=None, site=site, days=1)
    assert retention.preview(site.pk, 1) == 1
    retention.trim(site.pk)
    assert list(Message.objects.values_list("seq", flat=True)) == [2, 3]


def test_what_was_last_said_may_go_and_the_conversation_stays(site: Site, talk: Talk) -> None:
    key, ann, bob = conversation_of(talk, 5)
    age(key, 5, days=31)
    services.set_retention(account=None, site=site, days=30)
    retention.trim(site.pk)
    (view,) = views.conversations(site.pk, bob, [Conversation.objects.get(key=key)])
    assert (view.last, view.unread, view.seq) == (None, 0, 5)
    assert messages.history(caller(site, ann, "ann"), History(conversation=key)).messages == []
    with pytest.raises(Refusal, match="no such message"):
        talk.do(talk.join("ann"), MessageEdit(conversation=key, seq=3, body="changed"))


@pytest.mark.usefixtures("small_batches")
def test_with_a_message_go_its_reactions_and_the_marks_of_those_from_whom_it_was_hidden(site: Site, talk: Talk) -> None:
    key, _, _ = conversation_of(talk, 6)
    ann, bob = talk.join("ann"), talk.join("bob")
    talk.do(bob, MessageReact(conversation=key, seq=2, emoji="👍", on=True))
    talk.do(bob, MessageReact(conversation=key, seq=6, emoji="👍", on=True))
    talk.do(bob, BlockAdd(member="ann"))
    talk.say(ann, key)
    talk.say(ann, key)
    assert list(Hidden.objects.values_list("seq", flat=True)) == [7, 8]
    age(key, 5, days=31)
    age(key, 7, days=31)
    services.set_retention(account=None, site=site, days=30)
    retention.trim(site.pk)
    assert list(Message.objects.values_list("seq", flat=True)) == [8]
    assert not Reaction.objects.exists()
    assert list(Hidden.objects.values_list("seq", flat=True)) == [8]
    assert Participant.objects.count() == 2


def test_a_report_keeps_its_words_until_it_is_that_old_itself(site: Site, talk: Talk) -> None:
    key, *_ = conversation_of(talk, 2)
    bob = talk.join("bob")
    talk.do(bob, ReportFrame(conversation=key, seq=1, reason="rude"))
    talk.do(bob, ReportFrame(conversation=key, seq=2, reason="rude"))
    age(key, 2, days=31)
    Report.objects.filter(seq=2).update(created=database.now_ms() - 31 * DAY_MS)
    services.set_retention(account=None, site=site, days=30)
    retention.trim(site.pk)
    assert list(Report.objects.values_list("seq", "body")) == [(1, "message 1")]


@pytest.mark.usefixtures("small_batches")
def test_no_hole_comes_to_be_where_clocks_differ(site: Site, talk: Talk) -> None:
    """A message that looks younger than those behind it keeps them; other conversations do not wait for it."""
    key, *_ = conversation_of(talk, 10)
    cid = talk.join("cid")
    other = talk.say(cid, talk.join("ann")).conversation
    age(key, 10, days=40)
    age(other, 1, days=35)
    Message.objects.filter(conversation__key=key, seq=5).update(time=database.now_ms())
    services.set_retention(account=None, site=site, days=30)
    assert retention.trim(site.pk)
    assert list(Message.objects.order_by("seq").values_list("seq", flat=True)) == [5, 6, 7, 8, 9, 10]


@pytest.mark.usefixtures("small_batches")
def test_a_turn_that_was_cut_off_between_two_batches_is_finished_by_the_next(
    site: Site, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, *_ = conversation_of(talk, 12)
    age(key, 10, days=31)
    services.set_retention(account=None, site=site, days=30)
    breaths = iter([None, clock.Ending])

    def cut_off(worked_s: float) -> None:
        if ending := next(breaths):
            raise ending

    monkeypatch.setattr(retention, "breathe", cut_off)
    with pytest.raises(clock.Ending):
        retention.trim(site.pk)
    assert list(Message.objects.order_by("seq").values_list("seq", flat=True)) == [7, 8, 9, 10, 11, 12]
    monkeypatch.undo()
    assert retention.trim(site.pk)
    assert list(Message.objects.order_by("seq").values_list("seq", flat=True)) == [11, 12]


@pytest.mark.usefixtures("small_batches")
def test_a_very_long_turn_ends_so_that_others_get_theirs(
    site: Site, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, *_ = conversation_of(talk, 12)
    age(key, 12, days=31)
    services.set_retention(account=None, site=site, days=30)
    monkeypatch.setattr(retention, "TURN_S", -1)
    assert not retention.trim(site.pk)
    assert Message.objects.count() == 9


def test_a_deletion_moves_the_conversations_version_and_nothing_else_of_it(site: Site, talk: Talk) -> None:
    """What is kept by that version (views, unread counts) is read anew."""
    key, *_ = conversation_of(talk, 4)
    age(key, 3, days=31)
    services.set_retention(account=None, site=site, days=30)
    before = Conversation.objects.values().get()
    retention.trim(site.pk)
    after = Conversation.objects.values().get()
    assert after == before | {"version": before["version"] + 1}
    assert SiteVersion.objects.get(site=site).version == after["version"]
    retention.trim(site.pk)
    assert Conversation.objects.values().get() == after

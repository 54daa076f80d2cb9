"""Digests: who was away gets one mail about what it missed, and nobody else gets any."""

import re
from collections.abc import Callable
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from pytest_django import Settings

from avchat.tenants import services
from avchat.tenants.models import Site
from avchat.work import digest, tasks
from avchat.work.models import Subscriber
from im import database
from im.models import Member, Message
from im.protocol import BlockAdd, ConversationCreate, MessageDelete, MessageRead
from tests.support.talk import Talk

pytestmark = pytest.mark.django_db
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
def site() -> Site:
    """A site that mails, since a week ago."""
    site = Site.objects.create(name="Harbour", url="https://harbour.example")
    services.set_digest(account=None, site=site, on=True, base="https://chat.example")
    Site.objects.update(digest_since=database.now_ms() - 7 * 24 * HOUR_MS)
    site.refresh_from_db()
    return site


@pytest.fixture
def talk(site: Site) -> Talk:
    talk = Talk(site)
    # The looking begins here: what was said before is nobody's news.
    talk.join("zoe")
    digest.look_through(site.pk)
    return talk


def away(member: Member, hours: float = 1) -> Member:
    """The member left that long ago."""
    now = database.now_ms()
    visit = {"came": now - int((hours + 1) * HOUR_MS), "went": now - int(hours * HOUR_MS)}
    Subscriber.objects.update_or_create(member=member, site=member.site, defaults=visit)
    return member


def here(member: Member) -> Member:
    """The member is connected."""
    Subscriber.objects.update_or_create(member=member, site=member.site, defaults={"came": database.now_ms()})
    return member


def pass_time(hours: float) -> None:
    """All that was noted is that much longer ago."""
    for row in Subscriber.objects.all():
        for name in ("came", "went", "due", "mailed"):
            setattr(row, name, max(getattr(row, name) - int(hours * HOUR_MS), 0))
        row.due = max(row.due, 1) if Subscriber.objects.get(pk=row.pk).due else 0
        row.save()


def run(site: Site) -> None:
    """What the schedule does now, and once those who are due have waited."""
    tasks.mail_site(site.pk)
    pass_time(0.6)
    tasks.mail_site(site.pk)


def text(mail: EmailMessage) -> str:
    return str(mail.body)


def test_a_member_who_is_away_gets_one_mail_with_who_wrote_and_how_much(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage]
) -> None:
    ann, bob = talk.join("ann"), away(talk.join("bob", "bob@example.org", "https://forum.example"))
    cid = talk.join("cid")
    talk.say(ann, bob, "first words")
    talk.say(ann, bob, "last words")
    room = talk.do(ann, ConversationCreate(members=["bob", "cid"], name="Harbour night")).conversation
    talk.say(cid, room, "anybody?")
    run(site)
    (mail,) = mailoutbox
    assert mail.to == ["bob@example.org"]
    assert mail.subject == "Cid and Ann wrote to you on Harbour"
    assert "you have 3 unread messages on Harbour" in text(mail)
    assert "Ann: 2 messages" in text(mail)
    assert "Cid in Harbour night: 1 message\n" in text(mail)
    assert "https://forum.example" in text(mail)
    assert "words" not in text(mail) + str(mail.alternatives[0].content)  # type: ignore[attr-defined]
    for _ in range(3):
        run(site)
    assert len(mailoutbox) == 1


def test_a_site_that_wants_it_shows_how_messages_begin(site: Site, talk: Talk, mailoutbox: list[EmailMessage]) -> None:
    services.set_digest(account=None, site=site, on=True, excerpts=True)
    ann, bob = talk.join("ann"), away(talk.join("bob", "bob@example.org"))
    talk.say(ann, bob, "<b>one</b>\n\ntwo " + "x" * 500)
    run(site)
    (mail,) = mailoutbox
    html = str(mail.alternatives[0].content)  # type: ignore[attr-defined]
    assert "<b>one</b> two xxx" in text(mail)
    assert "x" * 140 not in text(mail)
    assert "&lt;b&gt;one&lt;/b&gt; two" in html


def test_the_site_decides_whether_there_is_mail_at_all(site: Site, talk: Talk, mailoutbox: list[EmailMessage]) -> None:
    services.set_digest(account=None, site=site, on=False)
    talk.say(talk.join("ann"), away(talk.join("bob", "bob@example.org")))
    assert digest.sites() == []
    run(site)
    assert mailoutbox == []
    # What was said while it was off is nobody's news when it is on.
    services.set_digest(account=None, site=site, on=True)
    run(site)
    assert mailoutbox == []


@pytest.mark.parametrize("where", ["here", "just gone", "never seen", "no address", "guest"])
def test_who_is_here_or_only_just_gone_or_not_known_to_be_away_gets_none(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage], where: str
) -> None:
    ann, bob = talk.join("ann"), talk.join("bob", "" if where in ("no address", "guest") else "bob@example.org")
    match where:
        case "here":
            here(bob)
        case "just gone":
            away(bob, hours=-0.5)
        case "no address":
            away(bob)
    talk.say(ann, bob)
    run(site)
    assert mailoutbox == []


def test_who_was_here_when_it_was_turned_on_is_not_taken_for_away(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage]
) -> None:
    bob = away(talk.join("bob", "bob@example.org"), hours=9 * 24)
    talk.say(talk.join("ann"), bob)
    run(site)
    assert mailoutbox == []


def test_a_coming_is_good_for_a_day_where_the_going_was_never_noted(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage]
) -> None:
    """A node that is killed does not say that its members are gone."""
    ann, bob = talk.join("ann"), here(talk.join("bob", "bob@example.org"))
    talk.say(ann, bob)
    run(site)
    assert mailoutbox == []
    pass_time(25)
    run(site)
    assert [mail.to for mail in mailoutbox] == [["bob@example.org"]]


def test_a_member_who_leaves_without_having_read_gets_its_mail_after_the_sites_minutes(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage]
) -> None:
    ann, bob = talk.join("ann"), here(talk.join("bob", "bob@example.org"))
    talk.say(ann, bob)
    run(site)
    Subscriber.objects.update(went=database.now_ms() + 1)
    tasks.mail_site(site.pk)
    assert mailoutbox == []
    run(site)
    assert len(mailoutbox) == 1


def test_who_has_read_in_the_meantime_gets_none(site: Site, talk: Talk, mailoutbox: list[EmailMessage]) -> None:
    ann, bob = talk.join("ann"), away(talk.join("bob", "bob@example.org"))
    sent = talk.say(ann, bob)
    tasks.mail_site(site.pk)
    talk.do(bob, MessageRead(conversation=sent.conversation, seq=sent.seq))
    run(site)
    assert mailoutbox == []
    assert Subscriber.objects.get(member=bob).due == 0


def test_what_was_deleted_hidden_or_comes_from_somebody_blocked_is_not_spoken_of(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage]
) -> None:
    ann, bob, cid, dee = talk.join("ann"), away(talk.join("bob", "bob@example.org")), talk.join("cid"), talk.join("dee")
    gone = talk.say(ann, bob)
    talk.do(ann, MessageDelete(conversation=gone.conversation, seq=gone.seq))
    talk.do(bob, BlockAdd(member="cid"))
    talk.say(cid, bob)
    talk.say(dee, bob)
    talk.do(bob, BlockAdd(member="dee"))
    run(site)
    assert mailoutbox == []
    talk.say(ann, bob)
    run(site)
    assert [mail.subject for mail in mailoutbox] == ["Ann wrote to you on Harbour"]


def test_another_mail_comes_once_it_was_back_or_a_day_later_and_only_about_what_is_new(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage]
) -> None:
    ann, bob = talk.join("ann"), away(talk.join("bob", "bob@example.org"))
    talk.say(ann, bob)
    run(site)
    talk.say(ann, bob)
    run(site)
    run(site)
    assert len(mailoutbox) == 1
    pass_time(24)
    run(site)
    assert len(mailoutbox) == 2
    assert "you have 1 unread message on" in text(mailoutbox[1])
    # Back, gone again, and still nothing read.
    pass_time(3)
    away(bob, hours=1)
    run(site)
    assert len(mailoutbox) == 2
    talk.say(ann, bob)
    run(site)
    assert len(mailoutbox) == 3


def test_other_sites_members_are_left_alone(site: Site, talk: Talk, mailoutbox: list[EmailMessage]) -> None:
    other = Talk(Site.objects.create(name="Elsewhere"))
    other.say(other.join("ann"), away(other.join("bob", "bob@example.org")))
    for id in digest.sites():
        tasks.mail_site(id)
    tasks.mail_site(other.site.pk)
    run(site)
    assert mailoutbox == []


def test_a_process_that_dies_while_it_sends_never_has_a_mail_sent_twice(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = talk.join("ann")
    for sub in ("bob", "cid", "dee"):
        talk.say(ann, away(talk.join(sub, f"{sub}@example.org")))

    class Killed(BaseException):
        pass

    whole = EmailBackend.send_messages

    def dies_after_two(backend: EmailBackend, mails: Any) -> int:
        sent = whole(backend, mails)
        if len(mailoutbox) == 2:
            raise Killed
        return sent

    tasks.mail_site(site.pk)
    pass_time(0.6)
    monkeypatch.setattr(EmailBackend, "send_messages", dies_after_two)
    with pytest.raises(Killed):
        tasks.mail_site(site.pk)
    monkeypatch.undo()
    run(site)
    assert sorted(mail.to[0] for mail in mailoutbox) == ["bob@example.org", "cid@example.org", "dee@example.org"]


def test_of_two_that_send_at_once_one_does(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.say(talk.join("ann"), away(talk.join("bob", "bob@example.org")))
    tasks.mail_site(site.pk)
    pass_time(0.6)
    whole = digest._missed

    def overtaken(*args: Any) -> Any:
        monkeypatch.undo()
        tasks.mail_site(site.pk)
        return whole(*args)

    monkeypatch.setattr(digest, "_missed", overtaken)
    tasks.mail_site(site.pk)
    assert len(mailoutbox) == 1


def test_a_mail_that_did_not_go_out_is_sent_later_and_keeps_nobody_waiting(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = talk.join("ann")
    talk.say(ann, away(talk.join("bob", "bob@example.org")))
    talk.say(ann, away(talk.join("cid", "cid@example.org")))
    tasks.mail_site(site.pk)
    pass_time(0.6)
    _fail_for(monkeypatch, "bob@example.org", SMTPServerDisconnected("gone"))
    with pytest.raises(SMTPServerDisconnected):
        tasks.mail_site(site.pk)
    tasks.mail_site(site.pk)
    assert [mail.to for mail in mailoutbox] == [["cid@example.org"]]
    monkeypatch.undo()
    run(site)
    assert [mail.to for mail in mailoutbox] == [["cid@example.org"], ["bob@example.org"]]


@pytest.mark.parametrize(
    "refusal",
    [SMTPRecipientsRefused({"bob@example.org": (550, b"no such user")}), SMTPDataError(554, b"not wanted")],
    ids=["no such user", "not wanted"],
)
def test_a_mail_that_is_refused_for_good_is_not_tried_again(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    talk.say(talk.join("ann"), away(talk.join("bob", "bob@example.org")))
    tasks.mail_site(site.pk)
    pass_time(0.6)
    _fail_for(monkeypatch, "bob@example.org", refusal)
    tasks.mail_site(site.pk)
    monkeypatch.undo()
    run(site)
    assert mailoutbox == []


def _fail_for(monkeypatch: pytest.MonkeyPatch, address: str, error: Exception) -> None:
    whole: Callable[..., int] = EmailBackend.send_messages

    def send(backend: EmailBackend, mails: Any) -> int:
        if mails[0].to == [address]:
            raise error
        return whole(backend, mails)

    monkeypatch.setattr(EmailBackend, "send_messages", send)


# no more of them


def stop_link(mail: EmailMessage) -> str:
    (found,) = re.findall(r"No more of these mails: https://chat\.example(/\S+)", text(mail))
    assert mail.extra_headers["List-Unsubscribe"] == f"<https://chat.example{found}>"
    assert mail.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return str(found)


def test_the_link_in_a_mail_stops_the_mails_without_a_login_and_that_can_be_undone(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage]
) -> None:
    ann, bob = talk.join("ann"), away(talk.join("bob", "bob@example.org"))
    talk.say(ann, bob)
    run(site)
    link, client = stop_link(mailoutbox[0]), Client(enforce_csrf_checks=True)
    # Mail programs look at links by themselves.
    assert "Stop these mails" in client.get(link).content.decode()
    assert not Subscriber.objects.get(member=bob).off
    assert "Undo" in client.post(link, {"letters": "off"}).content.decode()
    pass_time(25)
    talk.say(ann, bob)
    run(site)
    assert len(mailoutbox) == 1
    client.post(link, {"letters": "on"})
    pass_time(25)
    talk.say(ann, bob)
    run(site)
    assert len(mailoutbox) == 2


def test_a_mail_programs_own_button_stops_them(site: Site, talk: Talk, mailoutbox: list[EmailMessage]) -> None:
    talk.say(talk.join("ann"), away(talk.join("bob", "bob@example.org")))
    run(site)
    answer = Client(enforce_csrf_checks=True).post(stop_link(mailoutbox[0]), {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert Subscriber.objects.get().off


def test_a_link_stops_only_the_mails_of_its_own_member_and_site(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage]
) -> None:
    ann = talk.join("ann")
    bob, cid = away(talk.join("bob", "bob@example.org")), away(talk.join("cid", "cid@example.org"))
    talk.say(ann, bob)
    run(site)
    link = stop_link(mailoutbox[0])
    Client().post(link)
    assert not Subscriber.objects.get(member=cid).off
    forged = link.replace(f"{site.pk}.{bob.pk}~", f"{site.pk}.{cid.pk}~")
    assert Client().post(forged).status_code == 404
    assert Client().post("/letters/nonsense").status_code == 404
    assert not Subscriber.objects.get(member=cid).off


def test_a_link_outlives_a_change_of_the_installations_key(
    site: Site, talk: Talk, mailoutbox: list[EmailMessage], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.say(talk.join("ann"), away(talk.join("bob", "bob@example.org")))
    run(site)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert Client().get(stop_link(mailoutbox[0])).status_code == 200


def test_names_cannot_put_anything_into_a_mails_head(site: Site, talk: Talk, mailoutbox: list[EmailMessage]) -> None:
    Site.objects.update(name='Har"bour\nBcc: x@example.org')
    talk.say(talk.join("ann"), away(talk.join("bob", "bob@example.org")))
    run(site)
    (mail,) = mailoutbox
    assert mail.message()["Bcc"] is None
    assert mail.recipients() == ["bob@example.org"]
    assert mail.message()["From"].count("\n") == 0


def test_messages_are_looked_through_once(site: Site, talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = talk.join("ann")
    for sub in ("bob", "cid", "dee"):
        talk.say(ann, away(talk.join(sub, f"{sub}@example.org")))
    monkeypatch.setattr(digest, "PAGE", 2)
    assert digest.sites() == [site.pk]
    digest.look_through(site.pk)
    assert Subscriber.objects.filter(due__gt=0).count() == 3
    assert digest.sites() == []
    Subscriber.objects.update(due=0)
    digest.look_through(site.pk)
    assert Subscriber.objects.filter(due__gt=0).count() == 0
    assert Message.objects.count() == 3

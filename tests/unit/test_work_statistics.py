"""Statistics: a day's figures are what is stored, however often they are counted."""

from datetime import timedelta

import pytest
from django.utils import timezone

from avchat.tenants import services
from avchat.tenants.models import Site
from avchat.work import retention, statistics, tasks
from avchat.work.models import Day
from im.models import Member, Message
from im.protocol import ConversationCreate
from tests.support.talk import Talk

pytestmark = pytest.mark.django_db
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def site() -> Site:
    return Site.objects.create(name="Harbour")


def figures(site: Site, back: int) -> tuple[int, int, int, int]:
    day = Day.objects.get(site=site, day=timezone.now().date() - timedelta(back))
    return day.messages, day.senders, day.conversations, day.newcomers


def test_a_day_has_its_messages_who_wrote_them_where_and_who_was_new(site: Site) -> None:
    talk = Talk(site)
    ann, bob, cid = talk.join("ann"), talk.join("bob"), talk.join("cid")
    talk.say(ann, bob)
    talk.say(bob, ann)
    talk.say(ann, cid)
    talk.do(ann, ConversationCreate(members=["bob", "cid"], name="Three"))
    Message.objects.filter(sender=bob).update(time=timezone.now().timestamp() * 1000 - DAY_MS)
    Member.objects.filter(sub="cid").update(created=timezone.now().timestamp() * 1000 - DAY_MS)
    statistics.count(site.pk)
    assert figures(site, 0) == (2, 1, 2, 2)
    assert figures(site, 1) == (1, 1, 1, 1)
    assert figures(site, 2) == (0, 0, 0, 0)


def test_a_day_counted_again_is_replaced(site: Site) -> None:
    talk = Talk(site)
    ann, bob = talk.join("ann"), talk.join("bob")
    talk.say(ann, bob)
    statistics.count(site.pk)
    statistics.count(site.pk)
    assert figures(site, 0)[0] == 1
    talk.say(ann, bob)
    tasks.count_site(site.pk)
    assert figures(site, 0)[0] == 2
    assert Day.objects.filter(site=site).count() == statistics.DAYS


def test_another_sites_messages_are_not_counted(site: Site) -> None:
    other = Talk(Site.objects.create(name="Elsewhere"))
    other.say(other.join("ann"), other.join("bob"))
    statistics.count(site.pk)
    assert figures(site, 0) == (0, 0, 0, 0)


def test_a_day_that_is_over_keeps_its_figures_when_its_messages_are_deleted(site: Site) -> None:
    talk = Talk(site)
    ann, bob = talk.join("ann"), talk.join("bob")
    talk.say(ann, bob)
    Message.objects.update(time=timezone.now().timestamp() * 1000 - 5 * DAY_MS)
    services.set_retention(account=None, site=site, days=2)
    # Not counted before: the task that deletes counts first.
    tasks.trim_site(site.pk)
    assert not Message.objects.exists()
    statistics.count(site.pk)
    assert figures(site, 5) == (1, 1, 1, 0)
    assert list(retention.sites()) == []


def test_days_without_figures_are_shown_as_zeros(site: Site) -> None:
    days = statistics.last_days(site.pk)
    assert len(days) == statistics.DAYS
    assert days[-1].day == timezone.now().date()
    assert {day.messages for day in days} == {0}

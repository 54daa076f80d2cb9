"""The dashboard's pages of data, mail and statistics, and who may see them."""

import re
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import AsyncClient, Client
from pytest_django import Settings

from avchat.dashboard import chart
from avchat.tenants import directory, services
from avchat.tenants.models import Account, Site
from avchat.work import clock, exports, statistics, tasks
from avchat.work.models import Export
from im import database
from im.models import Message
from tests.support.talk import Talk

pytestmark = pytest.mark.django_db
DAY_MS = 24 * 3600 * 1000


@pytest.fixture(autouse=True)
def _nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for waits: no clock of another test takes it."""
    directory.forget()
    cache.clear()
    monkeypatch.setattr(clock, "submit", lambda task, *args, **kwargs: None)


@pytest.fixture
def maren() -> Account:
    return services.sign_up(email="maren@example.org", name="Maren Whitlock", password="kept-between-us-42")


@pytest.fixture
def site(maren: Account, settings: Settings, tmp_path: Path) -> Site:
    settings.EXPORTS = tmp_path
    return services.create_site(account=maren, name="Porchlight", url="https://porchlight.example")


@pytest.fixture
def inside(client: Client, maren: Account) -> Client:
    client.force_login(maren)
    return client


@pytest.fixture
def old(site: Site) -> Talk:
    """Five messages, of which three are forty days old."""
    talk = Talk(site)
    ann, bob = talk.join("ann"), talk.join("bob")
    for _ in range(5):
        talk.say(ann, bob)
    Message.objects.filter(seq__lte=3).update(time=database.now_ms() - 40 * DAY_MS)
    return talk


def at(site: Site, page: str) -> str:
    return f"/dashboard/sites/{site.key}/{page}"


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


# retention


@pytest.mark.usefixtures("old")
def test_before_anything_is_deleted_the_owner_sees_how_much_and_types_the_name(inside: Client, site: Site) -> None:
    answer = inside.post(at(site, "retention"), {"days": "30"})
    assert answer["Location"] == at(site, "retention/30")
    assert "<b>3 messages</b>" in text(inside, at(site, "retention/30"))
    refused = inside.post(at(site, "retention/30"), {"name": "Something"})
    assert refused.status_code == 422
    site.refresh_from_db()
    assert site.retention_days is None
    done = inside.post(at(site, "retention/30"), {"name": "Porchlight"}, follow=True)
    assert "Messages are kept for 30 days. Older ones are being deleted." in done.content.decode()
    site.refresh_from_db()
    assert site.retention_days == 30
    # Not in the request: the work is done elsewhere.
    assert Message.objects.count() == 5
    tasks.trim_site(site.pk)
    assert Message.objects.count() == 2


@pytest.mark.usefixtures("old")
def test_what_deletes_nothing_now_is_saved_at_once_and_can_be_undone(inside: Client, site: Site) -> None:
    answer = inside.post(at(site, "retention"), {"days": "100"}, follow=True).content.decode()
    assert "Messages are kept for 100 days. Nothing is deleted now." in answer
    assert re.search(r'name="days" value=""', answer)
    site.refresh_from_db()
    assert site.retention_days == 100
    inside.post(at(site, "retention"), {"days": ""})
    site.refresh_from_db()
    assert site.retention_days is None


@pytest.mark.parametrize("days", ["0", "-3", "x", "99999", "1.5"])
def test_nonsense_is_refused_at_its_field(inside: Client, site: Site, days: str) -> None:
    answer = inside.post(at(site, "retention"), {"days": days})
    assert answer.status_code == 422
    assert 'id="days-error"' in answer.content.decode()


def test_a_preview_of_a_time_that_cannot_be_is_no_page(inside: Client, site: Site) -> None:
    assert inside.get(at(site, "retention/0")).status_code == 404
    assert inside.get(at(site, "retention/99999")).status_code == 404


# mail


def test_mail_is_off_until_the_owner_turns_it_on_and_then_has_its_settings(inside: Client, site: Site) -> None:
    assert 'role="switch" aria-checked="false"' in text(inside, at(site, "data"))
    on = inside.post(at(site, "digest"), {"on": "yes"}, follow=True).content.decode()
    assert "Members are mailed what they missed." in on
    site.refresh_from_db()
    assert site.digest_since is not None
    assert (site.digest_minutes, site.digest_excerpts, site.digest_base) == (30, False, "http://testserver")
    inside.post(at(site, "digest/settings"), {"minutes": "90", "excerpts": "on"})
    since = site.digest_since
    site.refresh_from_db()
    assert (site.digest_minutes, site.digest_excerpts, site.digest_since) == (90, True, since)
    assert inside.post(at(site, "digest/settings"), {"minutes": "0"}).status_code == 422
    inside.post(at(site, "digest"), {"on": "no"})
    site.refresh_from_db()
    assert (site.digest_since, site.digest_minutes) == (None, 90)


def test_the_service_hears_at_once_that_a_site_mails(inside: Client, site: Site) -> None:
    before, _ = directory.site(site.key), inside.post(at(site, "digest"), {"on": "yes"})
    after = directory.site(site.key)
    assert before
    assert after
    assert (before.digest, after.digest) == (False, True)


# exports


def test_an_export_is_asked_for_written_elsewhere_and_then_offered(inside: Client, site: Site) -> None:
    page = inside.post(at(site, "exports"), follow=True).content.decode()
    assert "On its way" in page
    export = Export.objects.get()
    assert inside.get(at(site, f"exports/{export.key}")).status_code == 404
    tasks.write_export(export.pk)
    assert at(site, f"exports/{export.key}") in text(inside, at(site, "data/state"))


async def test_the_owner_and_nobody_else_downloads_it(transactional_db: None, site: Site, maren: Account) -> None:
    def prepare() -> tuple[Export, Account]:
        export = exports.ask(account=maren, site=site)
        tasks.write_export(export.pk)
        export.refresh_from_db()
        other = services.sign_up(email="eve@example.org", name="Eve", password="kept-between-us-43")
        return export, other

    export, other = await database.read(prepare)
    address = at(site, f"exports/{export.key}")
    client = AsyncClient()
    assert (await client.get(address)).status_code == 302
    await client.aforce_login(other)
    assert (await client.get(address)).status_code == 404
    await client.aforce_login(maren)
    answer = await client.get(address)
    whole = b"".join([chunk async for chunk in answer.streaming_content])  # type: ignore[attr-defined]
    assert whole == exports.path(export).read_bytes()
    assert int(answer["Content-Length"]) == len(whole)
    assert re.fullmatch(r'attachment; filename="porchlight-\d{4}-\d\d-\d\d\.zip"', answer["Content-Disposition"])
    assert "no-store" in answer["Cache-Control"]


# whose pages they are


@pytest.mark.parametrize("page", ["data", "data/state", "statistics", "retention/30", "exports/x"])
def test_nobody_sees_another_accounts_pages(site: Site, page: str) -> None:
    stranger = services.sign_up(email="eve@example.org", name="Eve", password="kept-between-us-43")
    assert Client().get(at(site, page)).status_code == 302
    client = Client()
    client.force_login(stranger)
    assert client.get(at(site, page)).status_code == 404


@pytest.mark.parametrize("page", ["retention", "retention/30", "digest", "digest/settings", "exports"])
def test_nobody_changes_anything_of_another_account(site: Site, page: str) -> None:
    stranger = services.sign_up(email="eve@example.org", name="Eve", password="kept-between-us-43")
    client = Client()
    client.force_login(stranger)
    before = Site.objects.filter(pk=site.pk).values().get()
    fields = {"days": "1", "name": "Porchlight", "on": "yes", "minutes": "1"}
    assert client.post(at(site, page), fields).status_code == 404
    assert Site.objects.filter(pk=site.pk).values().get() == before
    assert not Export.objects.exists()


# statistics


def test_statistics_show_today_beside_yesterday_and_each_day(inside: Client, site: Site, old: Talk) -> None:
    assert "Nothing has been said in these days." in text(inside, at(site, "statistics"))
    Message.objects.filter(seq=4).update(time=database.now_ms() - DAY_MS)
    statistics.count(site.pk)
    page = text(inside, at(site, "statistics"))
    assert re.search(r'Messages today</p>\s*<p class="number">1</p>\s*<p class="label">1 yesterday</p>', page)
    assert page.count('<rect class="bar"') == statistics.DAYS
    assert page.count('<th scope="row">') == statistics.DAYS


def test_a_charts_scale_holds_its_values_and_begins_at_zero() -> None:
    assert [chart.scale([value]) for value in (0, 4, 5, 7, 9, 10, 11, 430, 999)] == [4, 4, 6, 8, 10, 10, 20, 600, 1000]
    line = chart.sparkline([0, 10, 5])
    assert line.points == "4.0,24.0 42.0,4.0 80.0,14.0"
    assert (line.x, line.y) == (80.0, 14.0)
    assert chart.sparkline([0]).points == "4.0,24.0"

"""The dashboard: accounts, sites, and the page from which a site is installed."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import base_user
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from avchat.dashboard import limits
from avchat.tenants import directory, services, tokens
from avchat.tenants.models import Account, Secret, Site

pytestmark = pytest.mark.django_db
PASSWORD = "kept-between-us-42"


@pytest.fixture
def maren() -> Account:
    return services.sign_up(email="maren@example.org", name="Maren Whitlock", password=PASSWORD)


@pytest.fixture
def site(maren: Account) -> Site:
    site = services.create_site(account=maren, name="Porchlight", url="https://porchlight.example")
    services.add_secret(account=maren, site=site, label="First")
    return site


@pytest.fixture
def inside(client: Client, maren: Account) -> Client:
    """A browser in which Maren is logged in."""
    client.force_login(maren)
    return client


def page(client: Client, address: str, **more: Any) -> str:
    response = client.get(address, **more)
    assert response.status_code == 200
    return response.content.decode()


# accounts


def test_who_signs_up_is_logged_in_and_asked_for_a_first_site(client: Client) -> None:
    form = {"name": "Maren", "email": "Maren@Example.org", "password": PASSWORD}
    response = client.post("/dashboard/sign-up", form, follow=True)
    assert response.redirect_chain == [("/dashboard/", 302)]
    assert "Add your first site." in response.content.decode()
    assert Account.objects.get().email == "maren@example.org"


@pytest.mark.django_db(transaction=True)
def test_no_transaction_waits_for_a_password_to_be_hashed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[bool] = []

    def hashing(password: str | None) -> str:
        waiting.append(connection.in_atomic_block)
        return make_password(password)

    monkeypatch.setattr(base_user, "make_password", hashing)
    client.post("/dashboard/sign-up", {"name": "Maren", "email": "maren@example.org", "password": PASSWORD})
    assert waiting == [False]
    assert Account.objects.get().check_password(PASSWORD)


def test_what_is_wrong_with_a_sign_up_is_said_at_its_field(client: Client, maren: Account) -> None:
    form = {"name": "Maren", "email": "maren@example.org", "password": "short"}
    response = client.post("/dashboard/sign-up", form)
    assert response.status_code == 422
    assert re.search(r'id="email-error".*?already', response.content.decode(), re.DOTALL)
    form["email"] = "new@example.org"
    text = client.post("/dashboard/sign-up", form).content.decode()
    assert re.search(r'id="password-error".*?too short', text, re.DOTALL)
    assert re.search(r'<input[^>]*name="password"[^>]*aria-describedby="password-help password-error"', text)
    assert "short" not in re.findall(r'value="([^"]*)"', text)


def test_logging_in_takes_the_right_password(client: Client, maren: Account) -> None:
    wrong = client.post("/dashboard/log-in", {"username": "maren@example.org", "password": "x"})
    assert wrong.status_code == 422
    assert "do not go together" in wrong.content.decode()
    assert client.get("/dashboard/").status_code == 302
    right = client.post("/dashboard/log-in", {"username": "MAREN@example.org", "password": PASSWORD})
    assert right["Location"] == "/dashboard/"
    assert client.get("/dashboard/").status_code == 200


def test_logging_in_makes_a_new_session(client: Client, maren: Account) -> None:
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    client.cookies["sessionid"] = planted
    client.post("/dashboard/log-in", {"username": "maren@example.org", "password": PASSWORD})
    assert client.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/dashboard/account", "/dashboard/account"),
        ("https://evil.example/", "/dashboard/"),
        ("//evil.example/", "/dashboard/"),
        ("javascript:alert(1)", "/dashboard/"),
    ],
)
def test_logging_in_leads_on_but_never_to_another_site(
    client: Client, maren: Account, wanted: str, reached: str
) -> None:
    form = {"username": "maren@example.org", "password": PASSWORD, "next": wanted}
    assert client.post("/dashboard/log-in", form)["Location"] == reached


def test_guessing_a_password_is_stopped_even_where_the_next_guess_is_right(client: Client, maren: Account) -> None:
    for _ in range(limits.FAILURES_PER_ACCOUNT):
        client.post("/dashboard/log-in", {"username": "maren@example.org", "password": "x"})
    form = {"username": " MAREN@example.org", "password": PASSWORD}
    response = client.post("/dashboard/log-in", form)
    assert response.status_code == 429
    assert "Wait ten minutes" in response.content.decode()
    assert client.post("/dashboard/log-in", form, REMOTE_ADDR="198.51.100.7").status_code == 302


def test_one_address_cannot_guess_at_many_accounts(client: Client, maren: Account) -> None:
    request = RequestFactory().post("/dashboard/log-in")
    for number in range(limits.FAILURES_PER_ADDRESS):
        limits.note_failure(request, f"{number}@example.org")
    form = {"username": "maren@example.org", "password": PASSWORD}
    assert client.post("/dashboard/log-in", form).status_code == 429


def test_behind_a_trusted_proxy_each_client_has_tries_of_its_own(
    client: Client, maren: Account, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    form = {"username": "maren@example.org", "password": "x"}
    for _ in range(limits.FAILURES_PER_ACCOUNT):
        client.post("/dashboard/log-in", form, headers={"X-Forwarded-For": "203.0.113.1, 198.51.100.7"})
    assert client.post("/dashboard/log-in", form, headers={"X-Forwarded-For": "198.51.100.7"}).status_code == 429
    assert client.post("/dashboard/log-in", form, headers={"X-Forwarded-For": "198.51.100.8"}).status_code == 422
    settings.TRUSTED_PROXIES = []
    for _ in range(limits.FAILURES_PER_ACCOUNT):
        client.post("/dashboard/log-in", form)
    assert client.post("/dashboard/log-in", form, headers={"X-Forwarded-For": "198.51.100.9"}).status_code == 429


def test_one_address_cannot_make_accounts_without_end(client: Client) -> None:
    for number in range(limits.SIGN_UPS_PER_ADDRESS + 1):
        form = {"name": "X", "email": f"{number}@example.org", "password": PASSWORD}
        response = Client().post("/dashboard/sign-up", form)
    assert response.status_code == 422
    assert Account.objects.count() == limits.SIGN_UPS_PER_ADDRESS


def test_logging_out_takes_more_than_a_link(inside: Client) -> None:
    assert inside.get("/dashboard/log-out").status_code == 405
    inside.post("/dashboard/log-out")
    assert inside.get("/dashboard/").status_code == 302


def test_a_new_password_logs_other_browsers_out(inside: Client, maren: Account) -> None:
    elsewhere = Client()
    elsewhere.force_login(maren)
    new = "another-one-for-us-43"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert inside.post("/dashboard/account", {**form, "old_password": "x"}).status_code == 422
    assert inside.post("/dashboard/account", form, follow=True).status_code == 200
    assert inside.get("/dashboard/").status_code == 200
    assert elsewhere.get("/dashboard/").status_code == 302
    maren.refresh_from_db()
    assert maren.check_password(new)


# who may see what


PAGES = ["", "state"]
DEEDS = ["origins", "guests", "secrets"]


def test_nobody_sees_anything_without_logging_in(client: Client, site: Site) -> None:
    for address in ("", "account", "add-site", *(f"sites/{site.key}/{name}" for name in PAGES + DEEDS)):
        method = client.post if address.rpartition("/")[2] in DEEDS else client.get
        response = method(f"/dashboard/{address}")
        assert response.status_code in (302, 405)
        assert response.status_code == 405 or response["Location"].startswith("/dashboard/log-in?next=")


def test_another_accounts_site_is_not_there(client: Client, site: Site) -> None:
    client.force_login(services.sign_up(email="other@example.org", name="Other", password=PASSWORD))
    kid = site.secrets.get().kid
    assert client.get("/dashboard/").content.decode().count("Porchlight") == 0
    for name in PAGES:
        assert client.get(f"/dashboard/sites/{site.key}/{name}").status_code == 404
    assert client.get(f"/dashboard/sites/{site.key}/secrets/{kid}/retire").status_code == 404
    assert client.post(f"/dashboard/sites/{site.key}/secrets/{kid}/retire", {"name": "Porchlight"}).status_code == 404
    forms = {"origins": {"origin": "https://evil.example"}, "guests": {"allowed": "yes"}, "secrets": {"label": "mine"}}
    for name in DEEDS:
        assert client.post(f"/dashboard/sites/{site.key}/{name}", forms[name]).status_code == 404
    site.refresh_from_db()
    assert not site.guests
    assert site.secrets.count() == 1
    assert site.origins.count() == 1


def test_a_deed_from_another_sites_form_is_refused(maren: Account, site: Site) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(maren)
    for name in DEEDS:
        assert client.post(f"/dashboard/sites/{site.key}/{name}", {"allowed": "yes"}).status_code == 403


def test_no_page_runs_anything_inline_or_may_be_framed_or_kept(inside: Client, site: Site) -> None:
    for address in ("", "account", "add-site", f"sites/{site.key}/"):
        response = inside.get(f"/dashboard/{address}")
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "no-store" in response["Cache-Control"]
        text = response.content.decode()
        assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=", text)
        for address in re.findall(r'(?:href|src)="(/dashboard/files/[^"]+)"', text):
            found = inside.get(address)
            assert found.status_code == 200
            assert "immutable" in found["Cache-Control"]


@pytest.mark.parametrize("name", ["../page.py", "nothing.css", "%2e%2e%2fpage.py"])
def test_the_dashboards_files_are_its_files_only(client: Client, name: str) -> None:
    assert client.get(f"/dashboard/files/0/{name}").status_code == 404


# sites


def test_a_site_is_added_with_its_name_and_address_and_then_installed(inside: Client) -> None:
    form = {"name": "Porchlight", "url": "porchlight.example/forum"}
    response = inside.post("/dashboard/add-site", form, follow=True)
    site = Site.objects.get()
    assert response.redirect_chain == [(f"/dashboard/sites/{site.key}/", 302)]
    assert [each.origin for each in site.origins.all()] == ["https://porchlight.example"]
    text = response.content.decode()
    assert f"http://testserver/embed/{site.key}.js" in text
    assert "Waiting for the first page" in text
    (secret,) = directory.site(site.key).secrets.values()
    assert secret in text


@pytest.mark.parametrize(
    "form", [{"name": "", "url": "x.example"}, {"name": "X", "url": "ftp://x"}, {"name": "X", "url": ""}]
)
def test_a_site_without_a_name_or_an_address_is_not_added(inside: Client, form: dict[str, str]) -> None:
    assert inside.post("/dashboard/add-site", form).status_code == 422
    assert not Site.objects.exists()


def test_all_sites_shows_each_with_its_state(inside: Client, maren: Account, site: Site) -> None:
    services.note_connection(site.pk, "https://porchlight.example", "")
    services.create_site(account=maren, name="Hollin Hill Cat Rescue")
    gone = services.create_site(account=maren, name="Class of ’98")
    then = timezone.now() - timedelta(days=2, hours=1)
    Site.objects.filter(pk=gone.pk).update(first_seen=then, last_seen=then)
    rows = re.findall(r"<tr>.*?</tr>", page(inside, "/dashboard/"), re.DOTALL)[1:]
    assert [
        ("Connected" in row, "Waiting for the first page" in row, "Not seen for 2 days" in row) for row in rows
    ] == [
        (False, False, True),
        (False, True, False),
        (True, False, False),
    ]


def test_a_search_field_comes_with_the_eighth_site_and_finds(inside: Client, maren: Account) -> None:
    for number in range(7):
        services.create_site(account=maren, name=f"Site {number}")
    assert "Find a site" not in page(inside, "/dashboard/")
    services.create_site(account=maren, name="Porchlight", url="stars.example")
    assert "Find a site" in page(inside, "/dashboard/")
    for query in ("porch", "stars.ex"):
        found = page(inside, "/dashboard/", data={"q": query})
        assert "Porchlight" in found
        assert "Site 3" not in found
    assert "No site called “Galileo”." in page(inside, "/dashboard/", data={"q": "Galileo"})


def test_a_name_that_is_markup_is_only_text(inside: Client, maren: Account) -> None:
    site = services.create_site(account=maren, name="<img src=x onerror=alert(1)>", url="x.example")
    for address in ("/dashboard/", f"/dashboard/sites/{site.key}/"):
        assert "<img" not in page(inside, address)


def test_a_page_that_is_not_there_says_so_in_words(client: Client) -> None:
    response = client.get("/dashboard/nothing")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()


def test_who_comes_to_the_front_door_is_led_on(client: Client) -> None:
    assert client.get("/")["Location"] == "/dashboard/"


# installing


def test_a_secret_is_shown_once(inside: Client, site: Site) -> None:
    response = inside.post(f"/dashboard/sites/{site.key}/secrets", {"label": "2027"}, follow=True)
    secret = list(directory.site(site.key).secrets.values())[-1]
    shown = response.content.decode()
    assert shown.count(secret) == 1
    # The page opens where the secret is, not above or below it.
    place = response.redirect_chain[-1][0].partition("#")[2]
    assert f'id="{place}"' in shown.partition(secret)[0].rpartition("<section")[2]
    again = page(inside, f"/dashboard/sites/{site.key}/")
    assert secret not in again
    assert secret[-4:] in again
    assert "2027" in again


def test_a_secret_that_waits_to_be_shown_is_not_readable_in_the_database(inside: Client, site: Site) -> None:
    inside.post(f"/dashboard/sites/{site.key}/secrets", {"label": "2027"})
    secret = list(directory.site(site.key).secrets.values())[-1]
    kept = [session.get_decoded() for session in Session.objects.all()]
    assert "new_secret" in repr(kept)
    assert secret not in repr(kept)


def test_a_secret_is_retired_only_when_the_sites_name_is_typed(inside: Client, site: Site) -> None:
    kid = site.secrets.get().kid
    address = f"/dashboard/sites/{site.key}/secrets/{kid}/retire"
    assert "Retire" in page(inside, address)
    assert inside.post(address, {"name": "Porch"}).status_code == 422
    assert site.secrets.count() == 1
    response = inside.post(address, {"name": "Porchlight"}, follow=True)
    assert "First is retired." in response.content.decode()
    assert site.secrets.count() == 0


def test_secrets_say_whether_they_are_used(inside: Client, maren: Account, site: Site) -> None:
    address = f"/dashboard/sites/{site.key}/"
    assert "Not used yet" in page(inside, address)
    Secret.objects.update(last_used=timezone.now() - timedelta(days=30))
    assert "Idle 30 days" in page(inside, address)
    services.note_connection(site.pk, "https://porchlight.example", site.secrets.get().kid)
    assert page(inside, address).count("In use") == 2


def test_an_origin_is_added_as_browsers_write_it_and_removed_with_a_way_back(inside: Client, site: Site) -> None:
    address = f"/dashboard/sites/{site.key}/origins"
    assert "https://forum.example" in inside.post(address, {"origin": "Forum.Example/x"}, follow=True).content.decode()
    removed = inside.post(address, {"remove": "https://forum.example"}, follow=True).content.decode()
    assert "https://forum.example is removed." in removed
    assert "https://forum.example" not in _origins(site)
    (undo,) = re.findall(r'<input type="hidden" name="origin" value="([^"]*)">', removed)
    inside.post(address, {"origin": undo})
    assert "https://forum.example" in _origins(site)
    assert "is removed" not in page(inside, f"/dashboard/sites/{site.key}/")


def test_a_bad_origin_is_refused_at_its_field_and_kept_there(inside: Client, site: Site) -> None:
    response = inside.post(f"/dashboard/sites/{site.key}/origins", {"origin": "https://*.example"})
    assert response.status_code == 422
    text = response.content.decode()
    assert re.search(r'id="origin-error".*?without \*', text, re.DOTALL)
    assert 'value="https://*.example"' in text


def test_guests_are_let_in_at_once_and_with_a_way_back(inside: Client, site: Site) -> None:
    address = f"/dashboard/sites/{site.key}/guests"
    text = inside.post(address, {"allowed": "yes"}, follow=True).content.decode()
    assert directory.site(site.key).guests
    assert 'aria-checked="true"' in text
    (undo,) = re.findall(r'<input type="hidden" name="allowed" value="([^"]*)">', text)
    inside.post(address, {"allowed": undo})
    assert not directory.site(site.key).guests


def test_the_first_member_who_connects_is_checked_off(inside: Client, site: Site) -> None:
    address = f"/dashboard/sites/{site.key}/state"
    before = page(inside, address)
    assert "Waiting for the first member to connect" in before
    assert before.count("Not used yet") == 2
    services.note_connection(site.pk, "https://porchlight.example", site.secrets.get().kid)
    after = page(inside, address)
    assert after.count("In use") == 2
    places = re.findall(r'data-into="([^"]+)"', page(inside, f"/dashboard/sites/{site.key}/"))
    assert sorted(places) == sorted(re.findall(r'data-piece="([^"]+)"', after))
    assert "Connected" in after
    assert "First member connected on" in after
    assert "porchlight.example" in after


def test_the_service_can_be_reached_at_another_address_than_asked(
    inside: Client, site: Site, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://chat.example"
    assert f"https://chat.example/embed/{site.key}.js" in page(inside, f"/dashboard/sites/{site.key}/")


def test_a_token_of_the_sites_new_secret_lets_a_member_in(inside: Client) -> None:
    inside.post("/dashboard/add-site", {"name": "Porchlight", "url": "porchlight.example"})
    info = directory.site(Site.objects.get().key)
    assert info
    assert tokens.verify(info.key, tokens.mint(info, "ann", "Ann")).sub == "ann"


def _origins(site: Site) -> list[str]:
    return [each.origin for each in site.origins.all()]

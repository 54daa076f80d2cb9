"""A new password by mail: who asks learns nothing, who has the link gets in, and nobody is flooded."""

import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils.http import urlsafe_base64_encode
from pytest_django import Settings

from avchat.dashboard import limits
from avchat.dashboard.post import POST
from avchat.tenants import services
from avchat.tenants.models import Account

pytestmark = pytest.mark.django_db
OLD = "kept-between-us-42"
NEW = "another-one-for-us-43"


@pytest.fixture
def maren() -> Account:
    return services.sign_up(email="maren@example.org", name="Maren Whitlock", password=OLD)


def ask(client: Client, email: str = "maren@example.org", **more: Any) -> Any:
    """Ask for a link, and wait until the post has gone out."""
    response = client.post("/dashboard/reset", {"email": email}, **more)
    POST.submit(bool).result()
    return response


def link(mail: EmailMessage) -> str:
    (path,) = re.findall(r"^http://testserver(/\S+)$", str(mail.body), re.MULTILINE)
    return str(path)


def choose(client: Client, address: str, password: str = NEW, again: str | None = None) -> Any:
    """Follow the link to the form that hides its token, and fill it in."""
    form = client.get(address, follow=True).redirect_chain[-1][0]
    return client.post(form, {"new_password1": password, "new_password2": again or password}, follow=True)


def test_who_forgot_a_password_chooses_another_by_the_mailed_link_and_is_in(
    client: Client, maren: Account, mailoutbox: list[EmailMessage]
) -> None:
    elsewhere = Client()
    elsewhere.force_login(maren)
    assert 'href="/dashboard/reset"' in client.get("/dashboard/log-in").content.decode()
    assert ask(client)["Location"] == "/dashboard/reset/sent"
    (mail,) = mailoutbox
    assert mail.to == ["maren@example.org"]
    response = choose(client, link(mail))
    assert response.redirect_chain == [("/dashboard/", 302)]
    assert "Your password is changed." in response.content.decode()
    assert elsewhere.get("/dashboard/").status_code == 302
    maren.refresh_from_db()
    assert maren.check_password(NEW)


def test_too_many_wrong_passwords_do_not_keep_the_owner_of_the_mailbox_out(
    client: Client, maren: Account, mailoutbox: list[EmailMessage]
) -> None:
    for _ in range(limits.FAILURES_PER_ACCOUNT + 1):
        client.post("/dashboard/log-in", {"username": "maren@example.org", "password": "x"})
    ask(client)
    choose(client, link(mailoutbox[0]))
    assert client.get("/dashboard/").status_code == 200


def test_an_address_without_an_account_is_answered_just_the_same(
    client: Client, maren: Account, mailoutbox: list[EmailMessage]
) -> None:
    Account.objects.create_user("closed@example.org", OLD, name="Closed", is_active=False)
    answers = {ask(client, email).serialize() for email in ("nobody@example.org", "closed@example.org")}
    assert mailoutbox == []
    assert answers == {ask(client, "MAREN@example.org").serialize()}
    assert len(mailoutbox) == 1


def test_the_answer_does_not_wait_for_the_post(
    client: Client, maren: Account, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[EmailMessage]
) -> None:
    answered = Event()

    def send(self: EmailBackend, messages: list[EmailMessage]) -> int:
        assert answered.wait(10)
        mailoutbox.extend(messages)
        return len(messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send)
    response = client.post("/dashboard/reset", {"email": "maren@example.org"})
    assert response.status_code == 302
    assert mailoutbox == []
    answered.set()
    POST.submit(bool).result()
    assert len(mailoutbox) == 1


def test_post_that_cannot_be_sent_is_logged_and_does_not_stop_the_next(
    client: Client,
    maren: Account,
    monkeypatch: pytest.MonkeyPatch,
    mailoutbox: list[EmailMessage],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(EmailBackend, "send_messages", lambda self, messages: 1 // 0)
        assert ask(client).status_code == 302
    assert "Failed to send" in caplog.text
    ask(client)
    assert len(mailoutbox) == 1


def test_the_mail_is_plain_short_and_says_nothing_that_somebody_else_wrote(
    client: Client, mailoutbox: list[EmailMessage], settings: Settings
) -> None:
    settings.DEFAULT_FROM_EMAIL = "AVChat IM <chat@example.org>"
    services.sign_up(email="o'byrne@example.org", name="You won! Go to evil.example", password=OLD)
    ask(client, "o'byrne@example.org")
    (mail,) = mailoutbox
    assert mail.from_email == "AVChat IM <chat@example.org>"
    assert mail.subject == "Choose a new password for AVChat IM"
    text = str(mail.body)
    assert "o'byrne@example.org" in text
    assert "evil.example" not in text
    assert mail.message().get_content_type() == "text/plain"
    assert len(text.split()) < 60


def test_the_link_leads_to_the_services_public_address(
    client: Client, maren: Account, mailoutbox: list[EmailMessage], settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://chat.example"
    ask(client)
    assert re.search(r"^https://chat\.example/dashboard/reset/\S+$", str(mailoutbox[0].body), re.MULTILINE)


def test_a_request_under_a_strange_name_sends_no_mail(
    client: Client, maren: Account, mailoutbox: list[EmailMessage]
) -> None:
    assert ask(client, headers={"Host": "evil.example"}).status_code == 400
    assert mailoutbox == []


def test_a_link_is_good_for_one_new_password(client: Client, maren: Account, mailoutbox: list[EmailMessage]) -> None:
    ask(client)
    address = link(mailoutbox[0])
    choose(client, address)
    again = Client().get(address)
    assert again.status_code == 410
    assert "This link no longer works" in again.content.decode()


def test_a_link_is_good_for_an_hour(
    client: Client, maren: Account, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(client)
    address = link(mailoutbox[0])
    for minutes, status in ((59, 302), (61, 410)):
        then = datetime.now() + timedelta(minutes=minutes)  # noqa: DTZ005 - as the generator's own clock
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self, then=then: then)
        assert Client().get(address).status_code == status


@pytest.mark.parametrize("who", ["x", "MQ", "~", "Ojo6", urlsafe_base64_encode(b"9" * 30), "9" * 5000])
@pytest.mark.parametrize("token", ["y", "set-password", "d-0", "9" * 5000])
def test_a_link_that_nobody_sent_opens_nothing(client: Client, maren: Account, who: str, token: str) -> None:
    address = f"/dashboard/reset/{who}/{token}"
    assert client.get(address).status_code == 410
    assert client.post(address, {"new_password1": NEW, "new_password2": NEW}).status_code == 410
    maren.refresh_from_db()
    assert maren.check_password(OLD)


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [("short", "short", "too short"), (NEW, "different", "didn’t match"), ("x" * 1025, "x" * 1025, "at most 1024")],
)
def test_a_bad_new_password_is_refused_at_its_field(
    client: Client, maren: Account, mailoutbox: list[EmailMessage], password: str, again: str, said: str
) -> None:
    ask(client)
    response = choose(client, link(mailoutbox[0]), password, again)
    assert response.status_code == 422
    assert re.search(rf'id="new_password[12]-error".*?{said}', response.content.decode(), re.DOTALL)
    maren.refresh_from_db()
    assert maren.check_password(OLD)


@pytest.mark.parametrize("email", ["", "maren", "maren@example.org\nBcc: all@example.org", "m" * 250 + "@example.org"])
def test_what_is_no_address_is_refused_at_its_field(client: Client, mailoutbox: list[EmailMessage], email: str) -> None:
    response = ask(client, email)
    assert response.status_code == 422
    assert 'id="email-error"' in response.content.decode()
    assert mailoutbox == []


def test_nobodys_mailbox_is_flooded_from_however_many_addresses(
    client: Client, maren: Account, mailoutbox: list[EmailMessage]
) -> None:
    for number in range(limits.RESETS_PER_ACCOUNT):
        assert ask(client, REMOTE_ADDR=f"198.51.100.{number}").status_code == 302
    response = ask(client, " MAREN@example.org", REMOTE_ADDR="198.51.100.99")
    assert response.status_code == 429
    assert "Wait ten minutes" in response.content.decode()
    assert len(mailoutbox) == limits.RESETS_PER_ACCOUNT


def test_an_address_without_an_account_is_counted_just_the_same(client: Client) -> None:
    statuses = [ask(client, "nobody@example.org").status_code for _ in range(limits.RESETS_PER_ACCOUNT + 1)]
    assert statuses == [302] * limits.RESETS_PER_ACCOUNT + [429]


def test_one_address_cannot_ask_for_many_accounts(
    client: Client, maren: Account, mailoutbox: list[EmailMessage]
) -> None:
    for number in range(limits.RESETS_PER_ADDRESS):
        ask(client, f"{number}@example.org")
    assert ask(client).status_code == 429
    assert mailoutbox == []
    assert ask(client, REMOTE_ADDR="198.51.100.7").status_code == 302


def test_the_pages_of_a_reset_keep_the_dashboards_policy(
    client: Client, maren: Account, mailoutbox: list[EmailMessage]
) -> None:
    ask(client)
    chosen = client.get(link(mailoutbox[0]), follow=True)
    for response in (client.get("/dashboard/reset"), client.get("/dashboard/reset/sent"), chosen):
        assert response.status_code == 200
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert "no-store" in response["Cache-Control"]
    assert chosen.redirect_chain[-1][0].endswith("/set-password")


def test_mail_goes_where_the_operator_says_and_never_waits_without_end() -> None:
    script = (
        "from avchat import settings as s; print(s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_USE_TLS, s.DEFAULT_FROM_EMAIL)"
    )
    operator = {"AVCHAT_EMAIL_URL": "smtp+tls://u:p@mail.example:587", "AVCHAT_MAIL_FROM": "Chat <chat@example.org>"}
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **operator}, capture_output=True, text=True
    )
    assert done.stdout == "mail.example 587 True Chat <chat@example.org>\n"
    assert get_connection("django.core.mail.backends.smtp.EmailBackend").timeout

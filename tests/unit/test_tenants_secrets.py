"""Secrets are the site's alone: not the database's, and not another account's."""

from io import StringIO

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from avchat.tenants import crypto, directory, services, tokens
from avchat.tenants.models import Account, Secret, Site

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return services.sign_up(email="maren@example.org", name="Maren", password="kept-between-us-42")


@pytest.fixture
def site(account: Account) -> Site:
    return services.create_site(account=account, name="Porchlight", url="https://porchlight.example")


def _everything_in_the_database() -> str:
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows += cursor.fetchall()
    return repr(rows)


def test_a_leaked_database_does_not_hand_out_a_secret(account: Account, site: Site) -> None:
    _, text = services.add_secret(account=account, site=site, label="2026")
    stored = _everything_in_the_database()
    assert "2026" in stored
    assert text not in stored
    assert text[3:20] not in stored


def test_a_secret_signs_and_another_may_be_added_before_it_is_retired(account: Account, site: Site) -> None:
    old, _ = services.add_secret(account=account, site=site, label="2025")
    by_old = tokens.mint(directory.site(site.key), "ann", "Ann")
    new, _ = services.add_secret(account=account, site=site, label="2026")
    by_new = tokens.mint(directory.site(site.key), "ann", "Ann")
    assert tokens.verify(site.key, by_old).kid == old.kid
    assert tokens.verify(site.key, by_new).kid == new.kid


def test_a_retired_secret_no_longer_signs_members_in(account: Account, site: Site) -> None:
    old, _ = services.add_secret(account=account, site=site, label="2025")
    token = tokens.mint(directory.site(site.key), "ann", "Ann")
    services.retire_secret(account=account, site=site, kid=old.kid)
    with pytest.raises(tokens.TokenError, match="does not have"):
        tokens.verify(site.key, token)


def test_a_site_has_no_more_secrets_than_anybody_needs(account: Account, site: Site) -> None:
    for _ in range(services.SECRETS_PER_SITE):
        services.add_secret(account=account, site=site, label="")
    with pytest.raises(ValidationError, match="Retire one first"):
        services.add_secret(account=account, site=site, label="")


def test_a_secret_outlives_a_change_of_the_installations_key(account: Account, site: Site, settings: Settings) -> None:
    _, text = services.add_secret(account=account, site=site, label="2026")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of fifty characters, at least, it is said here"
    directory.forget()
    assert list(directory.site(site.key).secrets.values()) == [text]


def test_after_re_encryption_the_old_key_is_not_needed_any_more(
    account: Account, site: Site, settings: Settings
) -> None:
    _, text = services.add_secret(account=account, site=site, label="2026")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of fifty characters, at least, it is said here"
    call_command("reencrypt_secrets", stdout=StringIO())
    settings.SECRET_KEY_FALLBACKS = []
    directory.forget()
    assert list(directory.site(site.key).secrets.values()) == [text]


def test_a_lost_key_is_said_and_changes_nothing(account: Account, site: Site, settings: Settings) -> None:
    secret, _ = services.add_secret(account=account, site=site, label="2026")
    before = bytes(secret.ciphertext)
    settings.SECRET_KEY = "another key of fifty characters, at least, it is said here"
    with pytest.raises(CommandError, match="AVCHAT_SECRET_KEY_FALLBACKS"):
        call_command("reencrypt_secrets", stdout=StringIO())
    assert bytes(Secret.objects.get(pk=secret.pk).ciphertext) == before


def test_a_secret_under_a_lost_key_signs_nobody_in_and_harms_no_other(
    account: Account, site: Site, settings: Settings
) -> None:
    services.add_secret(account=account, site=site, label="lost")
    settings.SECRET_KEY = "another key of fifty characters, at least, it is said here"
    kept, _ = services.add_secret(account=account, site=site, label="kept")
    directory.forget()
    assert list(directory.site(site.key).secrets) == [kept.kid]


def test_keys_for_different_purposes_share_nothing() -> None:
    assert crypto.derive("guests of a")[0] != crypto.derive("guests of b")[0]


def test_only_the_owner_changes_a_site(account: Account, site: Site) -> None:
    other = services.sign_up(email="other@example.org", name="Other", password="kept-between-us-42")
    secret, _ = services.add_secret(account=account, site=site, label="2026")
    for asked_by in (other, None):
        with pytest.raises(PermissionDenied):
            services.add_secret(account=asked_by, site=site, label="")
        with pytest.raises(PermissionDenied):
            services.retire_secret(account=asked_by, site=site, kid=secret.kid)
        with pytest.raises(PermissionDenied):
            services.add_origin(account=asked_by, site=site, origin="https://evil.example")
        with pytest.raises(PermissionDenied):
            services.remove_origin(account=asked_by, site=site, origin="https://porchlight.example")
        with pytest.raises(PermissionDenied):
            services.set_guests(account=asked_by, site=site, allowed=True)
    site.refresh_from_db()
    assert not site.guests
    assert [each.origin for each in site.origins.all()] == ["https://porchlight.example"]
    assert site.secrets.count() == 1


def test_an_address_has_one_account_however_it_is_written(account: Account) -> None:
    with pytest.raises(ValidationError, match="already"):
        services.sign_up(email=" Maren@Example.ORG", name="Maren", password="kept-between-us-42")


@pytest.mark.parametrize("password", ["short-1", "password1234", "maren@example", "1234567890"])
def test_a_password_that_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        services.sign_up(email="maren@example.org", name="Maren", password=password)

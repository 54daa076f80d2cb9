"""Sites in memcached: no secret in the clear, and every process sees a change as soon as it is told."""

from collections.abc import Callable

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from avchat import cache
from avchat.tenants import directory, services, tokens
from avchat.tenants.models import Account, Site
from tests.support.memcached import Memcached


@pytest.fixture
def site(transactional_db: None, memcached: Memcached, share: Callable[..., None]) -> Site:
    share(memcached)
    return services.create_site(account=None, name="Porchlight", url="https://porchlight.example", grace=3)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the sites whose changes were told to other processes."""
    keys: list[str] = []
    monkeypatch.setattr(directory, "changed", [keys.append])
    return keys


def _info(site: Site) -> directory.SiteInfo:
    info = directory.site(site.key)
    assert info
    return info


def _tombstones_are_over(site: Site) -> None:
    cache._client().clear()


def test_another_process_asks_memcached_before_the_database(
    site: Site, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _tombstones_are_over(site)
    first = _info(site)
    directory.forget()
    with django_assert_num_queries(0):
        assert _info(site) == first


def test_no_secret_lies_in_memcached_in_the_clear(site: Site, memcached: Memcached) -> None:
    _, text = services.add_secret(account=None, site=site, label="")
    _tombstones_are_over(site)
    assert text in _info(site).secrets.values()
    directory.forget()
    assert text in _info(site).secrets.values()
    assert tokens.verify(site.key, tokens.mint(_info(site), "ann", "Ann")).sub == "ann"
    (value,) = memcached.contents().values()
    assert b"Porchlight" in value
    assert text.encode() not in value
    assert b"pickle" not in value
    assert value.startswith(b"{")


def test_every_change_made_elsewhere_is_seen_as_soon_as_this_process_is_told(site: Site) -> None:
    _tombstones_are_over(site)
    _info(site)
    before = dict(directory._known)
    services.set_guests(account=None, site=site, allowed=True)
    # This process is one that was not told yet, and the change another's.
    directory._known.update(before)
    assert not _info(site).guests
    directory.forget(site.key)
    assert _info(site).guests


def test_forgetting_one_site_forgets_no_other(site: Site, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    other = services.create_site(account=None, name="Harbour")
    first = _info(other)
    directory.forget(site.key)
    assert _info(other) is first


def test_other_processes_are_told_of_a_change_once_it_is_stored(site: Site, told: list[str]) -> None:
    with transaction.atomic():
        services.set_guests(account=None, site=site, allowed=True)
        assert told == []
    assert told == [site.key]
    services.add_origin(account=None, site=site, origin="https://other.example")
    secret, _ = services.add_secret(account=None, site=site, label="")
    services.retire_secret(account=None, site=site, kid=secret.kid)
    services.remove_origin(account=None, site=site, origin="https://other.example")
    assert told == [site.key] * 5


def test_other_processes_are_told_of_a_site_that_goes_with_its_account(told: list[str], transactional_db: None) -> None:
    owner = Account.objects.create_user("owner@example.org", "correct horse", name="Owner")
    site = services.create_site(account=owner, name="Harbour", url="https://harbour.example")
    _info(site)
    told.clear()
    owner.delete()
    assert set(told) == {site.key}
    assert directory.site(site.key) is None


def test_nobody_is_told_of_a_change_that_is_not_stored(site: Site, told: list[str]) -> None:
    with transaction.atomic():
        services.set_guests(account=None, site=site, allowed=True)
        transaction.set_rollback(True)
    assert told == []
    assert not _info(site).guests


def test_a_change_that_cannot_be_told_is_made(site: Site, monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    def fail(key: str) -> None:
        raise ConnectionError

    monkeypatch.setattr(directory, "changed", [fail, told.append])
    services.set_guests(account=None, site=site, allowed=True)
    assert _info(site).guests
    assert told == [site.key]


def test_a_change_is_seen_though_memcached_is_gone(site: Site, memcached: Memcached) -> None:
    _tombstones_are_over(site)
    assert not _info(site).guests
    memcached.kill()
    services.set_guests(account=None, site=site, allowed=True)
    assert _info(site).guests
    memcached.start()
    directory.forget()
    assert _info(site).guests

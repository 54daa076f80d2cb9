"""The directory of sites: in memory, and never out of date for long."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries

from avchat.tenants import directory, services
from avchat.tenants.models import Site


@pytest.fixture
def site(db: None) -> Site:
    return services.create_site(account=None, name="Porchlight", url="https://porchlight.example", grace=3)


def _info(site: Site) -> directory.SiteInfo:
    info = directory.site(site.key)
    assert info
    return info


def test_a_site_is_asked_for_once(site: Site, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    first = _info(site)
    with django_assert_num_queries(0):
        assert _info(site) is first


def test_a_site_that_is_not_there_is_asked_for_once(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    assert directory.site("pk_nosuch") is None
    with django_assert_num_queries(0):
        assert directory.site("pk_nosuch") is None


@pytest.mark.parametrize("key", ["", "x" * 41, "a b", "a'b", "a\0", "ключ", "\ud800"])
def test_what_cannot_be_a_key_is_not_even_asked_for(
    db: None, django_assert_num_queries: DjangoAssertNumQueries, key: str
) -> None:
    with django_assert_num_queries(0):
        assert directory.site(key) is None


def test_every_change_here_is_seen_at_once(site: Site) -> None:
    assert not _info(site).guests
    services.set_guests(account=None, site=site, allowed=True)
    assert _info(site).guests
    services.add_origin(account=None, site=site, origin="https://other.example")
    assert _info(site).origins == {"https://porchlight.example", "https://other.example"}
    services.remove_origin(account=None, site=site, origin="https://other.example")
    assert _info(site).origins == {"https://porchlight.example"}
    secret, text = services.add_secret(account=None, site=site, label="")
    assert _info(site).secrets == {secret.kid: text}
    services.retire_secret(account=None, site=site, kid=secret.kid)
    assert _info(site).secrets == {}
    site.delete()
    assert directory.site(site.key) is None


def test_a_change_made_elsewhere_is_seen_when_the_memory_is_over(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _info(site).suspended
    Site.objects.filter(pk=site.pk).update(suspended=True)
    assert not _info(site).suspended
    now = time.monotonic()
    monkeypatch.setattr(directory.time, "monotonic", lambda: now + directory.LIFE_SECONDS)
    assert _info(site).suspended


def test_a_site_that_has_not_changed_stands_in_memory_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "LIFE_SECONDS", 0.0)
    services.add_secret(account=None, site=site, label="")
    seen = _info(site)
    assert seen.secrets
    assert seen.origins
    assert _info(site) is seen
    Site.objects.filter(pk=site.pk).update(name="Quay")
    assert _info(site).name == "Quay"


def test_what_was_read_before_a_change_does_not_outlive_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    load = directory._load

    def load_and_be_overtaken(key: str) -> directory.SiteInfo | None:
        info = load(key)
        services.set_guests(account=None, site=site, allowed=True)
        return info

    monkeypatch.setattr(directory, "_load", load_and_be_overtaken)
    assert not _info(site).guests
    monkeypatch.setattr(directory, "_load", load)
    assert _info(site).guests


def test_made_up_keys_do_not_fill_the_memory(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "MAX_SITES", 10)
    for number in range(50):
        directory.site(f"pk_{number}")
    assert len(directory._known) <= 10


@pytest.mark.django_db(transaction=True)
def test_any_thread_may_ask(transactional_db: None) -> None:
    site = services.create_site(account=None, name="Porchlight")
    found: list[directory.SiteInfo | None] = []
    threads = [threading.Thread(target=_ask, args=(site.key, found)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.name if each else None for each in found] == ["Porchlight"] * 4


class _Awaited(Future[directory.SiteInfo | None]):
    """A look-up that tells how many wait for it."""

    waiting: threading.Semaphore

    def result(self, timeout: float | None = None) -> directory.SiteInfo | None:
        self.waiting.release()
        return super().result(timeout)


@pytest.mark.parametrize("fault", [None, OperationalError("gone")])
def test_a_site_that_many_threads_want_at_once_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch, fault: OperationalError | None
) -> None:
    looked_up: list[str] = []
    others_wait = threading.Event()

    def load(key: str) -> None:
        looked_up.append(key)
        # Whoever would look it up as well waits for nobody.
        _Awaited.waiting.release()
        others_wait.wait(60)
        if fault:
            raise fault

    monkeypatch.setattr(_Awaited, "waiting", threading.Semaphore(0), raising=False)
    monkeypatch.setattr(directory, "Future", _Awaited)
    monkeypatch.setattr(directory, "_load", load)
    with ThreadPoolExecutor(8) as threads:
        found = [threads.submit(directory.site, "pk_wanted") for _ in range(8)]
        for _ in found:
            assert _Awaited.waiting.acquire(timeout=60)
        others_wait.set()
    assert [each.exception() for each in found] == [fault] * 8
    assert looked_up == ["pk_wanted"]
    # What failed is not remembered.
    with suppress(OperationalError):
        directory.site("pk_wanted")
    assert len(looked_up) == (2 if fault else 1)


def test_who_asks_after_a_change_is_not_told_what_was_looked_up_before_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = directory._load
    meanwhile: list[directory.SiteInfo] = []

    def load_and_be_overtaken(key: str) -> directory.SiteInfo | None:
        info = load(key)
        monkeypatch.setattr(directory, "_load", load)
        services.set_guests(account=None, site=site, allowed=True)
        meanwhile.append(_info(site))
        return info

    monkeypatch.setattr(directory, "_load", load_and_be_overtaken)
    assert not _info(site).guests
    assert meanwhile[0].guests
    assert _info(site) is meanwhile[0]


def _ask(key: str, found: list[directory.SiteInfo | None]) -> None:
    from django.db import connection

    found.append(directory.site(key))
    connection.close()


def test_a_sites_secrets_are_not_in_its_description(site: Site) -> None:
    _, text = services.add_secret(account=None, site=site, label="")
    assert text not in repr(_info(site))


def test_a_site_admits_its_origins_exactly_and_who_comes_without_one(site: Site) -> None:
    info = _info(site)
    assert info.admits("https://porchlight.example")
    assert info.admits(None)
    for origin in (
        "http://porchlight.example",
        "https://porchlight.example:444",
        "https://a.porchlight.example",
        "null",
        "",
    ):
        assert not info.admits(origin)


def test_a_site_without_origins_admits_any(site: Site) -> None:
    services.remove_origin(account=None, site=site, origin="https://porchlight.example")
    assert _info(site).admits("https://anything.example")


def test_a_connection_is_noted_where_it_came_from(site: Site) -> None:
    secret, _ = services.add_secret(account=None, site=site, label="")
    services.note_connection(site.pk, "https://porchlight.example", secret.kid)
    site.refresh_from_db()
    secret.refresh_from_db()
    first = site.first_seen
    assert first is not None
    assert site.last_page == "https://porchlight.example"
    assert site.origins.get().last_used is not None
    assert secret.last_used is not None
    services.note_connection(site.pk, None, "")
    site.refresh_from_db()
    assert site.first_seen == first
    assert site.last_seen is not None
    assert site.last_seen > first
    assert site.last_page == "https://porchlight.example"

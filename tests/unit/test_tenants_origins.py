"""Origins are kept as browsers write them."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from avchat.tenants import services
from avchat.tenants.origins import origin_of


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://forum.example.org", "https://forum.example.org"),
        ("  HTTPS://Forum.Example.ORG/latest?page=2#top ", "https://forum.example.org"),
        ("https://forum.example.org:443", "https://forum.example.org"),
        ("http://forum.example.org:80/", "http://forum.example.org"),
        ("https://forum.example.org:8443", "https://forum.example.org:8443"),
        ("http://forum.example.org:443", "http://forum.example.org:443"),
        ("forum.example.org", "https://forum.example.org"),
        ("localhost:3000", "http://localhost:3000"),
        ("127.0.0.1:8000/demo", "http://127.0.0.1:8000"),
        ("http://[0:0::1]:8000", "http://[::1]:8000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://STRASSE.example", "https://strasse.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
    ],
)
def test_an_address_becomes_the_origin_that_a_browser_would_send(typed: str, origin: str) -> None:
    assert origin_of(typed) == origin
    assert origin_of(origin) == origin


@pytest.mark.parametrize(
    "typed",
    [
        "", "   ", "https://", "ftp://example.org", "javascript://x", "https://*.example.org", "*",
        "https://user:secret@example.org", "https://exa mple.org", "https://example.org:99999", "https://example.org:x",
        "https://[::1", "https://-a-.example", "https://a..b", "x" * 3000, "https://" + "a" * 64 + ".example", "https://a\0b",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused_in_words(typed: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        origin_of(typed)
    assert refusal.value.messages[0]


@given(st.text(max_size=60))
def test_anything_typed_is_an_origin_or_refused(typed: str) -> None:
    try:
        origin = origin_of(typed)
    except ValidationError:
        return
    assert origin_of(origin) == origin
    assert origin.isascii()


def test_an_origin_added_twice_is_there_once(db: None) -> None:
    site = services.create_site(account=None, name="Porchlight", url="porchlight.example/forum")
    services.add_origin(account=None, site=site, origin="https://PORCHLIGHT.example:443/")
    assert [each.origin for each in site.origins.all()] == ["https://porchlight.example"]


def test_a_site_has_no_more_origins_than_anybody_needs(db: None) -> None:
    site = services.create_site(account=None, name="Porchlight")
    for number in range(services.ORIGINS_PER_SITE):
        services.add_origin(account=None, site=site, origin=f"https://{number}.example")
    with pytest.raises(ValidationError, match="at most"):
        services.add_origin(account=None, site=site, origin="https://more.example")

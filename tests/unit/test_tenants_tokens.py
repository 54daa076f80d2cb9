"""A token lets in whom the site's server vouches for, and says clearly why it lets in nobody else."""

import contextlib
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avchat.tenants import directory, services, tokens
from avchat.tenants.directory import SiteInfo

HOUR = 3600


@pytest.fixture
def site(db: None) -> SiteInfo:
    return _site("Porchlight")


def _site(name: str, guests: bool = False) -> SiteInfo:
    made = services.create_site(account=None, name=name, guests=guests)
    services.add_secret(account=None, site=made, label="2026")
    info = directory.site(made.key)
    assert info
    return info


def sign(site: SiteInfo, *, secret: str = "", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token as a site's server might make it; a claim that is None is left out."""
    whole = {"aud": site.key, "sub": "ann", "name": "Ann", "exp": int(time.time()) + HOUR} | claims
    payload = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(payload, secret or next(iter(site.secrets.values())), algorithm="HS256", headers=headers)


def reason(site: SiteInfo, token: str) -> str:
    with pytest.raises(tokens.TokenError) as refusal:
        tokens.verify(site.key, token)
    return str(refusal.value)


def test_a_good_token_tells_all_that_it_claims(site: SiteInfo) -> None:
    token = tokens.mint(
        site,
        "ann",
        "Ann",
        avatar="/a.png",
        url="https://x.example/ann",
        role="moderator",
        groups=["night", "day"],
        email="ann@x.example",
    )
    assert tokens.verify(site.key, token) == tokens.Claims(
        sub="ann",
        name="Ann",
        avatar="/a.png",
        url="https://x.example/ann",
        role="moderator",
        groups=("night", "day"),
        email="ann@x.example",
        guest=False,
        kid=next(iter(site.secrets)),
    )


def test_a_token_without_kid_is_tried_with_every_secret(site: SiteInfo) -> None:
    kid, secret = next(iter(site.secrets.items()))
    made = services.Site.objects.get(key=site.key)
    services.add_secret(account=None, site=made, label="newer")
    assert tokens.verify(site.key, sign(site, secret=secret)).kid == kid


def test_an_unsigned_token_lets_nobody_in(site: SiteInfo) -> None:
    claims = {"aud": site.key, "sub": "ann", "name": "Ann", "exp": int(time.time()) + HOUR}
    assert "HS256" in reason(site, jwt.encode(claims, None, algorithm="none"))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_another_algorithm_is_refused_even_with_the_right_secret(site: SiteInfo) -> None:
    claims = {"aud": site.key, "sub": "ann", "name": "Ann", "exp": int(time.time()) + HOUR}
    assert "HS256" in reason(site, jwt.encode(claims, next(iter(site.secrets.values())), algorithm="HS512"))


def test_a_wrong_signature_lets_nobody_in(site: SiteInfo) -> None:
    assert "signature" in reason(site, sign(site, secret="x" * 40))


def test_a_kid_that_the_site_does_not_have_is_named(site: SiteInfo) -> None:
    assert "kid" in reason(site, sign(site, headers={"kid": "nosuch"}))


def test_another_sites_token_lets_nobody_in(site: SiteInfo) -> None:
    other = _site("Other")
    assert "signature" in reason(site, sign(other, aud=site.key))
    assert "another site" in reason(site, sign(site, aud=other.key))


def test_an_unknown_site_key_is_said_to_be_one(site: SiteInfo) -> None:
    for key in ("pk_nosuch", "", "x" * 1000, "a\0b", "\ud800"):
        with pytest.raises(tokens.TokenError, match="no site"):
            tokens.verify(key, sign(site))


@pytest.mark.parametrize("claim", ["aud", "sub", "name", "exp"])
def test_a_required_claim_that_is_missing_is_named(site: SiteInfo, claim: str) -> None:
    assert f"`{claim}`" in reason(site, sign(site, **{claim: None}))


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 129}, "sub"),
        ({"sub": 7}, "sub"),
        ({"email": "x" * 243 + "@example.org"}, "email"),
        ({"email": "ann"}, "email"),
        ({"email": "ann@example.org\nBcc: x@example.org"}, "email"),
        ({"email": ["ann@example.org"]}, "email"),
        ({"sub": "a\0b"}, "NUL"),
        ({"sub": "guest:ann"}, "guest:"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\nb"}, "control"),
        ({"name": ["Ann"]}, "name"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": True}, "exp"),
        ({"aud": 7}, "aud"),
        ({"role": "admin"}, "role"),
        ({"role": "guest"}, "role"),
        ({"avatar": "javascript:alert(1)"}, "avatar"),
        ({"avatar": "//evil.example/a.png"}, "avatar"),
        ({"avatar": "/\\evil.example/a.png"}, "avatar"),
        ({"avatar": "https://x.example/" + "a" * 500}, "avatar"),
        ({"url": "data:text/html,x"}, "url"),
        ({"url": "https://x.example/a b"}, "url"),
        ({"url": 7}, "url"),
        ({"groups": "night"}, "groups"),
        ({"groups": [7]}, "groups"),
        ({"groups": ["x" * 65]}, "groups"),
        ({"groups": ["x"] * 51}, "groups"),
    ],
)
def test_a_claim_out_of_its_bounds_is_refused_and_named(site: SiteInfo, claims: dict[str, Any], word: str) -> None:
    assert word in reason(site, sign(site, **claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "x" * 128},
        {"sub": "日本 \t'\"<b>"},
        {"name": "名" * 80},
        {"avatar": None, "url": "HTTP://x.example"},
        {"avatar": "/a.png", "groups": ["x" * 64] * 50},
    ],
)
def test_a_claim_at_its_bounds_is_good(site: SiteInfo, claims: dict[str, Any]) -> None:
    verified = tokens.verify(site.key, sign(site, **claims))
    assert all(getattr(verified, name) in (value, tuple(value)) for name, value in claims.items() if value)


def test_an_optional_claim_may_be_null(site: SiteInfo) -> None:
    payload = {"aud": site.key, "sub": "ann", "name": "Ann", "exp": int(time.time()) + HOUR, "avatar": None}
    token = jwt.encode(payload, next(iter(site.secrets.values())), algorithm="HS256")
    assert tokens.verify(site.key, token).avatar == ""


def test_an_expired_token_is_said_to_be_expired(site: SiteInfo) -> None:
    assert "expired" in reason(site, sign(site, exp=int(time.time()) - HOUR))


def test_a_token_is_good_for_a_day_at_most(site: SiteInfo) -> None:
    assert "24 hours" in reason(site, sign(site, exp=int(time.time()) + 25 * HOUR))
    assert "24 hours" in reason(site, sign(site, exp=1e300))
    assert tokens.verify(site.key, sign(site, exp=int(time.time()) + 24 * HOUR)).sub == "ann"


def test_clocks_may_differ_by_a_little(site: SiteInfo) -> None:
    assert tokens.verify(site.key, sign(site, exp=int(time.time()) - 30)).sub == "ann"
    assert tokens.verify(site.key, sign(site, nbf=int(time.time()) + 30)).sub == "ann"
    assert "not good yet" in reason(site, sign(site, nbf=int(time.time()) + HOUR))


def test_a_token_beyond_8_kib_is_not_even_read(site: SiteInfo) -> None:
    assert "8192" in reason(site, sign(site, more="x" * 8192))


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "....", "é.é.é", "\ud800", "e30.e30.e30", "bnVsbA.e30.e30"])
def test_what_is_no_token_is_refused_in_words(site: SiteInfo, token: str) -> None:
    assert reason(site, token)


@given(
    token=st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: "eyJhbGciOiJIUzI1NiJ9." + raw.hex() + ".x")
)
def test_no_text_at_all_does_more_than_be_refused(token: str) -> None:
    with contextlib.suppress(tokens.TokenError):
        tokens._kid(token)
        assert tokens._signed(token, "x" * 40) is None


def test_what_would_be_refused_is_not_minted(site: SiteInfo) -> None:
    for sub, name, more in [
        ("", "Ann", {}),
        ("guest:1", "Ann", {}),
        ("ann", "\ud800", {}),
        ("ann", "Ann", {"ttl": 90_000}),
    ]:
        with pytest.raises(tokens.TokenError):
            tokens.mint(site, sub, name, **more)


def test_a_guest_is_the_same_guest_with_the_token_that_was_given(db: None) -> None:
    site = _site("Open", guests=True)
    token, claims = tokens.mint_guest(site, "Passer-by")
    assert tokens.verify(site.key, token) == claims
    assert claims.guest
    assert claims.role == "guest"
    assert claims.sub.startswith("guest:")
    assert tokens.mint_guest(site, "Passer-by")[1].sub != claims.sub


def test_guests_are_let_in_only_where_the_site_does(site: SiteInfo) -> None:
    with pytest.raises(tokens.TokenError, match="guests"):
        tokens.mint_guest(site, "Passer-by")


def test_a_guest_is_not_let_in_any_more_once_the_site_changed_its_mind(db: None) -> None:
    site = _site("Open", guests=True)
    token, _ = tokens.mint_guest(site, "Passer-by")
    services.set_guests(account=None, site=services.Site.objects.get(key=site.key), allowed=False)
    assert "guests" in reason(site, token)


def test_a_guests_token_is_no_good_elsewhere_and_cannot_be_made_by_the_site(db: None) -> None:
    site, other = _site("Open", guests=True), _site("Other", guests=True)
    assert reason(other, tokens.mint_guest(site, "Passer-by")[0])
    forged = sign(site, headers={"kid": "guest"}, sub="guest:me")
    assert "not made by this service" in reason(site, forged)


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\0", "\ud800"])
def test_a_guest_has_a_name_that_can_be_read(db: None, name: str) -> None:
    with pytest.raises(tokens.TokenError):
        tokens.mint_guest(_site("Open", guests=True), name)

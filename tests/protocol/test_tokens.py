"""Member tokens: only the site's own server can sign a member in. And guests, where the site lets them in."""

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from tests.support.bad import short
from tests.support.client import HelloRefused
from tests.support.server import Server
from tests.support.site import Site

HOUR = 3600


@pytest.fixture
async def guest_site(server: Server, transport: str) -> AsyncIterator[Site]:
    """A site that lets guests in."""
    site = Site(server, "--guests", transport=transport)
    yield site
    await site.leave()


async def refused(site: Site, **fields: Any) -> str:
    """The code with which a hello with these fields is refused."""
    with pytest.raises(HelloRefused) as refusal:
        await site.hello(fields)
    assert refusal.value.code in ((4401, 4403, 4400) if site.transport == "ws" else (401, 403, 400))
    code: str = refusal.value.error["code"]
    return code


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token with an empty signature."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(claims)}."


async def test_a_token_signed_with_another_secret_is_refused(site: Site) -> None:
    token = jwt.encode(site.claims("ann"), "x" * 40, algorithm="HS256")
    assert await refused(site, token=token) == "unauthorized"


async def test_a_token_of_another_site_is_refused(site: Site, other_site: Site) -> None:
    assert await refused(site, token=other_site.token("ann")) == "unauthorized"
    assert await refused(site, token=other_site.token("ann", aud=site.key)) == "unauthorized"
    assert await refused(site, token=site.token("ann", aud=other_site.key)) == "unauthorized"


async def test_an_expired_token_is_refused(site: Site) -> None:
    assert await refused(site, token=site.token("ann", exp=int(time.time()) - HOUR)) == "unauthorized"


async def test_a_token_good_for_more_than_a_day_is_refused(site: Site) -> None:
    assert await refused(site, token=site.token("ann", exp=int(time.time()) + 25 * HOUR)) == "unauthorized"
    await site.join("ann", exp=int(time.time()) + 24 * HOUR - 60)


async def test_an_unsigned_token_is_refused(site: Site) -> None:
    for algorithm in ("none", "None", "NONE", "HS256", ""):
        token = unsigned({"alg": algorithm, "typ": "JWT"}, site.claims("ann"))
        assert await refused(site, token=token) == "unauthorized"


@pytest.mark.filterwarnings("ignore:The HMAC key is")
async def test_a_token_signed_in_another_way_is_refused(site: Site) -> None:
    for algorithm in ("HS384", "HS512"):
        token = jwt.encode(site.claims("ann"), site.secret.ljust(64, "x"), algorithm=algorithm)
        assert await refused(site, token=token) == "unauthorized"
        token = jwt.encode(site.claims("ann"), site.secret, algorithm=algorithm)
        assert await refused(site, token=token) == "unauthorized"


@pytest.mark.parametrize("kid", ["nosuch", "", "../../etc/passwd", "guest", "0", "x" * 500])
async def test_a_token_that_names_a_secret_the_site_does_not_have_is_refused(site: Site, kid: str) -> None:
    token = jwt.encode(site.claims("ann"), site.secret, algorithm="HS256", headers={"kid": kid})
    assert await refused(site, token=token) == "unauthorized"


@pytest.mark.parametrize("claim", ["aud", "sub", "exp", "name"])
async def test_a_token_without_a_required_claim_is_refused(site: Site, claim: str) -> None:
    assert await refused(site, token=site.token("ann", **{claim: None})) == "unauthorized"


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": ""},
        {"sub": "x" * 129},
        {"sub": 7},
        {"sub": ["ann"]},
        {"sub": "a\0b"},
        {"name": 7},
        {"name": ""},
        {"exp": "tomorrow"},
        {"exp": 1e400},
        {"exp": 10**30},
        {"exp": True},
        {"role": "admin"},
        {"role": "guest"},
        {"aud": ["a", "b"]},
        {"avatar": "javascript:alert(1)"},
        {"groups": "all"},
        {"email": "ann"},
        {"email": ["ann@example.org"]},
        {"email": "a" * 250 + "@example.org"},
    ],
    ids=lambda claims: "-".join(f"{name}={str(value)[:12]!r}" for name, value in claims.items()),
)
@pytest.mark.parametrize("transport", ["ws", "poll"])
async def test_a_token_with_a_claim_out_of_bounds_is_refused(site: Site, claims: dict[str, Any]) -> None:
    assert await refused(site, token=site.token("ann", **claims)) == "unauthorized"


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "....", "x" * 9000, "é.é.é"], ids=lambda token: token[:8] or "empty"
)
async def test_what_is_no_token_is_refused(site: Site, token: str) -> None:
    assert await refused(site, token=token) in ("unauthorized", "bad-frame")


async def test_ids_of_128_characters_of_any_script_are_members(site: Site) -> None:
    sub = "🐝" * 128
    bee = await site.join(sub, name="Bee")
    assert bee.hello["member"]["id"] == sub
    ann = await site.join("ann")
    await ann.send(sub, "buzz")
    assert (await bee.event("message"))["from"] == "ann"


async def test_ids_that_differ_in_case_or_a_trailing_space_are_different_members(site: Site) -> None:
    ann = await site.join("ann")
    others = [await site.join(sub, name="Other") for sub in ("Ann", "ann ", " ann", "änn")]
    await others[0].send("ann", "for small ann only")
    await ann.event("message", body="for small ann only")
    await site.fence(*others)
    for other in others:
        assert other.unseen("message") == []


async def test_a_members_email_is_taken_and_told_to_nobody(site: Site) -> None:
    ann = await site.join("ann", email="ann@example.org")
    bob = await site.join("bob", email="")
    sent = await ann.send("bob", "hello")
    await bob.event("message")
    told = [ann.hello, bob.hello, await bob.ok("members", ids=["ann"]), await bob.ok("conversations"), bob.log, sent]
    assert "example.org" not in str(told)


async def test_a_site_without_guests_lets_none_in(site: Site) -> None:
    assert await refused(site, guest={"name": "Passer-by"}) in ("unauthorized", "forbidden")


async def test_a_guest_is_let_in_where_the_site_allows_it(guest_site: Site) -> None:
    guest = await guest_site.hello({"guest": {"name": "Passer-by"}})
    assert guest.hello["member"]["name"] == "Passer-by"
    assert guest.hello["member"]["role"] == "guest"
    ann = await guest_site.join("ann")
    await guest.send("ann", "may I ask something?")
    message = await ann.event("message")
    assert message["from"] == guest.hello["member"]["id"]
    await ann.send(message["from"], "you may")
    await guest.event("message", body="you may")


async def test_the_token_that_a_guest_was_given_makes_the_same_guest_again(guest_site: Site) -> None:
    first = await guest_site.hello({"guest": {"name": "Passer-by"}})
    again = await guest_site.hello({"token": first.hello["token"]})
    other = await guest_site.hello({"guest": {"name": "Passer-by"}})
    assert again.hello["member"] == first.hello["member"]
    assert other.hello["member"]["id"] != first.hello["member"]["id"]


async def test_a_guests_token_is_refused_on_another_site(guest_site: Site, server: Server) -> None:
    other = Site(server, "--guests", transport=guest_site.transport)
    guest = await guest_site.hello({"guest": {"name": "Passer-by"}})
    assert await refused(other, token=guest.hello["token"]) == "unauthorized"


async def test_a_sites_token_cannot_pass_for_a_guest(guest_site: Site) -> None:
    guest = await guest_site.hello({"guest": {"name": "Passer-by"}})
    assert await refused(guest_site, token=guest_site.token(guest.hello["member"]["id"])) == "unauthorized"
    prefix = guest.hello["member"]["id"][:6]
    assert await refused(guest_site, token=guest_site.token(prefix + "mine")) == "unauthorized"


@pytest.mark.parametrize("guest", [{}, {"name": ""}, {"name": "x" * 81}, {"name": 7}, "Passer-by", []], ids=short)
async def test_a_guest_without_a_fit_name_is_refused(guest_site: Site, guest: object) -> None:
    assert await refused(guest_site, guest=guest) in ("bad-frame", "unauthorized")

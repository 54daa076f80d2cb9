"""The commands by which anybody gets a site and a token, beside a running server."""

import json

import jwt
import pytest

from tests.support.server import Server
from tests.support.site import Site

only_ws = pytest.mark.parametrize("transport", ["ws"])


@only_ws
async def test_a_site_made_beside_the_server_lets_its_members_in_at_once(server: Server, transport: str) -> None:
    made = json.loads(server.manage("create_site", "Bees", "--origin", "https://bees.example", "--json"))
    assert made.keys() == {"key", "secret"}
    site = Site(server, transport=transport)
    site.key, site.secret = made["key"], made["secret"]
    assert (await site.join("ann")).hello["site"]["name"] == "Bees"
    await site.leave()


@only_ws
async def test_a_token_made_beside_the_server_lets_the_member_in(site: Site) -> None:
    token = site.server.manage("member_token", site.key, "ann", "--name", "Ann Other", "--role", "moderator")
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    ann = await site.hello({"token": token})
    member = ann.hello["member"]
    assert (member["id"], member["name"], member["role"]) == ("ann", "Ann Other", "moderator")


@only_ws
async def test_a_token_needs_no_name(site: Site) -> None:
    ann = await site.hello({"token": site.server.command("member_token", site.key, "ann")})
    assert ann.hello["member"]["name"]


def test_a_token_for_an_unknown_site_is_refused_in_words(server: Server) -> None:
    with pytest.raises(RuntimeError, match="site"):
        server.command("member_token", "pk_nosuchsite", "ann")

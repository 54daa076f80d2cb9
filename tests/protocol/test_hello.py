"""hello: who is let in, what the answer tells, and how one is refused."""

import asyncio
import json
import time

import httpx
import pytest

from tests.support.client import HelloRefused, decode
from tests.support.http import http_client
from tests.support.server import Server
from tests.support.site import Site
from tests.support.websocket import WebSocketConnection, open_socket

only_ws = pytest.mark.parametrize("transport", ["ws"])
CLOSE_CODES = {400: 4400, 401: 4401, 403: 4403, 413: 4413, 429: 4429}


async def refusal(site: Site, fields: dict[str, object], origin: str | None = None) -> tuple[str, int | None]:
    """How a hello with these fields is refused: the error's code, and with what the connection ends."""
    with pytest.raises(HelloRefused) as refused:
        await site.hello(fields, origin=origin)
    return refused.value.error["code"], refused.value.code


def status(site: Site, http: int) -> int:
    """The close code that says over WebSocket what this HTTP status says."""
    return CLOSE_CODES[http] if site.transport == "ws" else http


async def test_the_answer_to_hello_says_who_one_is_and_what_waits(site: Site) -> None:
    before = time.time() * 1000
    ann = await site.join("ann", name="Ann Other", avatar="https://example.org/ann.png", role="moderator")
    hello = ann.hello
    assert hello["type"] == "ok"
    assert hello["member"]["id"] == "ann"
    assert hello["member"]["name"] == "Ann Other"
    assert hello["member"]["avatar"] == "https://example.org/ann.png"
    assert hello["member"]["role"] == "moderator"
    assert before - 5000 < hello["time"] < time.time() * 1000 + 5000
    assert hello["cursor"]
    assert hello["tabs"] == []
    assert hello["unread"] == {}
    assert hello["presence"] == {"show": "online", "status": ""}
    assert hello["site"]["name"]
    assert "token" not in hello


async def test_limits_are_told_in_the_answer_to_hello(site: Site) -> None:
    ann = await site.join("ann")
    assert ann.hello["limits"] == {
        "frame": 65536,
        "body": 10000,
        "status": 140,
        "watch": 1000,
        "tabs": 50,
        "sends_per_second": 50,
        "burst": 300,
    }


async def test_a_member_without_an_avatar_or_a_role_is_a_plain_member(site: Site) -> None:
    ann = await site.join("ann")
    assert ann.hello["member"]["role"] == "member"
    assert not ann.hello["member"]["avatar"]


async def test_the_token_renews_the_name_that_others_see(site: Site) -> None:
    await site.join("ann", name="Ann")
    await site.join("ann", name="Anna")
    bob = await site.join("bob")
    [entry] = (await bob.ok("members", ids=["ann"]))["members"]
    assert entry["name"] == "Anna"


async def test_an_unknown_site_lets_nobody_in(site: Site) -> None:
    token = site.token("ann")
    assert await refusal(site, {"site": "pk_nosuchsite", "token": token}) == ("unauthorized", status(site, 401))


async def test_a_hello_without_token_or_guest_is_refused(site: Site) -> None:
    assert await refusal(site, {}) in [("unauthorized", status(site, 401)), ("bad-frame", status(site, 400))]


async def test_an_origin_that_is_not_listed_is_refused(server: Server, transport: str) -> None:
    site = Site(server, "--origin", "https://good.example", transport=transport)
    fields = {"token": site.token("ann")}
    assert await refusal(site, fields, origin="https://bad.example") == ("forbidden", status(site, 403))
    assert await refusal(site, fields, origin="https://good.example.bad.example") == ("forbidden", status(site, 403))
    assert await refusal(site, fields, origin="http://good.example") == ("forbidden", status(site, 403))
    assert await refusal(site, fields, origin="https://good.example:8443") == ("forbidden", status(site, 403))
    assert await refusal(site, fields, origin="null") == ("forbidden", status(site, 403))
    await site.leave()


async def test_a_listed_origin_and_a_request_without_origin_are_let_in(server: Server, transport: str) -> None:
    site = Site(server, "--origin", "https://good.example", "--origin", "http://localhost:3000", transport=transport)
    fields = {"token": site.token("ann")}
    for origin in ("https://good.example", "http://localhost:3000", None):
        assert (await site.hello(fields, origin=origin)).hello["member"]["id"] == "ann"
    await site.leave()


async def test_a_site_that_lists_no_origins_takes_any(site: Site) -> None:
    connection = await site.hello({"token": site.token("ann")}, origin="https://anywhere.example")
    assert connection.hello["member"]["id"] == "ann"


async def test_a_second_hello_is_a_bad_frame_and_harms_nothing(site: Site) -> None:
    ann = await site.join("ann")
    assert await ann.refused("hello", site=site.key, token=site.token("bob")) == "bad-frame"
    await ann.ok("ping")
    bob = await site.join("bob")
    await ann.send("bob", "still ann")
    assert (await bob.event("message"))["from"] == "ann"


@only_ws
@pytest.mark.parametrize("frame", ['{"type":"ping","id":"1"}', "nonsense", "[]", '{"type":"hello","id":"1"}'])
async def test_a_first_message_that_is_no_hello_is_refused(site: Site, frame: str) -> None:
    socket = await open_socket(site.server.base, site.address)
    await socket.send(frame)
    answer = decode(await asyncio.wait_for(socket.recv(), 10))
    assert answer["type"] == "error"
    assert answer["code"] in ("bad-frame", "unauthorized")
    await asyncio.wait_for(socket.wait_closed(), 10)
    assert socket.close_code in (4400, 4401)


@only_ws
async def test_a_hello_that_never_comes_ends_the_connection_with_4408(hasty_server: Server, transport: str) -> None:
    socket = await open_socket(hasty_server.base)
    await asyncio.wait_for(socket.wait_closed(), 10)
    assert socket.close_code == 4408


@only_ws
async def test_the_websocket_speaks_the_subprotocol(site: Site) -> None:
    ann = await site.join("ann")
    assert isinstance(ann, WebSocketConnection)
    assert ann.socket.subprotocol == "avchat.v1"


@only_ws
async def test_frames_sent_together_with_hello_take_effect_after_it(site: Site) -> None:
    socket = await open_socket(site.server.base, site.address)
    hello = {"type": "hello", "id": "1", "site": site.key, "token": site.token("ann")}
    for frame in (
        hello,
        {"type": "ping", "id": "2"},
        {"type": "conversations", "id": "3"},
        {"type": "ping", "id": "4"},
    ):
        await socket.send(json.dumps(frame))
    answers = [decode(await asyncio.wait_for(socket.recv(), 10)) for _ in range(4)]
    assert answers[0]["id"] == "1"
    assert {answer["id"] for answer in answers} == {"1", "2", "3", "4"}
    assert all(answer["type"] == "ok" for answer in answers)
    await socket.close()


@pytest.mark.parametrize("transport", ["sse"])
async def test_over_http_the_refusal_is_the_body_and_its_status_says_the_same(site: Site) -> None:
    async with http_client(site.server.base, site.address) as client:

        async def hello(body: bytes) -> httpx.Response:
            return await client.post("/im/v1/sessions", content=body, headers={"Content-Type": "application/json"})

        good = {"type": "hello", "id": "7", "site": site.key, "token": site.token("ann")}
        cases = [
            (400, "bad-frame", b"nonsense"),
            (400, "bad-frame", b"[]"),
            (401, "unauthorized", json.dumps({**good, "token": "x"}).encode()),
            (413, "too-large", json.dumps({**good, "padding": "x" * 65536}).encode()),
        ]
        for expected, code, body in cases:
            answer = await hello(body)
            assert answer.status_code == expected
            assert answer.headers["Content-Type"].startswith("application/json")
            error = answer.json()
            assert (error["type"], error["code"]) == ("error", code)
            assert error["message"]


async def test_a_connection_outlives_its_token(site: Site) -> None:
    # The service may forgive a clock that is up to a minute wrong, so a token is over some time after its exp.
    fields = {"token": site.token("ann", exp=int(time.time()) - 58)}
    ann = await site.hello(fields)
    bob = await site.join("bob")
    async with asyncio.timeout(30):
        while await admitted(site, fields):
            pass
    await ann.send("bob", "my token is over, I am not")
    assert (await bob.event("message"))["from"] == "ann"


async def admitted(site: Site, fields: dict[str, str]) -> bool:
    """Whether a hello with these fields is let in; any refusal must be for who it is."""
    try:
        await (await site.hello(fields)).close()
    except HelloRefused as refused:
        return refused.error["code"] != "unauthorized"
    return True

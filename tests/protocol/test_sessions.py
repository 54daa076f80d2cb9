"""HTTP sessions: what is theirs alone, beyond what all transports have in common."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.client import Frame
from tests.support.http import ACCEPT, HttpConnection, lines, server_sent
from tests.support.server import Server
from tests.support.site import Site


@pytest.fixture(params=["sse", "ndjson", "poll"])
def transport(request: pytest.FixtureRequest) -> str:
    """Each of the three ways to get a session's events in turn."""
    name: str = request.param
    return name


async def join(site: Site, sub: str) -> HttpConnection:
    """A member's HTTP session."""
    connection = await site.join(sub)
    assert isinstance(connection, HttpConnection)
    return connection


def accept(connection: HttpConnection) -> dict[str, str]:
    """The header that asks for events in the connection's way."""
    return {"Accept": ACCEPT[connection.kind]}


async def bodies(connection: HttpConnection, count: int, **options: Any) -> list[str]:
    """The bodies of the next `count` messages of an answer to a GET of the events with these options."""
    found: list[str] = []
    async with (
        asyncio.timeout(20),
        connection.client.stream("GET", f"{connection.path}/events", **options) as answer,
    ):
        assert answer.status_code == 200
        if connection.kind == "poll":
            return said(json.loads(await answer.aread()))[:count]
        frames = server_sent(answer) if connection.kind == "sse" else map_json(lines(answer))
        async for frame in frames:
            found += said([frame])
            if len(found) == count:
                break
    return found


def said(frames: list[Frame]) -> list[str]:
    """The bodies of the messages among these events."""
    return [frame["body"] for frame in frames if frame["type"] == "message"]


async def map_json(texts: AsyncIterator[str]) -> AsyncIterator[Frame]:
    """The frames that lines of JSON are; empty lines keep a stream alive and say nothing."""
    async for text in texts:
        if text:
            yield json.loads(text)


async def test_the_session_is_a_long_secret_of_its_own(site: Site) -> None:
    sessions = {(await site.join("ann")).hello["session"] for _ in range(5)}
    assert len(sessions) == 5
    # 128 random bits take at least 22 characters of base64.
    assert all(len(session) >= 22 for session in sessions)


async def test_an_unknown_session_is_not_found(site: Site) -> None:
    ann = await join(site, "ann")
    for path in ("/im/v1/sessions/nosuchsession", ann.path[:-1] + "~", "/im/v1/sessions/" + "x" * 500):
        for method, end in (("GET", "/events"), ("POST", "/frames"), ("DELETE", "")):
            content = b"[]" if method == "POST" else None
            answer = await ann.client.request(method, path + end, content=content, headers=accept(ann))
            assert answer.status_code == 404
            assert (answer.json()["type"], answer.json()["code"]) == ("error", "not-found")


async def test_an_ended_session_is_not_found(site: Site) -> None:
    ann = await join(site, "ann")
    assert (await ann.client.delete(ann.path)).status_code in (200, 204)
    assert await ann.ended() in (404, None)
    for method, end in (("GET", "/events"), ("POST", "/frames"), ("DELETE", "")):
        content = b"[]" if method == "POST" else None
        answer = await ann.client.request(method, ann.path + end, content=content, headers=accept(ann))
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_the_events_come_in_the_type_that_was_asked_for_and_are_never_cached(site: Site) -> None:
    ann = await join(site, "ann")
    await ann.deafen()
    query = {"wait": "0"} if ann.kind == "poll" else {}
    async with ann.client.stream("GET", f"{ann.path}/events", params=query, headers=accept(ann)) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].split(";")[0] == ACCEPT[ann.kind]
        assert "no-" in answer.headers["Cache-Control"]


async def test_who_listens_again_misses_and_doubles_nothing(site: Site) -> None:
    ann, bob = await site.join("ann"), await join(site, "bob")
    await ann.send("bob", "first")
    await bob.event("message", body="first")
    for number in range(3):
        await bob.deafen()
        await ann.send("bob", f"while deaf {number}")
        bob.listen(cursor=bob.cursor)
        await bob.event("message", body=f"while deaf {number}")
    await site.fence(bob)
    conversation = bob.messages()[0]["conversation"]
    assert [message["seq"] for message in bob.messages(conversation)] == [1, 2, 3, 4]


@pytest.mark.parametrize("transport", ["poll"])
async def test_events_go_on_where_the_last_answer_ended(site: Site) -> None:
    ann, bob = await site.join("ann"), await join(site, "bob")
    await bob.deafen()
    for number in range(3):
        await ann.send("bob", str(number))
        answer = await bob.client.get(f"{bob.path}/events", params={"wait": 25}, headers=accept(bob))
        assert said(answer.json()) == [str(number)]


async def test_a_cursor_in_the_query_repeats_what_was_lost_on_the_way(site: Site) -> None:
    ann, bob = await site.join("ann"), await join(site, "bob")
    for number in range(4):
        await ann.send("bob", str(number))
    await bob.event("message", body="3")
    await bob.deafen()
    cursor = bob.messages()[1]["cursor"]
    params = {"cursor": cursor}
    assert await bodies(bob, 2, params=params, headers=accept(bob)) == ["2", "3"]
    params = {"cursor": bob.hello["cursor"]}
    assert await bodies(bob, 4, params=params, headers=accept(bob)) == ["0", "1", "2", "3"]


async def test_the_last_event_id_repeats_what_was_lost_on_the_way(site: Site) -> None:
    ann, bob = await site.join("ann"), await join(site, "bob")
    for number in range(4):
        await ann.send("bob", str(number))
    await bob.event("message", body="3")
    await bob.deafen()
    headers = {"Last-Event-ID": bob.messages()[1]["cursor"]}
    assert await bodies(bob, 2, headers={**headers, **accept(bob)}) == ["2", "3"]


async def test_events_that_were_sent_before_anybody_listened_are_not_lost(site: Site) -> None:
    ann = await site.join("ann")
    bob = await join(site, "bob")
    await bob.deafen()
    fresh = await HttpConnection.open(
        site.server.base,
        {"type": "hello", "id": "1", "site": site.key, "token": site.token("cid")},
        site.transport,
        site.address,
    )
    await fresh.deafen()
    await ann.send("cid", "before you listened")
    fresh.listen()
    assert (await fresh.event("message"))["body"] == "before you listened"
    await fresh.close()


async def test_frames_are_answered_in_order_and_those_without_id_are_not(site: Site) -> None:
    ann, _ = await join(site, "ann"), await site.join("bob")
    conversation = (await ann.send("bob", "one"))["conversation"]
    frames = [
        {"type": "message.send", "id": "z", "to": {"member": "bob"}, "body": "two", "key": "2"},
        {"type": "typing", "conversation": conversation, "on": True},
        {"type": "history", "id": "a", "conversation": conversation},
        {"type": "nonsense", "id": "m"},
        {"type": "ping"},
        {"type": "ping", "id": "b"},
    ]
    answer = await ann.client.post(f"{ann.path}/frames", json=frames)
    replies = answer.json()
    assert [(reply["id"], reply["type"]) for reply in replies] == [
        ("z", "ok"),
        ("a", "ok"),
        ("m", "error"),
        ("b", "ok"),
    ]
    assert replies[0]["seq"] == 2
    assert [message["body"] for message in replies[1]["messages"]] == ["one", "two"]
    assert replies[2]["code"] == "unknown-type"


async def test_no_frames_are_no_replies(site: Site) -> None:
    ann = await join(site, "ann")
    answer = await ann.client.post(f"{ann.path}/frames", json=[])
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("body", [b"", b"nonsense", b'{"type":"ping","id":"1"}', b"7", b'[{"type":"ping"}', b"[\xff]"])
async def test_a_body_that_is_no_array_of_frames_is_a_bad_frame(site: Site, body: bytes) -> None:
    ann = await join(site, "ann")
    answer = await ann.client.post(f"{ann.path}/frames", content=body)
    assert (answer.status_code, answer.json()["type"], answer.json()["code"]) == (400, "error", "bad-frame")
    await ann.ok("ping")


async def test_a_frame_that_is_too_large_is_answered_and_the_others_take_effect(site: Site) -> None:
    ann = await join(site, "ann")
    frames = [{"type": "ping", "id": "1"}, {"type": "ping", "id": "2", "x": "x" * 65536}, {"type": "ping", "id": "3"}]
    answer = await ann.client.post(f"{ann.path}/frames", json=frames)
    assert answer.status_code == 200
    assert [(reply["type"], reply.get("code")) for reply in answer.json()] == [
        ("ok", None),
        ("error", "too-large"),
        ("ok", None),
    ]


async def test_a_body_without_end_is_refused(site: Site) -> None:
    ann = await join(site, "ann")
    answer = await ann.client.post(f"{ann.path}/frames", content=b"[" + b" " * (8 * 1024 * 1024) + b"]")
    assert answer.status_code == 413
    assert answer.json()["code"] == "too-large"
    await ann.ok("ping")


async def test_a_session_goes_on_in_another_way(site: Site) -> None:
    ann, bob = await site.join("ann"), await join(site, "bob")
    conversation = (await ann.send("bob", "0"))["conversation"]
    await bob.event("message", body="0")
    for number, kind in enumerate(("sse", "ndjson", "poll", "sse"), start=1):
        await bob.deafen()
        bob.kind = kind
        await ann.send("bob", str(number))
        bob.listen(cursor=bob.cursor)
        await bob.event("message", body=str(number))
    assert [message["seq"] for message in bob.messages(conversation)] == [1, 2, 3, 4, 5]


async def test_who_ends_its_session_is_offline(server: Server, transport: str) -> None:
    site = Site(server, "--grace", "0.2", transport=transport)
    ann, bob = await site.join("ann"), await site.join("bob")
    await ann.ok("presence.watch", members=["bob"])
    await bob.close()
    await ann.sees("bob", "offline")
    await site.leave()


@pytest.mark.parametrize("transport", ["poll"])
async def test_a_poll_without_events_is_an_empty_array(site: Site) -> None:
    ann = await join(site, "ann")
    await ann.deafen()
    for wait in ("0", "1"):
        answer = await ann.client.get(f"{ann.path}/events", params={"wait": wait}, headers=accept(ann))
        assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("transport", ["poll"])
async def test_a_poll_is_answered_when_something_happens(site: Site) -> None:
    ann, bob = await site.join("ann"), await join(site, "bob")
    await bob.deafen()
    poll = asyncio.create_task(bob.client.get(f"{bob.path}/events", params={"wait": 55}, headers=accept(bob)))
    await bob.ok("ping")
    await ann.ok("conversation.create", members=["bob"], name="Wake up")
    answer = await asyncio.wait_for(poll, 20)
    assert [frame["name"] for frame in answer.json()] == ["Wake up"]


@pytest.mark.parametrize("transport", ["poll"])
@pytest.mark.parametrize("wait", ["-1", "x", "", "1e9", "NaN", "99999999999999999999"])
async def test_a_poll_that_waits_out_of_bounds_is_refused_or_cut_to_them(site: Site, wait: str) -> None:
    ann, bob = await site.join("ann"), await join(site, "bob")
    await bob.deafen()
    await ann.send("bob", "something to answer with")
    answer = await bob.client.get(f"{bob.path}/events", params={"wait": wait}, headers=accept(bob))
    if answer.status_code == 200:
        assert said(answer.json()) == ["something to answer with"]
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-frame")


async def test_a_session_that_nobody_listens_to_ends_and_one_that_is_listened_to_does_not(
    hasty_server: Server, transport: str
) -> None:
    site = Site(hasty_server, transport=transport)
    heard, unheard = await site.join("ann"), await join(site, "bob")
    await unheard.deafen()
    async with asyncio.timeout(30):
        while (await unheard.client.request("POST", f"{unheard.path}/frames", content=b"[]")).status_code != 404:
            await heard.ok("ping")
    answer = await unheard.client.get(f"{unheard.path}/events", headers=accept(unheard))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    await heard.send("bob", "to whom it may concern")
    await site.leave()


@pytest.mark.parametrize(
    ("text", "id"),
    [('"\\ud800"', "b"), ("[" * 200 + "]" * 200, "b"), ('"\\u0000"', "b")],
    ids=["lone surrogate", "nested", "nul"],
)
async def test_a_frame_at_fault_is_refused_alone(site: Site, text: str, id: str) -> None:
    ann = await join(site, "ann")
    at_fault = f'{{"type":"members","id":"{id}","query":{text}}}'
    body = f'[{{"type":"ping","id":"a"}},{at_fault},{{"type":"ping","id":"c"}}]'
    answer = await ann.client.post(f"{ann.path}/frames", content=body.encode())
    assert answer.status_code == 200
    first, second, third = answer.json()
    assert (first["type"], first["id"]) == ("ok", "a")
    assert (second["type"], second["id"], second["code"]) == ("error", id, "bad-frame")
    assert (third["type"], third["id"]) == ("ok", "c")

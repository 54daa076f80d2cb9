"""Limits: who is too fast is told so and when to come back; who goes on is cut off; nobody else notices."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.client import Connection, Ended, Frame, HelloRefused
from tests.support.server import Server
from tests.support.site import Site

BURST = 300
FRAME = 65536
only_ws = pytest.mark.parametrize("transport", ["ws"])


@pytest.fixture
async def unlimited_site(server: Server, transport: str) -> AsyncIterator[Site]:
    """A site as load tools make it."""
    site = Site(server, "--limits", "none", transport=transport)
    yield site
    await site.leave()


def sends(count: int, start: int = 0) -> list[dict[str, object]]:
    """Frames that send numbered messages to Bob."""
    return [
        {"type": "message.send", "id": f"s{n}", "to": {"member": "bob"}, "body": str(n), "key": f"k{n}"}
        for n in range(start, start + count)
    ]


def ping(size: int) -> dict[str, str]:
    """A ping that is exactly `size` bytes long."""
    frame = {"type": "ping", "id": "p", "x": ""}
    return {**frame, "x": "x" * (size - len(json.dumps(frame)))}


async def flood(connection: Connection) -> None:
    """Sends on and on, whatever is answered."""
    for turn in range(50):
        await connection.batch(*sends(400, start=400 * turn))


async def too_fast(connection: Connection, start: int, count: int) -> Frame | None:
    """Sends up to so many messages, until a send is refused; answers the last refusal.

    However slow the machine is that does the sending, and the database that stores it: the more is sent, the longer
    it may take.
    """
    for begin in range(start, start + count, BURST // 5):
        replies = await connection.batch(*sends(BURST // 5, start=begin))
        if refused := [reply for reply in replies if reply["type"] == "error"]:
            return refused[-1]
    return None


async def test_sends_beyond_the_burst_are_rate_limited_and_the_others_stored_without_a_gap(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    replies = await ann.batch(*sends(BURST + 200))
    good = [reply for reply in replies if reply["type"] == "ok"]
    limited = [reply for reply in replies if reply["type"] == "error"]
    assert len(good) >= BURST
    assert limited
    assert {reply["code"] for reply in limited} == {"rate-limited"}
    assert all(isinstance(reply["retry_ms"], int) and reply["retry_ms"] > 0 for reply in limited)
    assert [reply["seq"] for reply in good] == list(range(1, len(good) + 1))
    await bob.event("message", seq=len(good))
    assert [message["seq"] for message in bob.messages()] == list(range(1, len(good) + 1))


async def test_after_retry_ms_a_send_is_good_again(site: Site) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    refusal = await too_fast(ann, 0, 10 * BURST)
    assert refusal
    assert refusal["code"] == "rate-limited"
    await asyncio.sleep(refusal["retry_ms"] / 1000)
    assert (await ann.send("bob", "patience"))["type"] == "ok"


async def test_the_rate_is_a_members_and_not_a_pages(site: Site) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    page = await site.join("ann")
    assert await too_fast(ann, 0, 10 * BURST)
    # By itself the page could send as much without being refused.
    refusal = await too_fast(page, 10_000, BURST)
    assert refusal
    assert refusal["code"] == "rate-limited"


async def test_others_are_not_held_up_by_one_who_is_too_fast(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await ann.batch(*sends(BURST + 60))
    assert (await bob.send("ann", "I may"))["type"] == "ok"


@only_ws
async def test_who_floods_on_is_cut_off_with_4429(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    with pytest.raises(Ended):
        await flood(ann)
    assert await ann.ended() == 4429
    assert (await bob.send("ann", "I am still here"))["type"] == "ok"


@pytest.mark.parametrize("transport", ["sse", "poll"])
async def test_a_session_that_floods_on_is_over(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    with pytest.raises(Ended):
        await flood(ann)
    await ann.ended()
    assert (await bob.send("ann", "I am still here"))["type"] == "ok"


async def test_a_site_without_limits_has_no_rates(unlimited_site: Site) -> None:
    ann, bob = await unlimited_site.join("ann"), await unlimited_site.join("bob")
    assert "sends_per_second" not in ann.hello["limits"]
    assert "burst" not in ann.hello["limits"]
    for turn in range(4):
        replies = await ann.batch(*sends(300, start=300 * turn))
        assert {reply["type"] for reply in replies} == {"ok"}
    await bob.event("message", seq=1200)
    assert [message["seq"] for message in bob.messages()] == list(range(1, 1201))


async def bad(connection: Connection, count: int) -> None:
    """Sends bad frames, each of which must be answered as one."""
    for _ in range(count):
        assert (await connection.raw(b'{"id":"b"}'))["code"] == "bad-frame"


async def test_some_bad_frames_are_forgiven(site: Site) -> None:
    ann = await site.join("ann")
    await bad(ann, 29)
    await ann.ok("ping")


async def test_bad_frames_again_and_again_end_the_connection_with_4400(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    with pytest.raises(Ended):
        await bad(ann, 60)
    assert await ann.ended() in ((4400,) if site.transport == "ws" else (404, None))
    await bob.ok("ping")


async def test_a_frame_of_64_kib_is_a_frame(site: Site) -> None:
    ann = await site.join("ann")
    [reply] = await ann.batch(ping(FRAME))
    assert (reply["type"], reply["id"]) == ("ok", "p")


@only_ws
async def test_a_frame_of_one_byte_more_ends_the_connection_with_4413(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    assert (await ann.raw(json.dumps(ping(FRAME + 1)).encode()))["code"] == "too-large"
    assert await ann.ended() == 4413
    await bob.ok("ping")


@only_ws
async def test_size_is_counted_in_bytes_and_not_in_characters(site: Site) -> None:
    ann = await site.join("ann")
    text = '{"type":"ping","id":"p","x":"' + "🐝" * (FRAME // 4) + '"}'
    assert (await ann.raw(text.encode()))["code"] == "too-large"
    assert await ann.ended() == 4413


@pytest.mark.parametrize("transport", ["sse", "ndjson", "poll"])
async def test_over_http_one_byte_more_is_answered_too_large(site: Site) -> None:
    ann = await site.join("ann")
    assert (await ann.raw(json.dumps(ping(FRAME + 1)).encode()))["code"] == "too-large"
    await ann.ok("ping")


@pytest.mark.parametrize("transport", ["ws", "poll"])
async def test_an_address_with_too_many_failed_hellos_is_rate_limited_and_others_are_not(
    server: Server, transport: str
) -> None:
    site, other = Site(server, transport=transport), Site(server, transport=transport)
    codes = []
    for _ in range(400):
        with pytest.raises(HelloRefused) as refused:
            await site.hello({"token": "wrong"})
        codes.append(refused.value.error["code"])
        if codes[-1] == "rate-limited":
            break
    assert codes[-1] == "rate-limited"
    assert len(codes) >= 300
    assert refused.value.error["retry_ms"] > 0
    assert refused.value.code == (4429 if transport == "ws" else 429)
    assert (await other.join("ann")).hello["member"]["id"] == "ann"
    await other.leave()

"""Crashes and restarts: what was answered `ok` is there afterwards, once, and nobody misses anything."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import Connection, Ended
from tests.support.server import Server
from tests.support.site import Site


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that a test may kill."""
    server = Server(tmp_path)
    try:
        yield server.start()
    finally:
        server.stop()


async def write_until_cut_off(who: Connection, to: str, sent: list[str], stored: dict[str, int]) -> None:
    """Sends one message after the other; notes the keys of those sent, and the seq of those answered `ok`."""
    with contextlib.suppress(Ended):
        while True:
            key = f"{to}-{len(sent)}"
            sent.append(key)
            stored[key] = (await who.send(to, key, key=key))["seq"]


async def whole_history(who: Connection, conversation: str) -> list[tuple[int, str]]:
    """Seq and body of every message of a conversation."""
    found: list[tuple[int, str]] = []
    before: dict[str, int] = {}
    while True:
        page = await who.ok("history", conversation=conversation, limit=100, **before)
        found = [(message["seq"], message["body"]) for message in page["messages"]] + found
        if not page["more"]:
            return found
        before = {"before": found[0][0]}


@pytest.mark.parametrize("transport", ["ws", "sse", "poll"])
async def test_what_was_answered_ok_survives_a_kill_under_traffic_once_and_in_order(
    own_server: Server, transport: str
) -> None:
    site = Site(own_server, "--limits", "none", transport=transport)
    ann, bob, cid = await site.join("ann"), await site.join("bob"), await site.join("cid")
    first = await ann.send("bob", "first")
    conversation = first["conversation"]
    await bob.event("message")
    sent: dict[str, list[str]] = {"bob": [], "ann": []}
    stored: dict[str, int] = {}
    traffic = [
        asyncio.create_task(write_until_cut_off(ann, "bob", sent["bob"], stored)),
        asyncio.create_task(write_until_cut_off(cid, "ann", sent["ann"], stored)),
    ]
    await bob.event("message", lambda frame: frame["seq"] >= 30)
    own_server.kill()
    await asyncio.gather(*traffic)
    await bob.ended()
    own_server.start()

    again = await site.join("bob", resume=bob.cursor)
    assert again.hello.get("resumed") is not False
    writer = await site.join("ann")
    # Whoever got no answer asks again with the same key, and is answered as if for the first time.
    for key in sent["bob"]:
        reply = await writer.send("bob", key, key=key)
        assert reply["seq"] == stored.get(key, reply["seq"])
    history = await whole_history(again, conversation)
    assert [seq for seq, _ in history] == list(range(1, len(history) + 1))
    assert [body for _, body in history] == ["first", *sent["bob"]]
    assert all((seq, key) in history for key, seq in stored.items() if key in sent["bob"])
    await site.fence(again)
    seen = [message["seq"] for message in bob.messages(conversation) + again.messages(conversation)]
    assert seen == list(range(1, len(history) + 1))
    await site.leave()


async def test_members_pick_up_after_a_restart_where_they_were(own_server: Server) -> None:
    for transport in ("ws", "sse", "ndjson", "poll"):
        site = Site(own_server, transport=transport)
        ann, bob = await site.join("ann"), await site.join("bob")
        conversation = (await ann.send("bob", "before"))["conversation"]
        await bob.event("message")
        await bob.ok("tabs.set", tabs=[{"conversation": conversation, "state": "open"}])
        await bob.ok("presence.set", show="dnd", status="busy")
        own_server.restart()
        await bob.ended()
        again = await site.join("bob", resume=bob.cursor)
        assert again.hello.get("resumed") is not False
        assert again.hello["tabs"] == [{"conversation": conversation, "state": "open"}]
        assert again.hello["presence"] == {"show": "dnd", "status": "busy"}
        assert again.hello["unread"] == {conversation: 1}
        ann = await site.join("ann")
        assert (await ann.say(conversation, "after"))["seq"] == 2
        await again.event("message", body="after")
        assert [message["seq"] for message in again.messages()] == [2]
        await site.leave()


async def test_a_node_that_ends_says_so_and_closes_with_1012(own_server: Server) -> None:
    site = Site(own_server, transport="ws")
    ann = await site.join("ann")
    streaming = await site.join("ann", transport="sse")
    await asyncio.to_thread(own_server.terminate)
    closing = await ann.event("closing")
    assert closing["reason"]
    assert closing["retry_ms"] >= 0
    assert await ann.ended() == 1012
    await streaming.event("closing")
    await site.leave()


async def test_a_message_sent_just_before_an_orderly_end_is_kept(own_server: Server) -> None:
    site = Site(own_server, transport="ws")
    ann, _ = await site.join("ann"), await site.join("bob")
    frames = [
        {"type": "message.send", "id": f"s{n}", "to": {"member": "bob"}, "body": str(n), "key": str(n)}
        for n in range(50)
    ]
    answered = asyncio.create_task(ann.batch(*frames))
    stopped = asyncio.create_task(asyncio.to_thread(own_server.terminate))
    replies = await asyncio.gather(answered, return_exceptions=True)
    await stopped
    own_server.start()
    again = await site.join("ann")
    for n, frame in enumerate(frames):
        reply = await again.request(**frame)
        assert reply["seq"] == n + 1
    assert isinstance(replies[0], Ended) or [reply["seq"] for reply in replies[0]] == list(range(1, 51))
    await site.leave()

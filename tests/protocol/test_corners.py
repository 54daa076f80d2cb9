"""Corners of the contract where a change meets an absence: blocks, leaving, coming late, being cut off."""

import asyncio
from typing import Any

from tests.support.client import Connection
from tests.support.http import HttpConnection
from tests.support.server import Server
from tests.support.site import Site


async def send(connection: Connection, to: dict[str, str], body: str) -> Any:
    """Sends a message; its reply."""
    return await connection.request(type="message.send", to=to, body=body, key=body)


async def bodies(connection: Connection, conversation: str) -> list[Any]:
    """The bodies in a conversation's history; None for what has none."""
    page = await connection.request(type="history", conversation=conversation)
    return [message.get("body") for message in page["messages"] if "system" not in message]


async def test_who_left_a_group_learns_nothing_of_what_becomes_of_it(site: Site) -> None:
    ann, bob, _ = await site.join("ann"), await site.join("bob"), await site.join("cid")
    made = await ann.request(type="conversation.create", members=["bob", "cid"], name="before")
    await bob.request(type="conversation.leave", conversation=made["conversation"])
    await site.fence(bob)
    cursor = bob.cursor
    await bob.close()
    await ann.request(type="conversation.rename", conversation=made["conversation"], name="after")
    bob = await site.join("bob", resume=cursor)
    await site.fence(bob)
    assert bob.unseen("conversation", "message") == []


async def test_the_tab_of_a_group_goes_with_leaving_it(site: Site) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    made = await ann.request(type="conversation.create", members=["bob"], name="g")
    kept = await send(ann, {"member": "bob"}, "hi")
    tabs = [{"conversation": room["conversation"], "state": "open"} for room in (made, kept)]
    await ann.request(type="tabs.set", tabs=tabs)
    await ann.request(type="conversation.leave", conversation=made["conversation"])
    told = await ann.event("tabs")
    assert told["tabs"] == tabs[1:]
    again = await site.join("ann")
    assert again.hello["tabs"] == tabs[1:]


async def test_what_is_changed_in_a_session_s_own_message_elsewhere_is_told_to_it(site: Site) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    other = await site.join("ann", transport="ws")
    sent = await send(ann, {"member": "bob"}, "first")
    where = {"conversation": sent["conversation"], "seq": sent["seq"]}
    await other.request(type="message.edit", body="second", **where)
    assert (await ann.event("message.edited"))["body"] == "second"
    await other.request(type="message.delete", **where)
    assert (await ann.event("message.deleted"))["seq"] == sent["seq"]
    assert ann.unseen("message") == []


async def test_an_edit_of_what_was_said_before_one_joined_is_resumed(site: Site) -> None:
    ann, bob, cid = await site.join("ann"), await site.join("bob"), await site.join("cid")
    made = await ann.request(type="conversation.create", members=["bob"], name="g")
    where = {"conversation": made["conversation"]}
    await send(ann, where, "old words")
    await ann.request(type="conversation.invite", members=["cid"], **where)
    await cid.event("message")
    cursor = cid.cursor
    await cid.close()
    await ann.request(type="message.edit", seq=1, body="new words", **where)
    cid = await site.join("cid", resume=cursor)
    assert (await cid.event("message.edited"))["body"] == "new words"
    assert cid.unseen("message") == []
    assert await bodies(bob, made["conversation"]) == ["new words"]


async def test_a_conversation_that_only_a_blocked_member_wrote_in_is_not_there_until_the_block_is_lifted(
    site: Site,
) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await bob.request(type="block.add", member="ann")
    cursor = bob.cursor
    sent = await send(ann, {"member": "bob"}, "hidden")
    assert (await bob.request(type="conversations"))["conversations"] == []
    assert [c["conversation"] for c in (await ann.request(type="conversations"))["conversations"]] == [
        sent["conversation"]
    ]
    again = await site.join("bob", resume=cursor)
    assert (await again.request(type="ping"))["type"] == "ok"
    assert again.unseen("conversation", "message") == []
    await bob.request(type="block.remove", member="ann")
    await send(ann, {"member": "bob"}, "seen")
    shown = await bob.event("conversation")
    assert {member["id"] for member in shown["members"]} == {"ann", "bob"}
    assert (await bob.event("message"))["body"] == "seen"
    listed = (await bob.request(type="conversations"))["conversations"]
    assert [(c["conversation"], c["last"]["body"], c["unread"]) for c in listed] == [(sent["conversation"], "seen", 1)]


async def test_who_is_invited_does_not_read_what_those_it_blocks_wrote_meanwhile(site: Site) -> None:
    ann, cid, bob = await site.join("ann"), await site.join("cid"), await site.join("bob")
    made = await cid.request(type="conversation.create", members=["ann"], name="g")
    where = {"conversation": made["conversation"]}
    await send(ann, where, "before")
    await bob.request(type="block.add", member="ann")
    await send(ann, where, "meanwhile")
    await send(cid, where, "welcome")
    await cid.request(type="conversation.invite", members=["bob"], **where)
    await bob.event("conversation")
    assert await bodies(bob, made["conversation"]) == ["before", None, "welcome"]


async def test_a_block_does_not_take_away_reactions_and_read_marks_of_before_nor_add_any(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    sent = await send(ann, {"member": "bob"}, "one")
    where = {"conversation": sent["conversation"]}
    await bob.request(type="message.react", seq=1, emoji="👍", on=True, **where)
    await bob.request(type="message.read", seq=1, **where)
    await ann.event("read")
    await bob.request(type="block.add", member="ann")
    await send(ann, where, "two")
    await bob.request(type="message.react", seq=1, emoji="🔥", on=True, **where)
    await bob.request(type="message.read", seq=2, **where)
    await site.fence(ann)
    assert [frame["emoji"] for frame in ann.log if frame["type"] == "message.reacted"] == ["👍"]
    page = await ann.request(type="history", **where)
    assert page["messages"][0]["reactions"] == {"👍": ["bob"]}
    (listed,) = (await ann.request(type="conversations", ids=[sent["conversation"]]))["conversations"]
    assert listed["read"]["bob"]["seq"] == 1


async def test_to_a_blocked_member_the_blocker_was_last_seen_when_the_block_began(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await bob.request(type="block.add", member="ann")
    seen = (await ann.request(type="presence.watch", members=["bob"]))["presence"]["bob"]
    assert seen["show"] == "offline"
    assert abs(seen["since"] - bob.hello["time"]) < 60_000


async def test_reconnecting_does_not_give_new_rates(site: Site) -> None:
    await site.join("bob")
    answered = 0
    for turn in range(3):
        ann = await site.join("ann")
        frames = [
            {"type": "message.send", "id": str(n), "to": {"member": "bob"}, "body": "x", "key": f"{turn}-{n}"}
            for n in range(250)
        ]
        replies = await ann.batch(*frames)
        answered += sum(reply["type"] == "ok" for reply in replies)
        await ann.close()
    assert answered < 700


async def test_null_is_as_good_as_nothing(site: Site) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    sent = await ann.request(type="message.send", to={"member": "bob"}, body="x", key="k", reply_to=None)
    assert sent["seq"] == 1
    page = await ann.request(type="history", conversation=sent["conversation"], before=None)
    assert len(page["messages"]) == 1


async def test_a_poll_that_ends_loses_nothing_that_happens_at_that_moment(server: Server) -> None:
    site = Site(server, transport="poll")
    ann, bob = await site.join("ann"), await site.join("bob", transport="ws")
    assert isinstance(ann, HttpConnection)
    await ann.deafen()
    first = await send(bob, {"member": "ann"}, "0")

    async def talk() -> None:
        for n in range(1, 150):
            await send(bob, {"conversation": first["conversation"]}, str(n))

    talking = asyncio.create_task(talk())
    seen: list[str] = []
    while len(seen) < 150:
        over = talking.done()
        answer = await ann.client.get(f"{ann.path}/events?wait=0", headers={"Accept": "application/json"})
        seen += [frame["body"] for frame in answer.json() if frame["type"] == "message"]
        if over and not answer.json():
            break
    await talking
    assert seen == [str(n) for n in range(150)]
    await site.leave()

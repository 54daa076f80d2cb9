"""Blocks: whoever is blocked cannot tell, and whoever blocks sees and hears nothing of them."""

import pytest

from tests.support.client import Connection
from tests.support.site import Site

pytestmark = pytest.mark.database


async def blocked(site: Site) -> tuple[Connection, Connection, str]:
    """Ann, who has blocked Bob, Bob, and their conversation with one message of Bob's from before."""
    ann, bob = await site.join("ann"), await site.join("bob")
    conversation = (await bob.send("ann", "before"))["conversation"]
    await ann.event("message", body="before")
    await ann.ok("message.read", conversation=conversation, seq=1)
    await bob.event("read")
    await ann.ok("block.add", member="bob")
    return ann, bob, conversation


async def test_the_blocked_members_send_is_answered_as_ever_and_does_not_arrive(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    reply = await bob.send("ann", "can you hear me?")
    assert (reply["conversation"], reply["seq"]) == (conversation, 2)
    assert reply.keys() == {"type", "id", "conversation", "seq", "time"}
    assert (await bob.say(conversation, "hello?"))["seq"] == 3
    await site.fence(ann)
    assert [message["body"] for message in ann.messages(conversation) if "body" in message] == ["before"]


async def test_the_blocker_finds_a_hidden_entry_and_the_blocked_its_own_message(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    await bob.send("ann", "hidden words")
    messages = (await ann.ok("history", conversation=conversation))["messages"]
    assert [message["seq"] for message in messages] == [1, 2]
    assert {name: value for name, value in messages[1].items() if name != "conversation"} == {"seq": 2, "hidden": True}
    messages = (await bob.ok("history", conversation=conversation))["messages"]
    assert [message["body"] for message in messages] == ["before", "hidden words"]
    assert "hidden" not in messages[1]


async def test_hidden_messages_are_never_unread_and_never_last(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    await bob.send("ann", "hidden words")
    [entry] = (await ann.ok("conversations"))["conversations"]
    assert entry["unread"] == 0
    assert "hidden words" not in str(entry)
    again = await site.join("ann")
    assert again.hello["unread"] in ({}, {conversation: 0})


async def test_what_was_sent_while_the_block_held_stays_hidden(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    await bob.send("ann", "hidden words")
    cursor = ann.cursor
    await ann.ok("block.remove", member="bob")
    await bob.send("ann", "heard again")
    assert (await ann.event("message", body="heard again"))["seq"] == 3
    messages = (await ann.ok("history", conversation=conversation))["messages"]
    assert [message.get("body") for message in messages] == ["before", None, "heard again"]
    assert messages[1]["hidden"] is True
    [entry] = (await ann.ok("conversations"))["conversations"]
    assert entry["unread"] == 1
    resumed = await site.join("ann", resume=cursor)
    await site.fence(resumed)
    assert "hidden words" not in str(resumed.log)


async def test_a_resume_brings_nothing_of_what_was_hidden(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    cursor = ann.cursor
    await ann.drop()
    await bob.send("ann", "hidden words")
    await bob.ok("message.edit", conversation=conversation, seq=2, body="hidden words, edited")
    await bob.ok("message.react", conversation=conversation, seq=2, emoji="👍", on=True)
    await bob.ok("message.delete", conversation=conversation, seq=2)
    again = await site.join("ann", resume=cursor)
    await site.fence(again)
    assert "hidden words" not in str(again.log)
    assert "👍" not in str(again.log)


async def test_changes_to_a_hidden_message_do_not_show_it(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    await bob.send("ann", "hidden words")
    await bob.ok("message.edit", conversation=conversation, seq=2, body="hidden words, edited")
    await bob.ok("message.react", conversation=conversation, seq=2, emoji="👍", on=True)
    await bob.ok("message.delete", conversation=conversation, seq=2)
    await site.fence(ann)
    assert ann.unseen("message", "message.edited", "message.reacted", "message.deleted") == []
    [_, hidden] = (await ann.ok("history", conversation=conversation))["messages"]
    assert "hidden words" not in str(hidden)


async def test_an_edit_of_an_old_message_does_not_carry_words_past_the_block(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    await bob.ok("message.edit", conversation=conversation, seq=1, body="words after all")
    await site.fence(ann)
    assert "words after all" not in str(ann.log)


async def test_the_blockers_own_send_is_forbidden(site: Site) -> None:
    ann, _, conversation = await blocked(site)
    assert await ann.refused("message.send", to={"member": "bob"}, body="x", key="k") == "forbidden"
    assert await ann.refused("message.send", to={"conversation": conversation}, body="x", key="k") == "forbidden"
    await ann.ok("block.remove", member="bob")
    assert (await ann.send("bob", "x", key="k"))["seq"] == 2


async def test_typing_does_not_pass_either_way(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    await bob.tell("typing", conversation=conversation, on=True)
    await ann.tell("typing", conversation=conversation, on=True)
    await site.fence(ann, bob)
    assert ann.unseen("typing") == []
    assert bob.unseen("typing") == []


async def test_read_marks_do_not_tell_the_blocked_that_it_is_heard(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    await bob.send("ann", "hidden words")
    await ann.request("message.read", conversation=conversation, seq=2)
    await site.fence(bob)
    assert [event for event in bob.unseen("read") if event["seq"] > 1] == []


async def test_presence_does_not_pass_either_way(site: Site) -> None:
    ann, bob, _ = await blocked(site)
    assert (await bob.ok("presence.watch", members=["ann"]))["presence"]["ann"]["show"] == "offline"
    assert (await ann.ok("presence.watch", members=["bob"]))["presence"]["bob"]["show"] == "offline"
    await ann.ok("block.remove", member="bob")
    await bob.sees("ann", "online")
    await ann.sees("bob", "online")


async def test_changes_of_presence_do_not_pass_while_a_block_holds(site: Site) -> None:
    ann, bob, _ = await blocked(site)
    cid = await site.join("cid")
    for who in (ann, bob):
        await who.ok("presence.watch", members=["ann", "bob", "cid"])
    for who in (ann, bob, cid):
        await who.ok("presence.set", show="dnd", status="hidden words")
    await ann.sees("cid", "dnd")
    await bob.sees("cid", "dnd")
    assert set(ann.shown("bob")) | set(bob.shown("ann")) <= {"offline"}


async def test_a_block_looks_like_going_offline(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await bob.ok("presence.watch", members=["ann"])
    await ann.ok("block.add", member="bob")
    await bob.sees("ann", "offline")
    await site.fence(bob)
    assert bob.unseen("contacts") == []


async def test_a_blocked_member_does_not_find_the_blocker_among_those_online(site: Site) -> None:
    ann, bob, _ = await blocked(site)
    assert "ann" not in {member["id"] for member in (await bob.ok("members", online=True))["members"]}
    assert "bob" not in {member["id"] for member in (await ann.ok("members", online=True))["members"]}


async def test_blocks_are_listed_for_the_blocker_alone(site: Site) -> None:
    ann, bob, _ = await blocked(site)
    page = await site.join("ann")
    assert [member["id"] for member in (await page.ok("contacts"))["blocked"]] == ["bob"]
    assert (await bob.ok("contacts"))["blocked"] == []
    await ann.ok("block.remove", member="bob")
    assert (await page.event("contacts"))["blocked"] == []


async def test_in_a_group_the_blocked_members_messages_reach_the_blocker_as_hidden(site: Site) -> None:
    ann, bob, _ = await blocked(site)
    cid = await site.join("cid")
    group = (await cid.ok("conversation.create", members=["ann", "bob"], name="All"))["conversation"]
    await bob.event("conversation", conversation=group)
    reply = await bob.say(group, "hidden words")
    assert (await cid.event("message", conversation=group))["body"] == "hidden words"
    hidden = await ann.event("message", conversation=group, seq=reply["seq"])
    assert hidden["hidden"] is True
    assert "body" not in hidden
    await cid.say(group, "heard by all")
    assert (await ann.event("message", body="heard by all"))["seq"] == reply["seq"] + 1
    history = (await ann.ok("history", conversation=group))["messages"]
    assert [message.get("body") for message in history if "system" not in message] == [None, "heard by all"]
    [entry] = (await ann.ok("conversations", ids=[group]))["conversations"]
    assert entry["unread"] == 1
    assert (await ann.say(group, "and Bob hears me"))["seq"] == reply["seq"] + 2
    await bob.event("message", body="and Bob hears me")
    await site.fence(ann)
    assert "hidden words" not in str(ann.log)


async def test_a_blocked_members_typing_in_a_group_is_not_seen_by_the_blocker(site: Site) -> None:
    ann, bob, _ = await blocked(site)
    cid = await site.join("cid")
    group = (await cid.ok("conversation.create", members=["ann", "bob"], name="All"))["conversation"]
    for each in (ann, bob, cid):
        # Typing is told to whoever listens, and to nobody later.
        await each.event("conversation", conversation=group)
    await bob.tell("typing", conversation=group, on=True)
    await cid.event("typing", member="bob")
    await site.fence(ann)
    assert ann.unseen("typing") == []


async def test_both_may_block_each_other(site: Site) -> None:
    ann, bob, conversation = await blocked(site)
    await bob.ok("block.add", member="ann")
    assert await bob.refused("message.send", to={"conversation": conversation}, body="x", key="k") == "forbidden"
    await ann.ok("block.remove", member="bob")
    assert (await ann.say(conversation, "now I am the one unheard"))["seq"] == 2
    await site.fence(bob)
    assert bob.messages(conversation) == []

"""Conversations: groups that members make, join, rename and leave; and pairs, which they cannot."""

import pytest

from tests.support.bad import short
from tests.support.client import Connection
from tests.support.site import Site

pytestmark = pytest.mark.database


async def group(site: Site) -> tuple[Connection, Connection, Connection, str]:
    """Ann, Bob and Cid, and Ann's group "Bees" with Bob in it, but not Cid."""
    ann, bob, cid = await site.join("ann"), await site.join("bob"), await site.join("cid")
    conversation = (await ann.ok("conversation.create", members=["bob"], name="Bees"))["conversation"]
    await bob.event("conversation", conversation=conversation)
    await ann.event("conversation", conversation=conversation)
    return ann, bob, cid, conversation


def ids(entry: dict[str, list[dict[str, str]]]) -> set[str]:
    """The ids of a conversation's members."""
    return {member["id"] for member in entry["members"]}


async def test_a_new_group_is_told_to_all_its_members_the_maker_included(site: Site) -> None:
    ann, bob, cid = await site.join("ann"), await site.join("bob"), await site.join("cid")
    page = await site.join("ann")
    conversation = (await ann.ok("conversation.create", members=["bob", "cid"], name="Bees"))["conversation"]
    for who in (ann, page, bob, cid):
        event = await who.event("conversation", conversation=conversation)
        assert event["name"] == "Bees"
        assert event["kind"] == "group"
        assert ids(event) == {"ann", "bob", "cid"}
        assert event["cursor"]
    [entry] = (await cid.ok("conversations"))["conversations"]
    assert (entry["conversation"], entry["name"], ids(entry)) == (conversation, "Bees", {"ann", "bob", "cid"})


async def test_a_group_needs_no_name(site: Site) -> None:
    ann, *_ = [await site.join(sub) for sub in ("ann", "bob", "cid")]
    await ann.ok("conversation.create", members=["bob", "cid"])
    assert (await ann.event("conversation"))["kind"] == "group"


async def test_creating_with_one_member_and_no_name_answers_the_pair(site: Site) -> None:
    ann, bob, cid, _ = await group(site)
    empty = (await ann.ok("conversation.create", members=["bob"]))["conversation"]
    assert (await ann.event("conversation", conversation=empty))["kind"] == "pair"
    assert (await bob.ok("conversation.create", members=["ann"]))["conversation"] == empty
    assert (await ann.send("bob", "into the same"))["conversation"] == empty
    assert (await cid.ok("conversation.create", members=["ann"]))["conversation"] != empty


async def test_an_empty_pair_is_told_to_its_maker_only(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await ann.ok("conversation.create", members=["bob"])
    await ann.event("conversation")
    await site.fence(bob)
    assert [event for event in bob.unseen("conversation") if "ann" in ids(event)] == []


async def test_messages_in_a_group_reach_all_its_members_in_one_order(site: Site) -> None:
    ann, bob, cid, conversation = await group(site)
    await ann.ok("conversation.invite", conversation=conversation, members=["cid"])
    await cid.event("conversation")
    for number in range(5):
        for who in (ann, bob, cid):
            await who.say(conversation, f"{number} of {who.hello['member']['id']}")
    history = (await ann.ok("history", conversation=conversation, limit=100))["messages"]
    seqs = [message["seq"] for message in history]
    assert seqs == list(range(1, len(seqs) + 1))
    await site.fence(ann, bob, cid)
    for who in (ann, bob, cid):
        me = who.hello["member"]["id"]
        expected = [message["body"] for message in history if message.get("from") != me and "body" in message]
        assert [message["body"] for message in who.messages(conversation) if "body" in message] == expected


async def test_who_is_invited_reads_the_whole_history_and_all_are_told(site: Site) -> None:
    ann, bob, cid, conversation = await group(site)
    await ann.say(conversation, "before Cid came")
    assert (await ann.ok("conversation.invite", conversation=conversation, members=["cid"]))[
        "conversation"
    ] == conversation
    for who in (ann, bob, cid):
        assert ids(await who.event("conversation", conversation=conversation)) == {"ann", "bob", "cid"}
    messages = (await cid.ok("history", conversation=conversation))["messages"]
    assert "before Cid came" in [message.get("body") for message in messages]
    joined = messages[-1]
    assert joined["system"] == {"kind": "joined", "member": "cid", "by": "ann"}
    assert joined["seq"] == len(messages)
    assert "body" not in joined


async def test_a_joining_is_a_message_to_those_who_are_there(site: Site) -> None:
    ann, bob, _, conversation = await group(site)
    await ann.ok("conversation.invite", conversation=conversation, members=["cid"])
    message = await bob.event("message", conversation=conversation)
    assert message["system"]["kind"] == "joined"
    assert message["system"]["member"] == "cid"


async def test_inviting_who_is_in_already_changes_nothing(site: Site) -> None:
    ann, bob, _, conversation = await group(site)
    await ann.ok("conversation.invite", conversation=conversation, members=["bob"])
    await site.fence(bob)
    assert bob.unseen("message") == []
    [entry] = (await ann.ok("conversations", ids=[conversation]))["conversations"]
    assert ids(entry) == {"ann", "bob"}


async def test_who_left_a_group_is_no_longer_in_it(site: Site) -> None:
    ann, bob, _, conversation = await group(site)
    page = await site.join("bob")
    await ann.say(conversation, "do not go")
    await bob.ok("conversation.leave", conversation=conversation)
    assert (await page.event("conversation", left=True))["conversation"] == conversation
    assert ids(await ann.event("conversation", conversation=conversation)) == {"ann"}
    left = await ann.event("message", conversation=conversation)
    assert left["system"]["kind"] == "left"
    assert left["system"]["member"] == "bob"
    assert left["seq"] == 2
    await ann.say(conversation, "to an empty room")
    await site.fence(bob)
    assert [message.get("body") for message in bob.messages(conversation)] == ["do not go"]
    listed = (await bob.ok("conversations"))["conversations"]
    assert conversation not in [entry["conversation"] for entry in listed]


async def test_everything_about_a_conversation_one_left_is_refused(site: Site) -> None:
    _, bob, _, conversation = await group(site)
    await bob.say(conversation, "mine")
    await bob.ok("conversation.leave", conversation=conversation)
    await everything_is_refused(bob, conversation)
    assert conversation not in (await site.join("bob")).hello["unread"]


async def everything_is_refused(who: Connection, conversation: str) -> None:
    """Checks that whoever is not in a conversation can do nothing with it."""
    gone = ("not-found", "forbidden")
    where = {"conversation": conversation}
    assert await who.refused("message.send", to=where, body="x", key="gone") in gone
    assert await who.refused("history", **where) in gone
    assert await who.refused("message.edit", **where, seq=1, body="x") in gone
    assert await who.refused("message.delete", **where, seq=1) in gone
    assert await who.refused("message.react", **where, seq=1, emoji="👍", on=True) in gone
    assert await who.refused("message.read", **where, seq=1) in gone
    assert await who.refused("report", **where, seq=1, reason="x") in gone
    assert await who.refused("conversation.invite", **where, members=["ann"]) in gone
    assert await who.refused("conversation.rename", **where, name="x") in gone
    assert await who.refused("conversation.leave", **where) in gone
    assert (await who.ok("conversations", ids=[conversation]))["conversations"] == []


async def test_whoever_was_never_in_a_conversation_can_do_nothing_with_it(site: Site) -> None:
    ann, bob, cid, conversation = await group(site)
    pair = (await ann.send("bob", "between us"))["conversation"]
    await ann.say(conversation, "between us bees")
    for each in (conversation, pair):
        await everything_is_refused(cid, each)
        await cid.tell("typing", conversation=each, on=True)
    await site.fence(bob)
    assert bob.unseen("typing") == []
    assert cid.messages(pair) == []


async def test_who_left_can_be_invited_back(site: Site) -> None:
    ann, bob, _, conversation = await group(site)
    await bob.ok("conversation.leave", conversation=conversation)
    await ann.ok("conversation.invite", conversation=conversation, members=["bob"])
    await bob.event("conversation", conversation=conversation, name="Bees", left=None)
    await bob.say(conversation, "back again")


async def test_a_group_gets_another_name(site: Site) -> None:
    ann, bob, _, conversation = await group(site)
    await bob.ok("conversation.rename", conversation=conversation, name="Wasps")
    assert (await ann.event("conversation", conversation=conversation))["name"] == "Wasps"
    [entry] = (await ann.ok("conversations", ids=[conversation]))["conversations"]
    assert entry["name"] == "Wasps"


async def test_a_pair_cannot_be_left_renamed_or_invited_to(site: Site) -> None:
    ann, bob, _, _ = await group(site)
    pair = (await ann.send("bob", "just us"))["conversation"]
    for type, fields in (
        ("conversation.leave", {}),
        ("conversation.rename", {"name": "x"}),
        ("conversation.invite", {"members": ["cid"]}),
    ):
        assert await ann.refused(type, conversation=pair, **fields) in ("conflict", "forbidden", "bad-frame")
    await bob.say(pair, "still here")
    await ann.event("message", body="still here")


async def test_an_unknown_member_in_create_or_invite_is_not_found(site: Site) -> None:
    ann, bob, _, conversation = await group(site)
    assert await ann.refused("conversation.create", members=["nobody"]) == "not-found"
    assert await ann.refused("conversation.create", members=["bob", "nobody"], name="x") == "not-found"
    assert await ann.refused("conversation.invite", conversation=conversation, members=["cid", "nobody"]) == "not-found"
    await site.fence(bob)
    assert {event["kind"] for event in bob.unseen("conversation")} <= {"pair"}
    assert bob.messages(conversation) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"members": []},
        {"members": "bob"},
        {"members": [7]},
        {"members": ["bob"] * 300},
        {"members": ["bob"], "name": "x" * 81},
        {"members": ["bob"], "name": 7},
        {"name": "x"},
    ],
    ids=short,
)
async def test_a_group_out_of_bounds_is_a_bad_frame(site: Site, fields: dict[str, object]) -> None:
    ann, *_ = await group(site)
    assert await ann.refused("conversation.create", **fields) == "bad-frame"

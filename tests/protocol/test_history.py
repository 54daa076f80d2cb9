"""History and the list of conversations: pages that fit together."""

import pytest

from tests.support.bad import short
from tests.support.client import Connection
from tests.support.site import Site

pytestmark = pytest.mark.database


async def written(site: Site, count: int) -> tuple[Connection, Connection, str]:
    """Ann and Bob, and a conversation with `count` messages of Ann's, their bodies their numbers from 1."""
    ann, bob = await site.join("ann"), await site.join("bob")
    frames = (
        {"type": "message.send", "id": f"m{n}", "to": {"member": "bob"}, "body": str(n), "key": str(n)}
        for n in range(1, count + 1)
    )
    replies = await ann.batch(*frames)
    return ann, bob, replies[0]["conversation"]


async def test_history_pages_back_to_the_first_message(site: Site) -> None:
    _, bob, conversation = await written(site, 25)
    pages, before = [], {}
    while True:
        page = await bob.ok("history", conversation=conversation, limit=10, **before)
        pages.append([message["seq"] for message in page["messages"]])
        if not page["more"]:
            break
        before = {"before": pages[-1][0]}
    assert pages == [list(range(16, 26)), list(range(6, 16)), list(range(1, 6))]


async def test_the_last_page_says_that_there_is_no_more(site: Site) -> None:
    _, bob, conversation = await written(site, 10)
    page = await bob.ok("history", conversation=conversation, limit=10)
    assert (len(page["messages"]), page["more"]) == (10, False)
    page = await bob.ok("history", conversation=conversation, limit=10, before=1)
    assert (page["messages"], page["more"]) == ([], False)


async def test_a_message_in_the_history_has_what_its_event_has(site: Site) -> None:
    _, bob, conversation = await written(site, 1)
    event = await bob.event("message")
    [message] = (await bob.ok("history", conversation=conversation))["messages"]
    for name in ("seq", "from", "body", "time"):
        assert message[name] == event[name]


@pytest.mark.parametrize(
    "fields",
    [{"limit": 0}, {"limit": 101}, {"limit": "10"}, {"limit": -1}, {"before": "x"}, {"before": 10**30}, {"before": -5}],
    ids=short,
)
async def test_a_page_out_of_bounds_is_a_bad_frame(site: Site, fields: dict[str, object]) -> None:
    ann, _, conversation = await written(site, 1)
    assert await ann.refused("history", conversation=conversation, **fields) == "bad-frame"


async def test_the_history_of_an_unknown_conversation_is_not_found(site: Site) -> None:
    ann = await site.join("ann")
    assert await ann.refused("history", conversation="nowhere") == "not-found"


async def test_conversations_have_the_last_message_the_members_and_the_unread_count(site: Site) -> None:
    ann, bob, conversation = await written(site, 3)
    [entry] = (await bob.ok("conversations"))["conversations"]
    assert entry["conversation"] == conversation
    assert entry["kind"] == "pair"
    assert entry["seq"] == 3
    assert {member["id"] for member in entry["members"]} == {"ann", "bob"}
    assert {"id", "name", "avatar", "role"} <= entry["members"][0].keys()
    assert (entry["last"]["seq"], entry["last"]["body"], entry["last"]["from"]) == (3, "3", "ann")
    assert entry["unread"] == 3
    [mine] = (await ann.ok("conversations"))["conversations"]
    assert mine["unread"] == 0


async def test_conversations_page_from_the_latest_to_the_first(site: Site) -> None:
    ann = await site.join("ann")
    for number in range(5):
        await site.join(f"m{number}")
        await ann.send(f"m{number}", f"to {number}")
    seen, cursor = [], {}
    while True:
        page = await ann.ok("conversations", limit=2, **cursor)
        assert len(page["conversations"]) <= 2
        seen += [entry["last"]["body"] for entry in page["conversations"]]
        if not page["more"]:
            break
        cursor = {"cursor": page["cursor"]}
    assert seen == [f"to {number}" for number in (4, 3, 2, 1, 0)]


async def test_a_made_up_page_cursor_is_a_bad_frame_or_finds_nothing_of_others(site: Site) -> None:
    ann, _, conversation = await written(site, 1)
    cid = await site.join("cid")
    for cursor in ("x", "999999999", "😀", "' OR 1=1 --", conversation):
        for who in (ann, cid):
            reply = await who.request("conversations", cursor=cursor)
            assert reply["type"] == "ok" or reply["code"] == "bad-frame"
            if who is cid:
                assert reply.get("conversations", []) == []


async def test_conversations_asked_for_by_id_are_just_those(site: Site) -> None:
    ann, bob, conversation = await written(site, 2)
    await site.join("cid")
    other = (await bob.send("cid", "to Cid"))["conversation"]
    reply = await bob.ok("conversations", ids=[conversation])
    assert [entry["conversation"] for entry in reply["conversations"]] == [conversation]
    reply = await ann.ok("conversations", ids=[conversation, other, "nowhere"])
    assert [entry["conversation"] for entry in reply["conversations"]] == [conversation]


async def test_a_pair_without_a_message_is_listed_only_by_its_id(site: Site) -> None:
    ann = await site.join("ann")
    await site.join("bob")
    empty = (await ann.ok("conversation.create", members=["bob"]))["conversation"]
    assert (await ann.ok("conversations"))["conversations"] == []
    [entry] = (await ann.ok("conversations", ids=[empty]))["conversations"]
    assert entry["last"] is None
    assert entry["seq"] == 0


async def test_unread_in_hello_counts_what_others_wrote(site: Site) -> None:
    _, bob, conversation = await written(site, 4)
    await bob.close()
    again = await site.join("bob")
    assert again.hello["unread"] == {conversation: 4}
    await again.ok("message.read", conversation=conversation, seq=3)
    assert (await site.join("bob")).hello["unread"] == {conversation: 1}
    await again.ok("message.read", conversation=conversation, seq=4)
    assert (await site.join("bob")).hello["unread"] in ({}, {conversation: 0})

"""Messages: sent once, in order, edited, deleted, reacted to."""

import asyncio
import time

import pytest

from tests.support.bad import short
from tests.support.client import Connection
from tests.support.site import Site

pytestmark = pytest.mark.database


async def pair(site: Site) -> tuple[Connection, Connection, str]:
    """Ann and Bob, and their conversation with one message of Ann's in it."""
    ann, bob = await site.join("ann"), await site.join("bob")
    conversation = (await ann.send("bob", "first"))["conversation"]
    await bob.event("message", body="first")
    return ann, bob, conversation


async def test_a_message_reaches_the_other_member(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    before = time.time() * 1000
    reply = await ann.send("bob", "hello, Bob", key="k1")
    message = await bob.event("message")
    assert reply["seq"] == 1
    assert before - 5000 < reply["time"] < time.time() * 1000 + 5000
    assert message["conversation"] == reply["conversation"]
    assert message["seq"] == 1
    assert message["from"] == "ann"
    assert message["body"] == "hello, Bob"
    assert message["time"] == reply["time"]
    assert message["cursor"]
    assert "key" not in message


async def test_both_write_into_the_same_conversation_by_its_id_or_by_the_member(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    assert (await bob.send("ann", "second"))["conversation"] == conversation
    assert (await bob.say(conversation, "third"))["seq"] == 3
    assert [(await ann.event("message"))["body"] for _ in range(2)] == ["second", "third"]


async def test_the_sender_gets_no_event_but_its_other_pages_do_with_the_key(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    page = await site.join("ann")
    await ann.send("bob", "from one page", key="page-key")
    message = await page.event("message")
    assert (message["from"], message["body"], message["key"]) == ("ann", "from one page", "page-key")
    await bob.event("message")
    await site.fence(ann)
    assert ann.unseen("message") == []


async def test_the_same_key_again_gets_the_same_reply_and_no_second_message(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    first = await ann.send("bob", "once", key="same")
    again = await ann.send("bob", "once", key="same")
    page = await site.join("ann")
    elsewhere = await page.send("bob", "another body", key="same")
    for reply in (again, elsewhere):
        assert [reply[name] for name in ("conversation", "seq", "time")] == [
            first[name] for name in ("conversation", "seq", "time")
        ]
    await site.fence(bob)
    assert [message["body"] for message in bob.messages(first["conversation"])] == ["once"]
    assert (await ann.send("bob", "next", key="other"))["seq"] == 2


async def test_the_same_key_in_one_batch_makes_one_message(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    frame = {"type": "message.send", "to": {"member": "bob"}, "body": "once", "key": "same"}
    replies = await ann.batch(*({**frame, "id": f"s{number}"} for number in range(5)))
    assert {(reply["type"], reply["seq"]) for reply in replies} == {("ok", 1)}
    await site.fence(bob)
    assert len(bob.messages(replies[0]["conversation"])) == 1


async def test_a_key_belongs_to_the_member(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    assert (await ann.send("bob", "mine", key="same"))["seq"] == 1
    assert (await bob.send("ann", "mine too", key="same"))["seq"] == 2


async def test_a_key_holds_across_conversations(site: Site) -> None:
    ann = await site.join("ann")
    await site.join("bob")
    await site.join("cid")
    first = await ann.send("bob", "to Bob", key="same")
    assert (await ann.send("cid", "to Cid", key="same"))["conversation"] == first["conversation"]


async def test_seq_runs_without_a_gap_when_both_write_at_once(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    count = 40

    async def write(who: Connection, to: str) -> list[int]:
        frames = (
            {"type": "message.send", "id": f"m{n}", "to": {"member": to}, "body": f"{to} {n}", "key": f"{to}{n}"}
            for n in range(count)
        )
        return [reply["seq"] for reply in await who.batch(*frames)]

    mine, yours = await asyncio.gather(write(ann, "bob"), write(bob, "ann"))
    assert mine == sorted(mine)
    assert yours == sorted(yours)
    assert sorted(mine + yours) == list(range(2, 2 + 2 * count))
    await site.fence(ann, bob)
    assert [message["seq"] for message in ann.messages(conversation)] == yours
    assert [message["seq"] for message in bob.messages(conversation)] == [1, *mine]
    history = await ann.ok("history", conversation=conversation, limit=100)
    assert [message["seq"] for message in history["messages"]] == list(range(1, 2 + 2 * count))


async def test_messages_of_one_sender_keep_their_order(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    frames = (
        {"type": "message.send", "id": f"m{n}", "to": {"member": "bob"}, "body": str(n), "key": str(n)}
        for n in range(100)
    )
    await ann.batch(*frames)
    await site.fence(bob)
    assert [message["body"] for message in bob.messages(conversation)] == ["first", *map(str, range(100))]


@pytest.mark.parametrize(
    "body",
    [
        "x" * 10_000,
        "😀" * 10_000,
        " ",
        "\n\t",
        "مرحبا",
        "\u2028\u2029\x0b\x0c\x85",
        "</script><b>&amp;",
        '"\\',
        "\ufeff\u200d",
    ],
    ids=["long", "emoji", "space", "newline", "arabic", "separators", "markup", "quotes", "invisible"],
)
async def test_a_body_arrives_as_it_was_sent(site: Site, body: str) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    reply = await ann.send("bob", body, key="k")
    assert (await bob.event("message"))["body"] == body
    [message] = (await bob.ok("history", conversation=reply["conversation"]))["messages"]
    assert message["body"] == body


@pytest.mark.parametrize(
    "fields",
    [
        {"body": ""},
        {"body": "x" * 10_001},
        {"body": None},
        {"body": 7},
        {"key": None},
        {"key": ""},
        {"key": "x" * 65},
        {"key": 7},
        {"to": {}},
        {"to": "bob"},
        {"to": {"member": ""}},
        {"to": {"member": "bob", "conversation": "x"}},
        {"reply_to": "1"},
        {"reply_to": 0},
        {"reply_to": 10**30},
        {"attachments": [{"name": "a.png"}]},
    ],
    ids=short,
)
async def test_a_message_out_of_bounds_is_a_bad_frame(site: Site, fields: dict[str, object]) -> None:
    ann = await site.join("ann")
    await site.join("bob")
    frame: dict[str, object] = {"to": {"member": "bob"}, "body": "x", "key": "k", **fields}
    assert await ann.refused("message.send", **{k: v for k, v in frame.items() if v is not None}) == "bad-frame"
    assert (await ann.send("bob", "after"))["seq"] == 1


async def test_a_message_to_an_unknown_member_or_conversation_is_not_found(site: Site) -> None:
    ann = await site.join("ann")
    assert await ann.refused("message.send", to={"member": "nobody"}, body="x", key="k") == "not-found"
    assert await ann.refused("message.send", to={"conversation": "nowhere"}, body="x", key="k") == "not-found"


async def test_a_refused_send_does_not_use_up_its_key(site: Site) -> None:
    ann = await site.join("ann")
    assert await ann.refused("message.send", to={"member": "bob"}, body="x", key="k") == "not-found"
    bob = await site.join("bob")
    assert (await ann.send("bob", "now you are here", key="k"))["seq"] == 1
    await bob.event("message", body="now you are here")


async def test_a_reply_names_the_message_it_answers(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    await bob.say(conversation, "an answer", reply_to=1)
    assert (await ann.event("message", body="an answer"))["reply_to"] == 1
    messages = (await ann.ok("history", conversation=conversation))["messages"]
    assert messages[1]["reply_to"] == 1
    assert "reply_to" not in messages[0]


async def test_a_reply_to_a_message_that_is_not_there_is_refused(site: Site) -> None:
    ann, _, conversation = await pair(site)
    to = {"conversation": conversation}
    assert await ann.refused("message.send", to=to, body="x", key="k", reply_to=99) in ("not-found", "bad-frame")


async def test_an_edited_message_has_its_new_body_everywhere(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    page = await site.join("ann")
    await ann.ok("message.edit", conversation=conversation, seq=1, body="better")
    for other in (bob, page):
        event = await other.event("message.edited", conversation=conversation, seq=1)
        assert (event["from"], event["body"]) == ("ann", "better")
        assert event["cursor"]
    [message] = (await bob.ok("history", conversation=conversation))["messages"]
    assert message["body"] == "better"
    assert message["edited"] >= message["time"]
    assert message["seq"] == 1


async def test_only_its_sender_edits_a_message(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    assert await bob.refused("message.edit", conversation=conversation, seq=1, body="mine") == "forbidden"
    [message] = (await ann.ok("history", conversation=conversation))["messages"]
    assert message["body"] == "first"
    assert "edited" not in message


async def test_a_deleted_message_keeps_its_seq_and_loses_its_body(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    await ann.ok("message.delete", conversation=conversation, seq=1)
    event = await bob.event("message.deleted", conversation=conversation, seq=1)
    assert event["from"] == "ann"
    assert event["cursor"]
    assert (await ann.say(conversation, "next"))["seq"] == 2
    [message, _] = (await bob.ok("history", conversation=conversation))["messages"]
    assert message["seq"] == 1
    assert message["deleted"] is True
    assert "body" not in message
    assert await ann.refused("message.edit", conversation=conversation, seq=1, body="back") in (
        "conflict",
        "forbidden",
        "not-found",
    )


async def test_only_its_sender_deletes_a_message(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    assert await bob.refused("message.delete", conversation=conversation, seq=1) == "forbidden"
    [message] = (await ann.ok("history", conversation=conversation))["messages"]
    assert message["body"] == "first"


@pytest.mark.parametrize("seq", [2, 10**15])
async def test_what_is_done_to_a_message_that_is_not_there_is_not_found(site: Site, seq: int) -> None:
    ann, _, conversation = await pair(site)
    where = {"conversation": conversation, "seq": seq}
    assert await ann.refused("message.edit", **where, body="x") == "not-found"
    assert await ann.refused("message.delete", **where) == "not-found"
    assert await ann.refused("message.react", **where, emoji="👍", on=True) == "not-found"
    assert await ann.refused("report", **where, reason="x") == "not-found"


async def test_reactions_are_seen_by_all_and_can_be_taken_off(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    where = {"conversation": conversation, "seq": 1}
    await bob.ok("message.react", **where, emoji="👍", on=True)
    event = await ann.event("message.reacted", **where)
    assert (event["from"], event["emoji"], event["on"]) == ("bob", "👍", True)
    assert event["cursor"]
    await ann.ok("message.react", **where, emoji="👍", on=True)
    await bob.ok("message.react", **where, emoji="😀", on=True)
    [message] = (await ann.ok("history", conversation=conversation))["messages"]
    assert {emoji: sorted(who) for emoji, who in message["reactions"].items()} == {"👍": ["ann", "bob"], "😀": ["bob"]}
    await bob.ok("message.react", **where, emoji="👍", on=False)
    assert (await ann.event("message.reacted", emoji="👍", on=False))["from"] == "bob"
    [message] = (await ann.ok("history", conversation=conversation))["messages"]
    assert message["reactions"] == {"👍": ["ann"], "😀": ["bob"]}


async def test_the_same_reaction_twice_is_one(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    for _ in range(2):
        await bob.ok("message.react", conversation=conversation, seq=1, emoji="❤️", on=True)
    await ann.event("message.reacted")
    [message] = (await ann.ok("history", conversation=conversation))["messages"]
    assert message["reactions"] == {"❤️": ["bob"]}


async def test_a_member_writes_to_all_pages_of_another_over_all_transports(site: Site) -> None:
    ann = await site.join("ann")
    pages = [await site.join("bob", transport=transport) for transport in ("ws", "sse", "ndjson", "poll")]
    await ann.send("bob", "to all your pages")
    for page in pages:
        assert (await page.event("message"))["body"] == "to all your pages"
    await pages[0].send("ann", "an answer from one")
    for page in pages[1:]:
        assert (await page.event("message", body="an answer from one"))["from"] == "bob"


async def test_a_member_can_write_to_itself(site: Site) -> None:
    ann = await site.join("ann")
    page = await site.join("ann")
    reply = await ann.request("message.send", to={"member": "ann"}, body="a note", key="k")
    if reply["type"] == "ok":
        assert (await page.event("message", body="a note"))["from"] == "ann"
    else:
        assert reply["code"] in ("bad-frame", "forbidden")

"""resume: whatever the network does, a member sees everything once and in order."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.client import Connection, Frame
from tests.support.server import Server
from tests.support.site import TRANSPORTS, Site

pytestmark = pytest.mark.database


@pytest.fixture
async def busy_site(server: Server, transport: str) -> AsyncIterator[Site]:
    """A site without rates, for many messages at once."""
    site = Site(server, "--limits", "none", transport=transport)
    yield site
    await site.leave()
    assert server.complaints() == []


async def write(who: Connection, to: str, count: int, start: int = 0) -> str:
    """Sends `count` numbered messages to a member; answers the conversation."""
    replies = await who.batch(
        *(
            {"type": "message.send", "id": f"w{n}", "to": {"member": to}, "body": str(n), "key": f"{to}{n}"}
            for n in range(start, start + count)
        )
    )
    assert {reply["type"] for reply in replies} == {"ok"}
    conversation: str = replies[0]["conversation"]
    return conversation


def resumed(connection: Connection, cursor: str) -> None:
    """Checks that the reply to hello says that the connection goes on from `cursor`."""
    assert connection.hello["cursor"] == cursor
    assert connection.hello.get("resumed") is not False


async def test_what_was_missed_comes_in_order_before_anything_newer(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await ann.send("bob", "seen")
    await bob.event("message")
    await bob.drop()
    conversation = await write(ann, "bob", 20)
    again = await site.join("bob", resume=bob.cursor)
    resumed(again, bob.cursor)
    await ann.send("bob", "newer")
    await again.event("message", body="newer")
    assert [message["body"] for message in again.messages(conversation)] == [*map(str, range(20)), "newer"]
    assert [message["seq"] for message in again.messages(conversation)] == list(range(2, 23))


async def test_nothing_missed_brings_nothing(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await ann.send("bob", "seen")
    await bob.event("message")
    await bob.close()
    again = await site.join("bob", resume=bob.cursor)
    await site.fence(again)
    assert [message["from"] for message in again.messages()] == ["watchman"]


async def test_the_cursor_of_the_hello_itself_can_be_resumed_from(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await bob.drop()
    await ann.send("bob", "missed")
    again = await site.join("bob", resume=bob.hello["cursor"])
    assert (await again.event("message"))["body"] == "missed"


async def test_without_resume_nothing_old_is_sent(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await bob.close()
    await ann.send("bob", "old")
    fresh = await site.join("bob")
    await site.fence(fresh)
    assert "old" not in [message["body"] for message in fresh.messages()]


async def test_every_kind_of_lasting_event_is_resumed(site: Site) -> None:
    ann, bob, cid = [await site.join(sub) for sub in ("ann", "bob", "cid")]
    where = {"conversation": (await ann.send("bob", "one"))["conversation"]}
    for number in (2, 3, 4):
        await ann.send("bob", f"message {number}")
    await bob.event("message", seq=4)
    await site.fence(bob)
    page = await site.join("bob")
    await bob.drop()

    await ann.ok("message.edit", **where, seq=1, body="one, edited")
    await ann.ok("message.delete", **where, seq=2)
    await ann.ok("message.react", **where, seq=3, emoji="👍", on=True)
    await ann.ok("message.read", **where, seq=4)
    await page.ok("message.read", **where, seq=3)
    await page.ok("contact.add", member="cid")
    await page.ok("tabs.set", tabs=[{**where, "state": "open"}])
    group = (await cid.ok("conversation.create", members=["bob", "ann"], name="Bees"))["conversation"]
    await cid.ok("conversation.rename", conversation=group, name="Wasps")
    await cid.say(group, "welcome")

    again = await site.join("bob", resume=bob.cursor)
    resumed(again, bob.cursor)
    assert (await again.event("message.edited", **where, seq=1))["body"] == "one, edited"
    await again.event("message.deleted", **where, seq=2)
    reaction = await again.event("message.reacted", **where, seq=3)
    assert (reaction["from"], reaction["emoji"], reaction["on"]) == ("ann", "👍", True)
    assert (await again.event("read", **where, member="bob"))["seq"] == 3
    assert [contact["id"] for contact in (await again.event("contacts"))["contacts"]] == ["cid"]
    assert (await again.event("tabs"))["tabs"] == [{**where, "state": "open"}]
    await again.event("conversation", conversation=group, name="Wasps")
    await again.event("message", conversation=group, body="welcome")

    # Wherever a replay is cut off, the next one brings exactly the rest.
    await site.fence(again)
    replayed = [(frame["type"], frame.get("seq")) for frame in again.log if "cursor" in frame]
    cursors = [frame["cursor"] for frame in again.log if "cursor" in frame]
    for index, cursor in enumerate(cursors[:-1]):
        rest = await site.join("bob", resume=cursor)
        await site.fence(rest)
        told = [(frame["type"], frame.get("seq")) for frame in rest.log if "cursor" in frame]
        assert told[: len(replayed) - index - 1] == replayed[index + 1 :]


async def test_messages_changed_meanwhile_end_up_as_the_history_has_them(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await bob.drop()
    conversation = await write(ann, "bob", 6)
    where = {"conversation": conversation}
    for turn in range(3):
        await ann.ok("message.edit", **where, seq=2, body=f"edit {turn}")
    await ann.ok("message.delete", **where, seq=3)
    await ann.ok("message.react", **where, seq=4, emoji="👍", on=True)
    await ann.ok("message.react", **where, seq=4, emoji="👍", on=False)
    await ann.ok("message.react", **where, seq=5, emoji="😀", on=True)
    again = await site.join("bob", resume=bob.cursor)
    await site.fence(again)
    pictured = picture([frame for frame in again.log if frame.get("conversation") == conversation])
    history = (await again.ok("history", **where))["messages"]
    assert pictured == picture([{"type": "message", **message} for message in history])


def picture(events: list[Frame]) -> dict[int, tuple[str | None, bool, set[tuple[str, str]]]]:
    """What a client that was told these events shows: by seq the body, whether it is deleted, who reacted how."""
    shown: dict[int, tuple[str | None, bool, set[tuple[str, str]]]] = {}
    for event in events:
        body, deleted, reactions = shown.get(event["seq"], (None, False, set()))
        if event["type"] == "message":
            assert event["seq"] not in shown, f"twice: {event}"
            reactions = {(who, emoji) for emoji, all in event.get("reactions", {}).items() for who in all}
            body, deleted = event.get("body"), event.get("deleted", False)
        elif event["type"] == "message.edited":
            body = event["body"]
        elif event["type"] == "message.deleted":
            body, deleted, reactions = None, True, set()
        elif event["type"] == "message.reacted" and event["on"]:
            reactions = reactions | {(event["from"], event["emoji"])}
        elif event["type"] == "message.reacted":
            reactions = reactions - {(event["from"], event["emoji"])}
        else:
            continue
        shown[event["seq"]] = (body, deleted, reactions)
    return shown


async def test_cuts_in_the_middle_of_a_replay_lose_and_double_nothing(busy_site: Site) -> None:
    ann, bob = await busy_site.join("ann"), await busy_site.join("bob")
    await bob.drop()
    conversation = await write(ann, "bob", 400)
    await (await busy_site.join("cid")).send("bob", "from another conversation")
    seen: list[int] = []
    cursor, cuts = bob.cursor, 0
    while len(seen) < 400:
        bob = await busy_site.join("bob", resume=cursor)
        resumed(bob, cursor)
        await bob.event("message", conversation=conversation)
        if cuts < 6:
            await bob.drop()
            cuts += 1
        else:
            await busy_site.fence(bob)
        seen += [message["seq"] for message in bob.messages(conversation)]
        cursor = bob.cursor
    assert seen == list(range(1, 401))


async def test_a_member_cut_off_again_and_again_misses_nothing_of_what_is_being_written(busy_site: Site) -> None:
    ann, bob = await busy_site.join("ann"), await busy_site.join("bob")
    total, conversation = 200, await write(ann, "bob", 1)
    writing = asyncio.create_task(slowly(ann, total))
    seen: list[int] = []
    for _ in range(8):
        await bob.event("message")
        await bob.drop()
        seen += [message["seq"] for message in bob.messages(conversation)]
        bob = await busy_site.join("bob", resume=bob.cursor)
        if seen[-1] == total:
            break
    await writing
    await busy_site.fence(bob)
    seen += [message["seq"] for message in bob.messages(conversation)]
    assert seen == list(range(1, total + 1))


async def slowly(who: Connection, total: int) -> None:
    """Writes to Bob, one message after the other, up to number `total`."""
    for number in range(1, total):
        await who.send("bob", str(number), key=f"slow{number}")


@pytest.mark.parametrize("transport", ["ws"])
async def test_a_cursor_is_good_on_every_transport(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    conversation = ""
    for number, transport in enumerate(TRANSPORTS[1:] + TRANSPORTS[:1]):
        await bob.drop()
        conversation = (await ann.send("bob", f"missed {number}"))["conversation"]
        bob = await site.join("bob", resume=bob.cursor, transport=transport)
        assert (await bob.event("message", conversation=conversation))["body"] == f"missed {number}"
        await site.fence(bob)
        assert len(bob.messages(conversation)) == 1


async def test_the_cursor_of_another_member_brings_only_what_is_ones_own(site: Site) -> None:
    ann, bob, cid = [await site.join(sub) for sub in ("ann", "bob", "cid")]
    cursor = bob.cursor
    await ann.send("bob", "for Bob alone")
    await ann.send("cid", "for Cid")
    await cid.event("message")
    other = await site.join("cid", resume=cursor)
    await site.fence(other)
    assert "for Bob alone" not in str(other.log)
    if other.hello.get("resumed") is not False:
        assert next(message["body"] for message in other.messages()) == "for Cid"


@pytest.mark.parametrize("cursor", ["", "x", "0", "-1", "1-99999999999", "9" * 30, "a.b.c", "😀", "NaN", "x" * 200])
async def test_an_unknown_cursor_is_not_resumed_from(site: Site, cursor: str) -> None:
    ann = await site.join("ann")
    bob = await site.join("bob", resume=cursor)
    assert bob.hello["resumed"] is False
    assert bob.hello["cursor"] != cursor
    await ann.send("bob", "welcome anyway")
    assert (await bob.event("message"))["body"] == "welcome anyway"


async def test_a_cursor_of_another_site_brings_nothing_of_it(site: Site, other_site: Site) -> None:
    stranger = await other_site.join("bob")
    cursor = stranger.hello["cursor"]
    ann = await other_site.join("ann")
    await ann.send("bob", "of the other site")
    await stranger.event("message")
    for each in (cursor, stranger.cursor):
        bob = await site.join("bob", resume=each)
        assert bob.hello["resumed"] is False
        await site.fence(bob)
        assert "of the other site" not in str(bob.log)


async def test_a_cursor_ahead_of_everything_is_not_resumed_from(site: Site, other_site: Site) -> None:
    busy = await other_site.join("ann")
    await other_site.join("bob")
    for number in range(20):
        await busy.send("bob", str(number))
    page = await other_site.join("bob")
    bob = await site.join("bob", resume=page.hello["cursor"])
    ann = await site.join("ann")
    await ann.send("bob", "not to be missed")
    assert (await bob.event("message"))["body"] == "not to be missed"


async def test_typing_and_presence_are_not_resumed(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    conversation = (await ann.send("bob", "hi"))["conversation"]
    await bob.event("message")
    await bob.ok("presence.watch", members=["ann"])
    await bob.drop()
    await ann.tell("typing", conversation=conversation, on=True)
    await ann.ok("presence.set", show="dnd")
    again = await site.join("bob", resume=bob.cursor)
    await site.fence(again)
    assert again.unseen("typing") == []
    assert again.shown("ann") == []


async def test_who_was_invited_meanwhile_finds_the_conversation_and_who_was_left_out_does_not(site: Site) -> None:
    ann, bob, _ = [await site.join(sub) for sub in ("ann", "bob", "cid")]
    left = (await ann.ok("conversation.create", members=["bob", "cid"], name="Old"))["conversation"]
    await bob.event("conversation", conversation=left)
    await site.fence(bob)
    page = await site.join("bob")
    await bob.drop()
    await page.ok("conversation.leave", conversation=left)
    await ann.say(left, "Bob is gone")
    joined = (await ann.ok("conversation.create", members=["cid"], name="New"))["conversation"]
    await ann.say(joined, "before Bob came")
    await ann.ok("conversation.invite", conversation=joined, members=["bob"])
    await ann.say(joined, "welcome, Bob")
    again = await site.join("bob", resume=bob.cursor)
    await again.event("conversation", conversation=left, left=True)
    await again.event("conversation", conversation=joined)
    await again.event("message", body="welcome, Bob")
    await site.fence(again)
    assert "Bob is gone" not in str(again.log)


async def test_every_cursor_stands_exactly_before_what_came_after_it(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await write(ann, "bob", 10)
    await site.fence(bob)
    cursors = [frame["cursor"] for frame in bob.log if "cursor" in frame]
    for index in (0, 4, len(cursors) - 2):
        again = await site.join("bob", resume=cursors[index])
        await site.fence(again)
        later = [frame["seq"] for frame in bob.log[index + 1 :] if frame["type"] == "message"]
        assert [message["seq"] for message in again.messages()][: len(later)] == later

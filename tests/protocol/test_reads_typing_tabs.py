"""What is small but has to agree on every page: read marks, typing notices, tabs."""

import pytest

from tests.support.bad import short
from tests.support.client import Connection
from tests.support.site import Site
from tests.support.wait import eventually


async def pair(site: Site, count: int = 3) -> tuple[Connection, Connection, str]:
    """Ann and Bob, and their conversation with `count` messages of Ann's."""
    ann, bob = await site.join("ann"), await site.join("bob")
    for number in range(count):
        conversation: str = (await ann.send("bob", f"message {number + 1}"))["conversation"]
    await bob.event("message", seq=count)
    return ann, bob, conversation


async def test_a_read_mark_is_seen_by_others_and_by_the_members_other_pages(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    page = await site.join("bob")
    await bob.ok("message.read", conversation=conversation, seq=2)
    for who in (ann, page):
        event = await who.event("read", conversation=conversation)
        assert (event["member"], event["seq"]) == ("bob", 2)
        assert event["time"] > 0
        assert event["cursor"]
    [entry] = (await bob.ok("conversations"))["conversations"]
    assert entry["unread"] == 1
    assert entry["read"]["bob"]["seq"] == 2
    [entry] = (await ann.ok("conversations"))["conversations"]
    assert entry["read"]["bob"]["seq"] == 2


async def test_a_read_mark_never_goes_back(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    await bob.ok("message.read", conversation=conversation, seq=3)
    await bob.ok("message.read", conversation=conversation, seq=1)
    await site.fence(ann)
    assert [event["seq"] for event in ann.unseen("read")] == [3]
    [entry] = (await bob.ok("conversations"))["conversations"]
    assert (entry["unread"], entry["read"]["bob"]["seq"]) == (0, 3)


async def test_a_read_mark_cannot_run_ahead_of_the_messages(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    await bob.request("message.read", conversation=conversation, seq=1000)
    await ann.say(conversation, "one more")
    await bob.event("message", body="one more")
    [entry] = (await bob.ok("conversations"))["conversations"]
    assert entry["unread"] >= 1
    assert entry["read"].get("bob", {"seq": 0})["seq"] <= 3


async def test_what_one_writes_oneself_is_never_unread(site: Site) -> None:
    ann, _, conversation = await pair(site)
    page = await site.join("ann")
    assert page.hello["unread"] in ({}, {conversation: 0})
    [entry] = (await ann.ok("conversations"))["conversations"]
    assert entry["unread"] == 0


async def test_typing_is_seen_by_the_other_and_not_by_oneself(site: Site) -> None:
    ann, bob, conversation = await pair(site)

    async def seen(on: bool) -> bool:
        # Between two polls it may be lost, as anything that is not stored.
        await bob.tell("typing", conversation=conversation, on=on)
        return bool(ann.unseen("typing"))

    for on in (True, False):
        if site.transport == "poll":
            await eventually(lambda on=on: seen(on))
            await site.fence(ann)
        else:
            await bob.tell("typing", conversation=conversation, on=on)
        told = [await ann.event("typing", conversation=conversation)]
        told += [await ann.event("typing", conversation=conversation) for _ in ann.unseen("typing")]
        assert {(event["member"], event["on"]) for event in told} == {("bob", on)}
    await site.fence(bob)
    assert bob.unseen("typing") == []


async def test_tabs_are_the_same_on_every_page(site: Site) -> None:
    ann, _, conversation = await pair(site)
    page = await site.join("ann")
    tabs = [{"conversation": conversation, "state": "open"}]
    await ann.ok("tabs.set", tabs=tabs)
    event = await page.event("tabs")
    assert event["tabs"] == tabs
    assert event["cursor"]
    assert (await site.join("ann")).hello["tabs"] == tabs
    await page.ok("tabs.set", tabs=[{"conversation": conversation, "state": "minimized"}])
    assert (await ann.event("tabs"))["tabs"] == [{"conversation": conversation, "state": "minimized"}]
    await ann.ok("tabs.set", tabs=[])
    assert (await page.event("tabs"))["tabs"] == []
    assert (await site.join("ann")).hello["tabs"] == []


async def test_the_page_that_set_the_tabs_is_not_told(site: Site) -> None:
    ann, bob, conversation = await pair(site)
    await ann.ok("tabs.set", tabs=[{"conversation": conversation, "state": "open"}])
    await site.fence(ann, bob)
    assert ann.unseen("tabs") == []
    assert bob.unseen("tabs") == []


async def test_tabs_keep_their_order(site: Site) -> None:
    ann, _, conversation = await pair(site)
    await site.join("cid")
    other = (await ann.send("cid", "hello"))["conversation"]
    tabs = [{"conversation": each, "state": "open"} for each in (other, conversation)]
    await ann.ok("tabs.set", tabs=tabs)
    assert (await site.join("ann")).hello["tabs"] == tabs


@pytest.mark.parametrize(
    "tabs",
    [
        None,
        "x",
        [7],
        [{"conversation": "c"}],
        [{"conversation": "c", "state": "closed"}],
        [{"conversation": 7, "state": "open"}],
        [{"conversation": str(n), "state": "open"} for n in range(51)],
    ],
    ids=short,
)
async def test_tabs_out_of_bounds_are_a_bad_frame(site: Site, tabs: object) -> None:
    ann = await site.join("ann")
    assert await ann.refused("tabs.set", tabs=tabs) == "bad-frame"


async def test_a_tab_of_a_conversation_one_is_not_in_does_not_stay(site: Site) -> None:
    _, _, conversation = await pair(site)
    cid = await site.join("cid")
    reply = await cid.request("tabs.set", tabs=[{"conversation": conversation, "state": "open"}])
    assert reply["type"] == "ok" or reply["code"] in ("not-found", "forbidden")
    assert (await site.join("cid")).hello["tabs"] == []

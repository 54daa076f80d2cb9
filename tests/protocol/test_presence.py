"""Presence: one picture of a member from all of its pages, seen by those who watch, and steady over page changes."""

from collections.abc import AsyncIterator

import pytest

from tests.support.bad import short
from tests.support.client import Connection
from tests.support.server import Server
from tests.support.site import Site


@pytest.fixture
async def prompt_site(server: Server, transport: str) -> AsyncIterator[Site]:
    """A site without a grace time worth mentioning: who leaves is offline."""
    site = Site(server, "--grace", "0.2", transport=transport)
    yield site
    await site.leave()
    assert server.complaints() == []


@pytest.fixture
async def hasty_site(hasty_server: Server, transport: str) -> AsyncIterator[Site]:
    """A site on the server where idling shows within seconds."""
    site = Site(hasty_server, "--grace", "0.2", transport=transport)
    yield site
    await site.leave()
    assert hasty_server.complaints() == []


async def show(who: Connection, member: str) -> str:
    """How a watched member is now."""
    shown: str = (await who.ok("presence.watch", members=[member]))["presence"][member]["show"]
    return shown


async def test_watching_tells_how_members_are_now(site: Site) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    reply = await ann.ok("presence.watch", members=["bob", "nobody"])
    assert reply["presence"].keys() == {"bob", "nobody"}
    bob = reply["presence"]["bob"]
    assert (bob["show"], bob["status"]) == ("online", "")
    assert abs(bob["since"] - ann.hello["time"]) < 60_000
    assert reply["presence"]["nobody"] == {"show": "offline", "status": "", "since": 0}


async def test_coming_and_going_is_seen_by_those_who_watch(prompt_site: Site) -> None:
    ann = await prompt_site.join("ann")
    assert await show(ann, "bob") == "offline"
    bob = await prompt_site.join("bob")
    await ann.sees("bob", "online")
    await bob.close()
    gone = await ann.sees("bob", "offline")
    assert gone["since"] > 0


async def test_an_id_that_nobody_has_yet_can_be_watched(site: Site) -> None:
    ann = await site.join("ann")
    assert await show(ann, "newcomer") == "offline"
    await site.join("newcomer")
    await ann.sees("newcomer", "online")


@pytest.mark.parametrize("choice", ["chat", "away", "xa", "dnd"])
async def test_a_members_choice_and_status_are_seen(site: Site, choice: str) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await ann.ok("presence.watch", members=["bob"])
    await bob.ok("presence.set", show=choice, status="at the bees 🐝")
    assert (await ann.sees("bob", choice))["status"] == "at the bees 🐝"
    assert await show(ann, "bob") == choice
    await bob.ok("presence.set", show="online")
    assert (await ann.sees("bob", "online"))["status"] == ""


async def test_the_choice_is_on_all_pages_and_kept_over_reconnects(prompt_site: Site) -> None:
    bob = await prompt_site.join("bob")
    page = await prompt_site.join("bob")
    await bob.ok("presence.set", show="dnd", status="writing")
    assert (await page.sees("bob", "dnd"))["status"] == "writing"
    ann = await prompt_site.join("ann")
    assert await show(ann, "bob") == "dnd"
    await bob.close()
    await page.close()
    await ann.sees("bob", "offline")
    again = await prompt_site.join("bob")
    assert again.hello["presence"] == {"show": "dnd", "status": "writing"}
    await ann.sees("bob", "dnd")


async def test_an_invisible_member_looks_offline_to_all_but_itself(site: Site) -> None:
    ann, bob, cid = await site.join("ann"), await site.join("bob"), await site.join("cid")
    page = await site.join("bob")
    await ann.ok("presence.watch", members=["bob", "cid"])
    await bob.ok("presence.set", show="invisible", status="hidden words")
    gone = await ann.sees("bob", "offline")
    assert gone["status"] == ""
    await page.sees("bob", "invisible")
    await bob.ok("presence.set", show="invisible", status="more hidden words")
    third = await site.join("bob")
    assert third.hello["presence"]["show"] == "invisible"
    await cid.ok("presence.set", show="dnd")
    await ann.sees("cid", "dnd")
    assert ann.shown("bob") == ["offline"]
    assert "hidden words" not in str(ann.log)
    assert await show(ann, "bob") == "offline"
    await bob.ok("presence.set", show="online")
    await ann.sees("bob", "online")


async def test_who_comes_back_invisible_is_not_seen_coming(prompt_site: Site) -> None:
    ann, bob = await prompt_site.join("ann"), await prompt_site.join("bob")
    await bob.ok("presence.set", show="invisible")
    await bob.close()
    await ann.ok("presence.watch", members=["bob", "cid"])
    await prompt_site.join("bob")
    await prompt_site.join("cid")
    await ann.sees("cid", "online")
    assert ann.shown("bob") == []


async def test_a_member_is_online_while_any_of_its_pages_is(prompt_site: Site) -> None:
    ann, bob, cid = [await prompt_site.join(sub) for sub in ("ann", "bob", "cid")]
    page = await prompt_site.join("bob")
    await ann.ok("presence.watch", members=["bob", "cid"])
    await bob.close()
    await cid.close()
    await ann.sees("cid", "offline")
    assert ann.shown("bob") == []
    assert await show(ann, "bob") == "online"
    await page.close()
    await ann.sees("bob", "offline")


async def test_a_page_change_is_not_a_disconnection(site: Site, prompt_site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    observer = await prompt_site.join("observer")
    await ann.ok("presence.watch", members=["bob"])
    await observer.ok("presence.watch", members=["clock"])
    for _ in range(3):
        # Bob is away for longer than it takes one without a grace time to be gone.
        clock = await prompt_site.join("clock")
        await bob.close()
        await clock.close()
        await observer.sees("clock", "offline")
        bob = await site.join("bob", resume=bob.cursor)
    await site.fence(ann)
    assert ann.shown("bob") == []
    assert await show(ann, "bob") == "online"


async def test_who_does_not_come_back_within_the_grace_time_was_offline(hasty_site: Site) -> None:
    ann, bob = await hasty_site.join("ann"), await hasty_site.join("bob")
    await ann.ok("presence.watch", members=["bob"])
    await bob.drop()
    await ann.sees("bob", "offline")
    assert (await ann.ok("members", online=True))["online"] <= 1


async def test_a_member_whose_pages_all_idle_is_away_then_gone_for_long(hasty_site: Site) -> None:
    ann, bob = await hasty_site.join("ann"), await hasty_site.join("bob")
    await ann.ok("presence.watch", members=["bob"])
    await bob.ok("presence.idle", on=True)
    await ann.sees("bob", "away")
    await ann.sees("bob", "xa")
    await bob.ok("presence.idle", on=False)
    await ann.sees("bob", "online")
    assert ann.shown("bob") == ["away", "xa", "online"]


async def test_a_member_with_one_busy_page_is_not_away(hasty_site: Site) -> None:
    ann, bob, cid = [await hasty_site.join(sub) for sub in ("ann", "bob", "cid")]
    page = await hasty_site.join("bob")
    await ann.ok("presence.watch", members=["bob", "cid"])
    await bob.ok("presence.idle", on=True)
    await cid.ok("presence.idle", on=True)
    await ann.sees("cid", "away")
    assert ann.shown("bob") == []
    await page.ok("presence.idle", on=True)
    await ann.sees("bob", "away")


async def test_idling_does_not_show_who_is_invisible(hasty_site: Site) -> None:
    ann, bob, cid = [await hasty_site.join(sub) for sub in ("ann", "bob", "cid")]
    await bob.ok("presence.set", show="invisible")
    await ann.ok("presence.watch", members=["bob", "cid"])
    await bob.ok("presence.idle", on=True)
    await cid.ok("presence.idle", on=True)
    await ann.sees("cid", "away")
    await bob.ok("presence.idle", on=False)
    await cid.ok("presence.idle", on=False)
    await ann.sees("cid", "online")
    assert set(ann.shown("bob")) <= {"offline"}


async def test_who_is_no_longer_watched_is_no_longer_told(site: Site) -> None:
    ann, bob, cid = [await site.join(sub) for sub in ("ann", "bob", "cid")]
    await ann.ok("presence.watch", members=["bob", "cid"])
    await ann.ok("presence.unwatch", members=["bob", "nobody"])
    await bob.ok("presence.set", show="dnd")
    await cid.ok("presence.set", show="dnd")
    await ann.sees("cid", "dnd")
    assert ann.shown("bob") == []


async def test_watching_is_per_connection_and_not_resumed(site: Site) -> None:
    ann, bob, cid = [await site.join(sub) for sub in ("ann", "bob", "cid")]
    page = await site.join("ann")
    await ann.ok("presence.watch", members=["bob"])
    again = await site.join("ann", resume=ann.cursor)
    await page.ok("presence.watch", members=["cid"])
    await again.ok("presence.watch", members=["cid"])
    await bob.ok("presence.set", show="dnd")
    await ann.sees("bob", "dnd")
    await cid.ok("presence.set", show="away")
    for connection in (page, again):
        await connection.sees("cid", "away")
        assert connection.shown("bob") == []


async def test_a_thousand_members_can_be_watched_and_not_one_more(site: Site) -> None:
    ann = await site.join("ann")
    many = [f"m{number}" for number in range(1000)]
    assert len((await ann.ok("presence.watch", members=many))["presence"]) == 1000
    await ann.ok("presence.watch", members=many)
    assert await ann.refused("presence.watch", members=["one-more"]) in (
        "bad-frame",
        "too-large",
        "conflict",
        "forbidden",
    )
    await ann.ok("presence.unwatch", members=many[:1])
    await ann.ok("presence.watch", members=["one-more"])
    await site.join("m999")
    await ann.sees("m999", "online")


@pytest.mark.parametrize(
    ("type", "fields"),
    [
        ("presence.watch", {"members": [f"m{number}" for number in range(1001)]}),
        ("presence.watch", {"members": "bob"}),
        ("presence.watch", {"members": [""]}),
        ("presence.watch", {"members": ["x" * 129]}),
        ("presence.watch", {}),
        ("presence.set", {"show": "busy"}),
        ("presence.set", {"show": "offline"}),
        ("presence.set", {"show": "online", "status": "x" * 141}),
        ("presence.set", {"show": "online", "status": 7}),
        ("presence.set", {}),
        ("presence.idle", {}),
    ],
    ids=short,
)
async def test_presence_out_of_bounds_is_a_bad_frame(site: Site, type: str, fields: dict[str, object]) -> None:
    ann = await site.join("ann")
    assert await ann.refused(type, **fields) == "bad-frame"
    assert (await ann.ok("presence.watch", members=["ann"]))["presence"]["ann"]["show"] == "online"


async def test_a_status_of_140_characters_of_any_script_is_seen_whole(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await ann.ok("presence.watch", members=["bob"])
    await bob.ok("presence.set", show="chat", status="🐝" * 140)
    assert (await ann.sees("bob", "chat"))["status"] == "🐝" * 140


async def test_a_change_of_the_status_alone_is_seen(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await ann.ok("presence.watch", members=["bob"])
    await bob.ok("presence.set", show="online", status="new")
    assert (await ann.sees("bob", "online"))["status"] == "new"

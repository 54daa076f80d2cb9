"""The site's directory of members, contacts, reports."""

import pytest

from tests.support.bad import short
from tests.support.client import Connection
from tests.support.site import Site


async def names(who: Connection, **fields: object) -> list[str]:
    """The ids that the directory answers, over all its pages."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await who.ok("members", **fields, **cursor)
        found += [member["id"] for member in page["members"]]
        if not page["more"]:
            return found
        cursor = {"cursor": page["cursor"]}


async def test_the_directory_has_everybody_who_was_ever_here(site: Site) -> None:
    ann = await site.join("ann", avatar="https://example.org/a.png")
    gone = await site.join("bob")
    await gone.close()
    assert set(await names(ann)) == {"ann", "bob"}
    page = await ann.ok("members")
    assert page["more"] is False
    entries = {entry["id"]: entry for entry in page["members"]}
    assert entries["ann"]["avatar"] == "https://example.org/a.png"
    assert {"id", "name", "avatar", "role"} <= entries["bob"].keys()


async def test_the_directory_is_paged_without_gap_or_double(site: Site) -> None:
    ann = await site.join("ann")
    for number in range(7):
        await (await site.join(f"m{number}", name=f"Same Name {number % 2}")).close()
    found = await names(ann, limit=3)
    assert sorted(found) == ["ann", *(f"m{number}" for number in range(7))]
    assert len((await ann.ok("members", limit=3))["members"]) == 3


async def test_a_query_finds_the_beginnings_of_names_in_any_case(site: Site) -> None:
    ann = await site.join("ann", name="Ann Archer")
    await site.join("bob", name="Bob Builder")
    await site.join("zoe", name="Zoë Ångström")
    assert await names(ann, query="bob") == ["bob"]
    assert await names(ann, query="BUIL") == ["bob"]
    assert await names(ann, query="zoë") == ["zoe"]
    assert await names(ann, query="ÅNG") == ["zoe"]
    assert await names(ann, query="nobody") == []


@pytest.mark.parametrize("sign", ["%", "_", "\\", "'", "*", "?", '"', "' OR '1'='1", "[a-z]"])
async def test_signs_in_a_query_stand_for_themselves(site: Site, sign: str) -> None:
    ann = await site.join("ann")
    await site.join("plain", name="xzy")
    await site.join("odd", name=f"x{sign}y")
    assert await names(ann, query=f"x{sign}y") == ["odd"]


async def test_only_those_online_are_listed_where_asked_for(site: Site) -> None:
    ann = await site.join("ann")
    await site.join("bob")
    hidden = await site.join("cid")
    await hidden.ok("presence.set", show="invisible")
    listed = await ann.ok("members", online=True)
    assert {member["id"] for member in listed["members"]} - {"ann"} == {"bob"}
    # Whether a member counts itself is left open; whom it cannot see is not.
    assert listed["online"] in (1, 2)


async def test_members_asked_for_by_id_are_just_those_that_exist(site: Site) -> None:
    ann = await site.join("ann")
    await site.join("bob")
    page = await ann.ok("members", ids=["bob", "nobody", "ann", "bob"])
    assert sorted({member["id"] for member in page["members"]}) == ["ann", "bob"]
    assert await ann.refused("members", ids=[str(number) for number in range(101)]) == "bad-frame"


@pytest.mark.parametrize(
    "fields",
    [{"limit": 0}, {"limit": 101}, {"query": 7}, {"query": "x" * 1000}, {"online": "yes"}, {"ids": "ann"}],
    ids=short,
)
async def test_a_look_up_out_of_bounds_is_a_bad_frame(site: Site, fields: dict[str, object]) -> None:
    ann = await site.join("ann")
    assert await ann.refused("members", **fields) == "bad-frame"


async def test_a_made_up_directory_cursor_harms_nothing(site: Site) -> None:
    ann = await site.join("ann")
    for cursor in ("x", "-1", "😀" * 50, "' OR 1=1 --"):
        reply = await ann.request("members", cursor=cursor)
        assert reply["type"] == "ok" or reply["code"] == "bad-frame"


async def test_contacts_are_added_and_removed_on_all_pages(site: Site) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    page = await site.join("ann")
    assert {name: (await ann.ok("contacts"))[name] for name in ("contacts", "blocked")} == {
        "contacts": [],
        "blocked": [],
    }
    await ann.ok("contact.add", member="bob")
    event = await page.event("contacts")
    assert [contact["id"] for contact in event["contacts"]] == ["bob"]
    assert event["cursor"]
    [contact] = (await page.ok("contacts"))["contacts"]
    assert {"id", "name", "avatar", "role"} <= contact.keys()
    await page.ok("contact.remove", member="bob")
    assert (await ann.event("contacts", contacts=[]))["blocked"] == []
    assert (await ann.ok("contacts"))["contacts"] == []


async def test_adding_and_removing_twice_is_as_once(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    for _ in range(2):
        await ann.ok("contact.add", member="bob")
    assert len((await ann.ok("contacts"))["contacts"]) == 1
    assert (await bob.ok("contacts"))["contacts"] == []
    for _ in range(2):
        await ann.ok("contact.remove", member="bob")
    assert (await ann.ok("contacts"))["contacts"] == []


async def test_an_unknown_member_cannot_be_added_or_blocked(site: Site) -> None:
    ann = await site.join("ann")
    assert await ann.refused("contact.add", member="nobody") == "not-found"
    assert await ann.refused("block.add", member="nobody") == "not-found"
    assert await ann.refused("contact.add", member="") == "bad-frame"
    assert await ann.refused("contact.add", member="x" * 129) == "bad-frame"


async def test_a_message_can_be_reported(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    reply = await ann.send("bob", "something bad")
    where = {"conversation": reply["conversation"], "seq": reply["seq"]}
    await site.fence(ann)
    told = len(ann.log)
    await bob.ok("report", **where, reason="spam")
    await bob.ok("report", **where, reason="spam again")
    assert await bob.refused("report", **where, reason=7) == "bad-frame"
    await site.fence(ann)
    assert reply["conversation"] not in str(ann.log[told:])

"""Tenants: a member sees nothing of another site, whatever it knows of it."""

from tests.support.site import Site


async def test_the_same_ids_on_two_sites_are_different_members(site: Site, other_site: Site) -> None:
    ann, stranger = await site.join("ann", name="Ann Here"), await other_site.join("ann", name="Ann There")
    bob, other_bob = await site.join("bob"), await other_site.join("bob")
    await ann.send("bob", "said here", key="same key")
    await stranger.send("bob", "said there", key="same key")
    assert (await bob.event("message"))["body"] == "said here"
    assert (await other_bob.event("message"))["body"] == "said there"
    await site.fence(bob)
    await other_site.fence(other_bob)
    assert "said there" not in str(bob.log)
    assert "said here" not in str(other_bob.log)


async def test_a_conversation_of_another_site_is_as_good_as_none(site: Site, other_site: Site) -> None:
    ann = await site.join("ann")
    await site.join("bob")
    theirs = (await ann.send("bob", "between us"))["conversation"]
    await site.fence(ann)
    told = len(ann.log)
    stranger = await other_site.join("ann")
    gone = ("not-found", "forbidden")
    where = {"conversation": theirs}
    assert await stranger.refused("history", **where) in gone
    assert await stranger.refused("message.send", to=where, body="x", key="k") in gone
    assert await stranger.refused("message.edit", **where, seq=1, body="x") in gone
    assert await stranger.refused("message.delete", **where, seq=1) in gone
    assert await stranger.refused("message.react", **where, seq=1, emoji="👍", on=True) in gone
    assert await stranger.refused("message.read", **where, seq=1) in gone
    assert await stranger.refused("report", **where, seq=1, reason="x") in gone
    assert await stranger.refused("conversation.leave", **where) in gone
    assert await stranger.refused("conversation.rename", **where, name="x") in gone
    assert await stranger.refused("conversation.invite", **where, members=["ann"]) in gone
    assert (await stranger.ok("conversations", ids=[theirs]))["conversations"] == []
    assert (await stranger.ok("conversations"))["conversations"] == []
    await stranger.tell("typing", **where, on=True)
    await site.fence(ann)
    assert theirs not in str(ann.log[told:])


async def test_members_of_another_site_are_unknown(site: Site, other_site: Site) -> None:
    await other_site.join("only-there")
    ann = await site.join("ann")
    assert [member["id"] for member in (await ann.ok("members"))["members"]] == ["ann"]
    assert (await ann.ok("members", ids=["only-there"]))["members"] == []
    assert (await ann.ok("members", query="only"))["members"] == []
    assert await ann.refused("message.send", to={"member": "only-there"}, body="x", key="k") == "not-found"
    assert await ann.refused("contact.add", member="only-there") == "not-found"
    assert await ann.refused("block.add", member="only-there") == "not-found"
    assert await ann.refused("conversation.create", members=["only-there"]) == "not-found"


async def test_presence_of_another_site_is_not_seen(site: Site, other_site: Site) -> None:
    ann = await site.join("ann")
    assert (await ann.ok("presence.watch", members=["bob", "cid"]))["presence"]["bob"]["show"] == "offline"
    elsewhere = await other_site.join("bob")
    await elsewhere.ok("presence.set", show="dnd")
    await site.join("cid")
    await ann.sees("cid", "online")
    assert ann.shown("bob") == []
    assert {member["id"] for member in (await ann.ok("members", online=True))["members"]} <= {"ann", "cid"}


async def test_a_block_on_one_site_holds_on_that_site_alone(site: Site, other_site: Site) -> None:
    ann, other_ann = await site.join("ann"), await other_site.join("ann")
    await site.join("bob")
    other_bob = await other_site.join("bob")
    await ann.ok("block.add", member="bob")
    assert (await other_ann.ok("contacts"))["blocked"] == []
    await other_bob.send("ann", "heard")
    await other_ann.event("message", body="heard")

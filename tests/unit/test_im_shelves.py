"""What members are shown from memcached is what the database would show them, each member its own."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from avchat import cache
from avchat.tenants import directory, tokens
from avchat.tenants.models import Site
from im import database, members, shelves, views
from im.models import Conversation, Member, Participant, SiteVersion
from im.node import Node
from im.transaction import Transaction, read_blocks
from tests.support.desk import Desk
from tests.support.memcached import Memcached

SUBS = ("ann", "bob", "cid", "dee")


@pytest.fixture(autouse=True)
def _shared(memcached: Memcached, share: Callable[..., None]) -> None:
    share(memcached)
    cache.counts.clear()


async def seated(node: Node, site: Site, *subs: str) -> list[Desk]:
    """Members at their desks."""
    desks = [Desk(node, site, sub) for sub in subs]
    for desk in desks:
        await desk.sit()
    return desks


async def listed(desk: Desk, **fields: Any) -> list[dict[str, Any]]:
    """The member's conversations, as the server answers."""
    answer = await desk.ask("conversations", **fields)
    found: list[dict[str, Any]] = answer["conversations"]
    return found


async def renamed(desk: Desk, name: str) -> None:
    """The member comes on another page, with a token that has another name."""

    def claims() -> tokens.Claims:
        info = directory.site(desk.site.key)
        assert info is not None
        return tokens.verify(info.key, tokens.mint(info, desk.sub, name))

    said = await database.read(claims)
    await desk.node.journal.write(desk.site.pk, lambda tx: members.enroll(tx, desk.site.pk, [said]))


async def act(dice: random.Random, desks: list[Desk], rooms: list[str]) -> None:
    """One of the members does something that others, or only it, see in a conversation."""
    desk = dice.choice(desks)
    other = dice.choice([each.sub for each in desks if each is not desk])
    room, seq, text = dice.choice(rooms), dice.randint(1, 8), str(dice.random())
    deeds: dict[str, dict[str, Any]] = {
        "message.send": {"to": {"conversation": room}, "body": text, "key": text},
        "message.edit": {"conversation": room, "seq": seq, "body": text},
        "message.delete": {"conversation": room, "seq": seq},
        "message.react": {"conversation": room, "seq": seq, "emoji": dice.choice("👍🔥"), "on": dice.random() < 0.7},
        "message.read": {"conversation": room, "seq": seq},
        "conversation.rename": {"conversation": room, "name": text},
        "conversation.invite": {"conversation": room, "members": [other]},
        "conversation.leave": {"conversation": room},
        "block.add": {"member": other},
        "block.remove": {"member": other},
    }
    deed = dice.choice([*deeds, "message.send", "message.send", "message.read", "rename", "pair"])
    if deed == "rename":
        await renamed(desk, f"{desk.sub} {text}")
    elif deed == "pair":
        answer = await desk.ask("message.send", to={"member": other}, body=text, key=text)
        if answer["type"] == "ok" and answer["conversation"] not in rooms:
            rooms.append(answer["conversation"])
    else:
        await desk.ask(deed, **deeds[deed])


def both_ways(site_id: int, sub: str) -> list[tuple[Any, Any]]:
    """What a member is shown: from the shelves, and from the database alone."""
    member = Member.objects.get(site=site_id, sub=sub)
    inside = Participant.objects.filter(site=site_id, member=member, left=0)
    rows = list(Conversation.objects.filter(id__in=inside.values("conversation")).order_by("id"))
    keys = {row.id: row.key for row in rows}
    state = SiteVersion.objects.get(site=site_id)
    counts = {keys[id]: count for id, count in views.unread_counts(site_id, member.id).items()}
    return [
        (shelves.conversations(site_id, member.id, rows), views.conversations(site_id, member.id, rows)),
        (shelves.unread(site_id, [member.id], state.epoch), {member.id: counts}),
        (shelves.blocks(site_id, [member.id], state.epoch, state.blocks), read_blocks(site_id, [member.id])),
        (members.profiles(site_id, SUBS), {m.sub: members.profile(m) for m in Member.objects.filter(site=site_id)}),
    ]


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_the_shelves_show_what_the_database_has(node: Node, site: Site, seed: int) -> None:
    dice = random.Random(seed)
    desks = await seated(node, site, *SUBS)
    rooms = [(await desks[0].ask("conversation.create", members=[*SUBS[1:]], name="all"))["conversation"]]
    for _ in range(60):
        await act(dice, desks, rooms)
        for sub in SUBS:
            for shelved, stored in await database.read(both_ways, site.pk, sub):
                assert shelved == stored
    for kind in ("view", "unread", "blocks", "profile"):
        assert cache.counts[kind, "hit"] > 50


async def test_a_list_in_which_nothing_changed_is_not_made_again(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, *others = await seated(node, site, *SUBS)
    for other in others:
        await other.ask("message.send", to={"member": "ann"}, body=f"from {other.sub}", key=other.sub)
    made: list[str] = []
    make = views.conversations

    def noted(site_id: int, viewer: int, rows: Any) -> Any:
        made.extend(row.key for row in rows)
        return make(site_id, viewer, rows)

    monkeypatch.setattr(views, "conversations", noted)
    first = await listed(ann)
    assert len(made) == len(first) == 3
    assert await listed(ann) == first
    assert await listed(ann, ids=[first[1]["conversation"]]) == [first[1]]
    assert len(made) == 3
    # One more message makes one view anew, and puts it in front.
    await others[0].ask("message.send", to={"member": "ann"}, body="again", key="again")
    second = await listed(ann)
    assert second[0]["last"]["body"] == "again"
    assert second[1:] == [entry for entry in first if entry["conversation"] != second[0]["conversation"]]
    assert made[3:] == [second[0]["conversation"]]


async def test_a_new_name_is_seen_at_once_in_lists_and_profiles(node: Node, site: Site) -> None:
    ann, bob = await seated(node, site, "ann", "bob")
    await bob.ask("message.send", to={"member": "ann"}, body="hi", key="1")
    for _ in range(2):
        await listed(ann)
        await ann.ask("members", ids=["bob"])
    await renamed(bob, "Robert")
    (entry,) = await listed(ann)
    assert {member["id"]: member["name"] for member in entry["members"]} == {"ann": "Ann", "bob": "Robert"}
    assert [member["name"] for member in (await ann.ask("members", ids=["bob"]))["members"]] == ["Robert"]


async def test_a_reader_that_was_overtaken_by_a_new_name_does_not_bring_back_the_old_one(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bob,) = await seated(node, site, "bob")
    cache._client().clear()
    loop = asyncio.get_running_loop()
    add = cache._ask

    def overtaken(otherwise: Any, method: str, *args: Any) -> Any:
        if method == "add":
            monkeypatch.setattr(cache, "_ask", add)
            asyncio.run_coroutine_threadsafe(renamed(bob, "Robert"), loop).result(30)
        return add(otherwise, method, *args)

    monkeypatch.setattr(cache, "_ask", overtaken)
    slow = await database.read(members.profiles, site.pk, ["bob"])
    assert slow["bob"].name == "Bob"
    assert cache._ask is add
    assert (await database.read(members.profiles, site.pk, ["bob"]))["bob"].name == "Robert"


@pytest.mark.parametrize("change", [{"name": "Robert"}, {"sub": "robert"}, {"role": "moderator"}])
async def test_a_hello_believes_the_database_not_memcached(node: Node, site: Site, change: dict[str, str]) -> None:
    (bob,) = await seated(node, site, "bob")
    bob.stand()
    await bob.sit()
    bob.stand()
    before = await database.read(Member.objects.get, sub="bob")
    # As where the tombstone was lost, or the database is another one.
    await database.read(lambda: Member.objects.filter(id=before.pk).update(**change))
    reply = await bob.sit()
    assert reply["member"] == {"id": "bob", "name": "Bob", "avatar": None, "role": "member"}
    after = await database.read(Member.objects.get, sub="bob")
    assert (after.sub, after.name, after.role) == ("bob", "Bob", "member")
    assert bob.handler.caller.id == after.pk
    assert (after.pk == before.pk) == ("sub" not in change)
    assert list(node.router.all()) == [bob.handler]


async def test_a_member_that_was_removed_comes_back_as_a_new_one(node: Node, site: Site) -> None:
    ann, bob = await seated(node, site, "ann", "bob")
    bob.stand()
    await bob.sit()
    bob.stand()
    await database.read(lambda: Member.objects.filter(sub="bob").delete())
    assert (await bob.sit())["member"]["id"] == "bob"
    assert (await ann.ask("message.send", to={"member": "bob"}, body="hi", key="1"))["type"] == "ok"


async def test_a_restored_database_meets_no_views_of_before(node: Node, site: Site) -> None:
    ann, bob = await seated(node, site, "ann", "bob")
    await bob.ask("message.send", to={"member": "ann"}, body="of a history that is lost", key="1")
    await listed(ann)

    def restore() -> None:
        SiteVersion.objects.filter(site=site).update(epoch="another")
        Conversation.objects.get().messages.update(body="of a history that goes on")

    await database.read(restore)
    assert (await listed(ann))[0]["last"]["body"] == "of a history that goes on"


async def test_what_only_one_member_sees_is_shown_to_no_other(node: Node, site: Site) -> None:
    ann, bob, cid = await seated(node, site, "ann", "bob", "cid")
    await ann.ask("block.add", member="bob")
    room = (await cid.ask("conversation.create", members=["ann", "bob"], name="all"))["conversation"]
    await bob.ask("message.send", to={"conversation": room}, body="secret from ann", key="mine")
    for _ in range(2):
        lists = {desk.sub: (await listed(desk, ids=[room]))[0] for desk in (ann, bob, cid)}
        assert lists["ann"]["last"] is None
        assert lists["ann"]["unread"] == 0
        assert lists["bob"]["last"]["key"] == "mine"
        assert "key" not in lists["cid"]["last"]
        assert (lists["bob"]["unread"], lists["cid"]["unread"]) == (0, 1)
    await bob.ask("conversation.leave", conversation=room)
    assert await listed(bob, ids=[room]) == []


async def test_a_lifted_block_is_seen_in_conversations_that_did_not_change(node: Node, site: Site) -> None:
    ann, bob = await seated(node, site, "ann", "bob")
    room = (await ann.ask("message.send", to={"member": "bob"}, body="hi", key="1"))["conversation"]
    await ann.ask("block.add", member="bob")
    await bob.ask("message.react", conversation=room, seq=1, emoji="👍", on=True)
    assert "reactions" not in (await listed(ann))[0]["last"]
    await ann.ask("block.remove", member="bob")
    assert (await listed(ann))[0]["last"]["reactions"] == {"👍": ["bob"]}


async def test_sites_with_the_same_member_ids_do_not_share_a_value(node: Node, site: Site) -> None:
    (ann,) = await seated(node, site, "ann")
    other = await database.read(lambda: Site.objects.create(name="Other"))
    assert (await ann.ask("members", ids=["ann"]))["members"][0]["name"] == "Ann"
    assert await database.read(members.profiles, other.pk, ["ann"]) == {}


async def test_what_a_write_sees_before_it_is_stored_is_on_no_shelf(node: Node, site: Site) -> None:
    ann, bob = await seated(node, site, "ann", "bob")
    await bob.ask("message.send", to={"member": "ann"}, body="hi", key="1")

    def doomed(tx: Transaction) -> None:
        Member.objects.filter(sub="bob").update(name="Never")
        members.profiles(site.pk, ["bob"])
        raise ZeroDivisionError

    cache._client().clear()
    with pytest.raises(Exception, match="does not answer"):
        await node.journal.write(site.pk, doomed)
    assert (await ann.ask("members", ids=["bob"]))["members"][0]["name"] == "Bob"


async def test_memcached_may_go_in_the_middle_and_come_back(
    node: Node, site: Site, memcached: Memcached, share: Callable[..., None]
) -> None:
    share(memcached, dead_timeout=0.05, timeout=0.05)
    dice = random.Random(7)
    desks = await seated(node, site, *SUBS)
    rooms = [(await desks[0].ask("conversation.create", members=[*SUBS[1:]], name="all"))["conversation"]]
    for fault in (memcached.kill, memcached.start, memcached.freeze, memcached.kill, memcached.start):
        fault()
        for _ in range(6):
            await act(dice, desks, rooms)
            for sub in SUBS:
                for shelved, stored in await database.read(both_ways, site.pk, sub):
                    assert shelved == stored

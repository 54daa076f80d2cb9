"""What a member missed: whoever comes back anywhere in a site's history ends with what all others have."""

import asyncio
import random
from typing import Any

import pytest

from avchat.tenants.models import Site
from im import replay
from im.cursor import LIFE_S, parse
from im.node import Node
from tests.support.desk import Desk, Frame

pytestmark = pytest.mark.database

SUBS = ("ann", "bob", "cid", "dee")


class Mirror:
    """What a client knows of its conversations, from events alone."""

    def __init__(self) -> None:
        self.rooms: dict[str, dict[str, Any]] = {}
        self.seqs: dict[str, list[int]] = {}

    def apply(self, frame: Frame) -> None:
        """Takes an event."""
        room = self.rooms.setdefault(frame["conversation"], {"messages": {}, "read": {}})
        messages = room["messages"]
        match frame["type"]:
            case "conversation":
                if frame.get("left"):
                    del self.rooms[frame["conversation"]]
                    return
                room["name"] = frame["name"]
                room["members"] = {member["id"] for member in frame["members"]}
                room["read"] = {member: mark["seq"] for member, mark in frame["read"].items()}
            case "message":
                self.seqs.setdefault(frame["conversation"], []).append(frame["seq"])
                messages[frame["seq"]] = {
                    "body": frame.get("body"),
                    "deleted": frame.get("deleted", False),
                    "reactions": {e: set(subs) for e, subs in frame.get("reactions", {}).items()},
                }
            case "message.edited":
                messages[frame["seq"]]["body"] = frame["body"]
            case "message.deleted":
                messages[frame["seq"]] = {"body": None, "deleted": True, "reactions": {}}
            case "message.reacted":
                reactions = messages[frame["seq"]]["reactions"]
                subs = reactions.setdefault(frame["emoji"], set())
                (subs.add if frame["on"] else subs.discard)(frame["from"])
                if not subs:
                    del reactions[frame["emoji"]]
            case "read":
                room["read"][frame["member"]] = frame["seq"]


def news(rooms: dict[str, dict[str, Any]], seen: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """`rooms` without what was said before the client that has `seen` came into them: that is history, not news."""
    first = {key: min(room["messages"], default=10**9) for key, room in seen.items()}
    return {
        key: room | {"messages": {seq: m for seq, m in room["messages"].items() if seq >= first.get(key, 0)}}
        for key, room in rooms.items()
    }


EVENTS = ("conversation", "message", "message.edited", "message.deleted", "message.reacted", "read")


async def fresh(desk: Desk) -> dict[str, dict[str, Any]]:
    """What a client learns that loads everything anew."""
    mirror = Mirror()
    listed = await desk.ask("conversations", limit=100)
    for entry in listed["conversations"]:
        mirror.apply({"type": "conversation", **entry})
        page = await desk.ask("history", conversation=entry["conversation"], limit=100)
        for message in page["messages"]:
            mirror.apply({"type": "message", **message})
    return mirror.rooms


async def act(dice: random.Random, desks: dict[str, Desk], rooms: list[str]) -> None:
    """One of the members does something."""
    desk = desks[dice.choice(SUBS)]
    others = [sub for sub in SUBS if sub != desk.sub]
    room, seq = dice.choice(rooms or [""]), dice.randint(1, 8)
    kind = dice.choice(["send"] * 6 + ["pair", "edit", "delete", "react", "react", "read", "create", "invite", "leave"])
    match kind:
        case "send":
            await desk.ask("message.send", to={"conversation": room}, body=str(dice.random()), key=str(dice.random()))
        case "pair":
            to = {"member": dice.choice(others)}
            answer = await desk.ask("message.send", to=to, body=str(dice.random()), key=str(dice.random()))
            rooms.append(answer["conversation"])
        case "edit":
            await desk.ask("message.edit", conversation=room, seq=seq, body=str(dice.random()))
        case "delete":
            await desk.ask("message.delete", conversation=room, seq=seq)
        case "react":
            emoji, on = dice.choice("👍🔥"), dice.random() < 0.7
            await desk.ask("message.react", conversation=room, seq=seq, emoji=emoji, on=on)
        case "read":
            await desk.ask("message.read", conversation=room, seq=seq)
        case "create":
            answer = await desk.ask("conversation.create", members=dice.sample(others, 2), name=str(dice.random()))
            rooms.append(answer["conversation"])
        case "invite":
            await desk.ask("conversation.invite", conversation=room, members=[dice.choice(others)])
        case "leave":
            await desk.ask("conversation.leave", conversation=room)


@pytest.mark.parametrize("seed", range(6))
async def test_a_resumed_client_ends_with_what_a_fresh_one_loads(node: Node, site: Site, seed: int) -> None:
    dice = random.Random(seed)
    desks = {sub: Desk(node, site, sub) for sub in SUBS}
    for desk in desks.values():
        await desk.sit()
    start, rooms = desks["ann"].cursor, []
    # A second device of ann's, which is cut off and comes back all the time.
    mirror, device = Mirror(), Desk(node, site, "ann")
    await device.sit(start)
    for _ in range(150):
        await act(dice, desks, rooms)
        if dice.random() < 0.15:
            for frame in device.of(*EVENTS):
                mirror.apply(frame)
            device.stand()
            cursor = device.cursor
            device = Desk(node, site, "ann")
            reply = await device.sit(cursor)
            assert reply["resumed"] is True
            assert reply["cursor"] == cursor
    for frame in device.of(*EVENTS):
        mirror.apply(frame)
    assert mirror.rooms == news(await fresh(desks["ann"]), mirror.rooms)
    for seqs in mirror.seqs.values():
        assert seqs == sorted(set(seqs)), "each message came once, in order"


@pytest.mark.parametrize("seed", range(3))
async def test_a_client_cut_off_in_the_middle_of_a_replay_goes_on_from_there(node: Node, site: Site, seed: int) -> None:
    dice = random.Random(seed)
    desks = {sub: Desk(node, site, sub) for sub in SUBS}
    for desk in desks.values():
        await desk.sit()
    cursor, rooms = desks["ann"].cursor, []
    for _ in range(80):
        await act(dice, desks, rooms)
    mirror = Mirror()
    while True:
        device = Desk(node, site, "ann")
        await device.sit(cursor)
        device.stand()
        events = device.of(*EVENTS)[: dice.randint(1, 4)]
        if not events:
            break
        for frame in events:
            mirror.apply(frame)
        cursor = events[-1]["cursor"]
    assert mirror.rooms == news(await fresh(desks["ann"]), mirror.rooms)
    for seqs in mirror.seqs.values():
        assert seqs == sorted(set(seqs))


async def test_a_cursor_older_than_its_life_is_not_resumed_from(node: Node, site: Site) -> None:
    ann = Desk(node, site, "ann")
    at = parse((await ann.sit())["cursor"])
    assert at is not None
    day_ago = str(at._replace(minute=at.minute - 23 * 60))
    too_old = str(at._replace(minute=at.minute - int(LIFE_S / 60) - 1))
    assert (await Desk(node, site, "ann").sit(day_ago))["resumed"] is True
    assert (await Desk(node, site, "ann").sit(too_old))["resumed"] is False


async def test_a_client_that_missed_more_than_is_worth_repeating_loads_afresh(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    cursor = (await ann.sit())["cursor"]
    await asyncio.gather(*(ann.ask("message.send", to={"member": "bob"}, body="x", key=str(n)) for n in range(6)))
    monkeypatch.setattr(replay, "MAX_CHANGES", 6)
    assert (await Desk(node, site, "bob").sit(cursor))["resumed"] is True
    monkeypatch.setattr(replay, "MAX_CHANGES", 5)
    assert (await Desk(node, site, "bob").sit(cursor))["resumed"] is False

"""The client handler: the order in which frames take effect, and what a slow or wild client is given."""

import asyncio

import pytest
from django.db import OperationalError

from avchat.tenants.models import Site
from im import database, handler, limits, reception, rosters
from im.errors import Refusal
from im.node import Node
from tests.support.desk import Desk

pytestmark = pytest.mark.database


@pytest.fixture
async def ann(node: Node, site: Site) -> Desk:
    desk = Desk(node, site, "ann")
    await Desk(node, site, "bob").sit()
    await desk.sit()
    return desk


async def test_frames_take_effect_in_the_order_in_which_they_were_sent(ann: Desk) -> None:
    first = await ann.ask("message.send", to={"member": "bob"}, body="0", key="0")
    conversation = first["conversation"]
    sends = [ann.ask("message.send", to={"conversation": conversation}, body=str(n), key=str(n)) for n in range(1, 20)]
    seen = ann.ask("history", conversation=conversation)
    later = ann.ask("message.send", to={"conversation": conversation}, body="later", key="later")
    edited = ann.ask("message.edit", conversation=conversation, seq=21, body="even later")
    assert [answer["seq"] for answer in await asyncio.gather(*sends)] == list(range(2, 21))
    assert [message["body"] for message in (await seen)["messages"]] == [str(n) for n in range(20)]
    assert (await later)["seq"] == 21
    assert "edited" in await edited


async def test_sends_follow_each_other_without_waiting_for_their_answers(
    ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = []
    submit = ann.node.journal.submit
    monkeypatch.setattr(ann.node.journal, "submit", lambda write: submitted.append(write) or submit(write))
    answers = [ann.ask("message.send", to={"member": "bob"}, body="x", key=str(n)) for n in range(10)]
    assert len(submitted) == 10
    await asyncio.gather(*answers)


async def test_a_connection_with_too_many_waiting_frames_is_congested_until_they_are_answered(ann: Desk) -> None:
    answers = [ann.ask("history", conversation="none") for _ in range(handler.BACKLOG)]
    assert ann.handler.congested
    await ann.handler.uncongested()
    assert not ann.handler.congested
    assert {answer["code"] for answer in await asyncio.gather(*answers)} == {"not-found"}


async def test_a_service_that_fails_is_answered_as_unavailable_and_the_next_frame_works(
    ann: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(database, "read", broken)
    answer = await ann.ask("history", conversation="x")
    monkeypatch.undo()
    assert answer["code"] == "unavailable"
    assert (await ann.ask("ping"))["type"] == "ok"
    assert "A frame could not be answered" in caplog.text


async def test_who_sends_bad_frames_again_and_again_is_closed_and_who_slips_now_and_then_is_not(
    ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(limits.time, "monotonic", lambda: now)
    for _ in range(3):
        for _ in range(limits.BAD_FRAMES - 1):
            assert (await ann.ask("nonsense"))["code"] == "unknown-type"
        now += limits.BAD_FRAMES_S + 0.1
    assert ann.closed is None
    for _ in range(limits.BAD_FRAMES):
        await ann.ask("nonsense")
    assert ann.closed == 4400


async def test_the_rates_of_a_member_are_those_of_all_its_connections_together(
    node: Node, site: Site, ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SEND_BURST", 4)
    monkeypatch.setattr(limits, "SENDS_PER_SECOND", 0.001)
    other = Desk(node, site, "ann")
    await other.sit()
    answers = [
        await desk.ask("message.send", to={"member": "bob"}, body="x", key=f"{n}{desk is ann}")
        for n in range(3)
        for desk in (ann, other)
    ]
    assert [answer["type"] for answer in answers] == ["ok"] * 4 + ["error"] * 2
    assert answers[-1]["code"] == "rate-limited"
    assert answers[-1]["retry_ms"] > 0
    assert (await ann.ask("ping"))["type"] == "ok"


async def test_who_is_in_a_conversation_is_not_remembered_where_changes_of_it_are_not_heard(
    node: Node, site: Site, ann: Desk
) -> None:
    sent = await ann.ask("message.send", to={"member": "bob"}, body="Ahoy", key="1")
    key = sent["conversation"]
    await ann.ask("typing", conversation=key, on=True)
    assert rosters.known(key)
    for each in node.router.all():
        node.depart(each)
    assert rosters.known(key) is None
    assert await rosters.load(node, key)
    assert rosters.known(key) is None


async def test_a_hello_that_the_database_does_not_answer_is_told_to_come_again(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise OperationalError("server has gone away")

    ann = Desk(node, site, "ann")
    monkeypatch.setattr(reception, "_states", broken)
    with pytest.raises(Refusal) as refused:
        await ann.sit()
    assert refused.value.code == "unavailable"
    assert node.router.all() == []
    monkeypatch.undo()
    assert (await ann.sit())["type"] == "ok"
    assert "A hello could not be answered" in caplog.text

"""A database that was put back under running nodes: its versions are those of another history."""

import json
from typing import Any

import pytest

from avchat.tenants.models import Site
from im import database, node, transaction
from im.errors import Refusal
from im.models import Message, SiteVersion, new_epoch
from im.node import Node
from im.transaction import Transaction
from tests.support.desk import Desk
from tests.support.nodes import begin, bodies, read
from tests.support.wait import eventually

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "COMPARE_S", 0.05)


def put_back(site: Site, **how: Any) -> None:
    """As a backup of before all messages has it."""
    Message.objects.filter(site=site).delete()
    SiteVersion.objects.filter(site=site).update(**how)


def epoch_of(site: Site) -> str:
    return SiteVersion.objects.get(site=site).epoch


@pytest.mark.parametrize("told", [True, False], ids=["with a new epoch", "with lower versions alone"])
async def test_clients_load_afresh_when_the_database_is_put_back_under_them(node: Node, site: Site, told: bool) -> None:
    id, _ = await begin(site, node, "cid")
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    for n in range(5):
        await ann.ask("message.send", to={"member": "bob"}, body=f"{n}", key=f"{n}")
    assert bodies(bob) == ["0", "1", "2", "3", "4"]
    before = await database.read(epoch_of, site)
    await database.read(put_back, site, **({"epoch": new_epoch()} if told else {"version": 1}))
    await eventually(lambda: bob.closed and ann.closed)
    assert bob.of("closing")
    assert await database.read(epoch_of, site) != before
    with pytest.raises(Refusal, match="no such session"):
        await read(node, id)
    for desk in (ann, bob):
        assert (await desk.sit(resume=desk.cursor))["resumed"] is False
    bob.frames.clear()
    await ann.ask("message.send", to={"member": "bob"}, body="after", key="after")
    await eventually(lambda: bodies(bob) == ["after"])
    assert len(node.router.all()) == 2


async def test_a_session_that_nobody_had_here_ends_with_the_history_that_it_was_told(node: Node, site: Site) -> None:
    id, desk = await begin(site, node, "ann")
    node.sessions._here.clear()
    node.depart(desk.handler)
    await database.read(put_back, site, epoch=new_epoch())
    with pytest.raises(Refusal, match="no such session"):
        await read(node, id)
    assert node.router.all() == []


async def test_who_is_in_a_conversation_is_asked_anew_in_another_history(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    room = (await ann.ask("conversation.create", members=["bob"], name="pier"))["conversation"]
    await ann.ask("message.send", to={"conversation": room}, body="x", key="x")
    assert transaction._members
    seen: list[dict[int, Any]] = []

    def look(tx: Transaction) -> None:
        seen.append(dict(transaction._members))

    await database.read(put_back, site, epoch=new_epoch())
    await node.journal.write(site.pk, look)
    assert seen == [{}]


async def test_looking_at_what_is_stored_while_more_is_being_stored_disturbs_nobody(
    node: Node, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    epoch = await database.read(epoch_of, site)
    for n in range(60):
        await ann.ask("message.send", to={"member": "bob"}, body=json.dumps(n), key=f"{n}")
    assert [json.loads(body) for body in bodies(bob)] == list(range(60))
    assert (ann.closed, bob.closed) == (None, None)
    assert await database.read(epoch_of, site) == epoch

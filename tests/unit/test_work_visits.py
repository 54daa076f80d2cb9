"""Visits: mail needs to know who is here, whatever others see of them."""

import asyncio
from collections.abc import Callable

import pytest

from avchat.tenants import directory
from avchat.tenants.models import Site
from avchat.work.models import Subscriber
from im import database
from im.models import Member
from im.node import Node
from tests.support.desk import Desk

PATIENCE_S = 15.0


@pytest.fixture
async def mailing(site: Site) -> Site:
    """A site that mails, whose members are gone as soon as their connection is."""

    def change() -> None:
        Site.objects.filter(pk=site.pk).update(digest_since=1, grace=0)
        directory.forget()

    await database.read(change)
    return site


async def rows(condition: Callable[[list[Subscriber]], bool]) -> list[Subscriber]:
    """Who is noted, once the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await database.read(lambda: list(Subscriber.objects.order_by("pk")))
            if condition(found):
                return found
            await asyncio.sleep(0.01)


async def settled(node: Node, site: Site) -> None:
    """All that was submitted to the journal is stored."""
    await node.journal.write(site.pk, lambda tx: None)


async def test_a_member_with_an_address_is_noted_to_come_and_to_go(node: Node, mailing: Site) -> None:
    ann = Desk(node, mailing, "ann", "ann@example.org")
    await ann.sit()
    (row,) = await rows(bool)
    assert (row.came > 0, row.went) == (True, 0)
    ann.stand()
    await rows(lambda found: found[0].went >= found[0].came > 0)


async def test_pages_of_a_member_who_is_here_are_not_noted_one_by_one(node: Node, mailing: Site) -> None:
    first, second = (Desk(node, mailing, "ann", "ann@example.org") for _ in range(2))
    await first.sit()
    (row,) = await rows(bool)
    await second.sit()
    first.stand()
    await settled(node, mailing)
    assert await rows(bool) == [row]
    assert (await rows(bool))[0].came == row.came
    assert (await rows(bool))[0].went == 0


async def test_an_invisible_member_is_here(node: Node, mailing: Site) -> None:
    """Others see it as gone, and a mail would still come while it reads along."""
    ann = Desk(node, mailing, "ann", "ann@example.org")
    await ann.sit()
    await ann.ask("presence.set", show="invisible")
    (row,) = await rows(bool)
    assert row.went == 0
    ann.stand()
    await rows(lambda found: found[0].went > 0)


async def test_members_without_an_address_and_sites_that_do_not_mail_are_not_noted(
    node: Node, mailing: Site, site: Site
) -> None:
    await Desk(node, mailing, "bob").sit()
    await database.read(lambda: Site.objects.filter(pk=site.pk).update(digest_since=None))
    directory.forget()
    await Desk(node, site, "cid", "cid@example.org").sit()
    await settled(node, mailing)
    assert await rows(lambda found: True) == []


async def test_a_members_address_is_kept_and_shown_to_nobody(node: Node, mailing: Site) -> None:
    ann = Desk(node, mailing, "ann", "ann@example.org")
    await ann.sit()
    bob = Desk(node, mailing, "bob")
    await bob.sit()
    member = await database.read(Member.objects.get, sub="ann")
    assert member.email == "ann@example.org"
    sent = await bob.ask("message.send", to={"member": "ann"}, body="hello", key="1")
    told = [await bob.ask("members", ids=["ann"]), await bob.ask("conversations"), sent]
    assert "ann@example.org" not in f"{told} {ann.frames} {bob.frames}"
    assert '"Ann"' in str(told).replace("'", '"')


async def test_who_is_on_another_node_is_not_gone(node: Node, mailing: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Desk(node, mailing, "ann", "ann@example.org")
    await ann.sit()
    await rows(bool)
    asked = asyncio.Event()

    async def locate(names: list[str], nodes: object) -> dict[str, set[str]]:
        asked.set()
        return {"other": set(names)}

    monkeypatch.setattr(node.link(mailing.pk).directory, "locate", locate)
    ann.stand()
    await asyncio.wait_for(asked.wait(), PATIENCE_S)
    await settled(node, mailing)
    assert (await rows(bool))[0].went == 0


async def test_a_node_that_ends_does_not_wait_for_grace_times(node: Node, site: Site) -> None:
    await database.read(lambda: Site.objects.filter(pk=site.pk).update(digest_since=1, grace=3600))
    directory.forget()
    ann = Desk(node, site, "ann", "ann@example.org")
    await ann.sit()
    await rows(bool)
    node.drain()
    ann.stand()
    await rows(lambda found: found[0].went > 0)

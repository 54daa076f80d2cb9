"""A server with memcached: every change is seen at once, and a memcached that is gone is not missed."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.client import PATIENCE, Connection, HelloRefused
from tests.support.memcached import Memcached
from tests.support.server import Server
from tests.support.site import Site


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, list[Memcached]]]:
    """A server, and two memcached servers that it uses. Whoever stops one starts it again."""
    memcacheds = [Memcached(), Memcached()]
    addresses = ",".join(memcached.address for memcached in memcacheds)
    server = Server(tmp_path_factory.mktemp("memcached"), AVCHAT_MEMCACHED=addresses)
    try:
        for memcached in memcacheds:
            memcached.start()
        yield server.start(), memcacheds
    finally:
        server.stop()
        for memcached in memcacheds:
            memcached.stop()


@pytest.fixture
async def site(servers: tuple[Server, list[Memcached]]) -> AsyncIterator[Site]:
    """A fresh site. The server must not log a traceback meanwhile."""
    site = Site(servers[0])
    yield site
    await site.leave()
    assert servers[0].complaints() == []


@pytest.fixture
def memcacheds(servers: tuple[Server, list[Memcached]]) -> list[Memcached]:
    """The two."""
    return servers[1]


async def in_use(site: Site, *memcacheds: Memcached) -> None:
    """Waits until the server asks each of them (again): it leaves one alone for a while that did not answer."""
    who = await site.join("looker")
    async with asyncio.timeout(PATIENCE):
        for memcached in memcacheds:
            before = memcached.stats()["cmd_get"]
            while memcached.stats()["cmd_get"] == before:
                await names(who, *(f"nobody-{number}" for number in range(50)))
                await asyncio.sleep(0.1)
    await who.close()


async def entry(who: Connection, conversation: str) -> dict[str, Any]:
    """A conversation as the member's list shows it."""
    page = await who.ok("conversations")
    (found,) = (each for each in page["conversations"] if each["conversation"] == conversation)
    (again,) = (await who.ok("conversations", ids=[conversation]))["conversations"]
    assert again == found
    shown: dict[str, Any] = found
    return shown


async def names(who: Connection, *members: str) -> dict[str, str]:
    """What the members are called."""
    page = await who.ok("members", ids=list(members))
    return {member["id"]: member["name"] for member in page["members"]}


async def run_through(site: Site, word: str) -> None:
    """Does all that changes what others are shown, and looks each time."""
    ann, bob = await site.join(f"ann-{word}", name="Ann"), await site.join(f"bob-{word}", name="Bob")
    me, you = ann.hello["member"]["id"], bob.hello["member"]["id"]
    room = (await bob.send(me, f"{word} 1"))["conversation"]
    for _ in range(2):
        shown = await entry(ann, room)
        assert (shown["last"]["body"], shown["unread"]) == (f"{word} 1", 1)
        assert await names(ann, me, you) == {me: "Ann", you: "Bob"}
    await bob.say(room, f"{word} 2")
    shown = await entry(ann, room)
    assert (shown["last"]["body"], shown["unread"]) == (f"{word} 2", 2)
    await ann.ok("message.read", conversation=room, seq=1)
    assert (await entry(ann, room))["unread"] == 1
    assert (await entry(bob, room))["read"][me]["seq"] == 1
    again = await site.join(f"ann-{word}", name="Ann")
    assert again.hello["unread"] == {room: 1}
    await bob.ok("message.edit", conversation=room, seq=2, body=f"{word} 2, better")
    assert (await entry(again, room))["last"]["body"] == f"{word} 2, better"
    await bob.ok("message.delete", conversation=room, seq=2)
    assert (await entry(again, room))["unread"] == 0
    renamed = await site.join(f"bob-{word}", name=f"Robert {word}")
    assert renamed.hello["member"]["name"] == f"Robert {word}"
    assert await names(ann, you) == {you: f"Robert {word}"}
    assert {member["name"] for member in (await entry(ann, room))["members"]} == {"Ann", f"Robert {word}"}
    for connection in (ann, bob, again, renamed):
        await connection.close()


async def test_every_change_of_names_and_messages_is_seen_at_once(site: Site, memcacheds: list[Memcached]) -> None:
    await in_use(site, *memcacheds)
    before = [memcached.stats() for memcached in memcacheds]
    await run_through(site, "first")
    for was, now in zip(before, (memcached.stats() for memcached in memcacheds), strict=True):
        assert now["cmd_set"] > was["cmd_set"]
    assert sum(memcached.stats()["get_hits"] for memcached in memcacheds) > sum(was["get_hits"] for was in before)


@pytest.mark.parametrize("transport", ["ws", "poll"])
async def test_a_change_of_a_site_made_by_another_process_is_seen(
    servers: tuple[Server, list[Memcached]], site: Site, memcacheds: list[Memcached], transport: str
) -> None:
    await in_use(site, *memcacheds)
    guest = {"guest": {"name": "Visitor"}}
    with pytest.raises(HelloRefused):
        await site.hello(guest, transport=transport)
    change = f"""
from avchat.tenants import services
from avchat.tenants.models import Site
services.set_guests(account=None, site=Site.objects.get(key="{site.key}"), allowed=True)
services.add_origin(account=None, site=Site.objects.get(key="{site.key}"), origin="https://a.example")
"""
    servers[0].manage("shell", "-c", change)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await site.hello(guest, transport=transport, origin="https://a.example")
                break
            except HelloRefused:
                await asyncio.sleep(0.1)
    with pytest.raises(HelloRefused):
        await site.hello({"token": site.token("ann")}, transport=transport, origin="https://b.example")
    async with httpx.AsyncClient() as web:
        assert '"guests":true' in (await web.get(f"{site.server.base}/embed/{site.key}.js")).text


async def test_a_memcached_that_dies_and_comes_back_is_not_missed(site: Site, memcacheds: list[Memcached]) -> None:
    one, other = memcacheds
    await in_use(site, one, other)
    await run_through(site, "both")
    one.kill()
    await run_through(site, "one of two")
    other.kill()
    await run_through(site, "none")
    one.start()
    await in_use(site, one)
    await run_through(site, "one again")
    other.start()
    await in_use(site, one, other)
    await run_through(site, "both again")


async def test_a_memcached_that_hangs_is_not_missed(site: Site, memcacheds: list[Memcached]) -> None:
    await in_use(site, *memcacheds)
    for memcached in memcacheds:
        memcached.freeze()
    try:
        await run_through(site, "frozen")
    finally:
        for memcached in memcacheds:
            memcached.thaw()
    await in_use(site, *memcacheds)
    await run_through(site, "thawed")


async def test_a_backup_that_is_put_back_with_memcached_emptied_shows_nothing_of_later(tmp_path: Path) -> None:
    var = tmp_path / "var"
    memcached = Memcached().start()
    database = {"AVCHAT_DATABASE_URL": f"sqlite:///{var / 'db.sqlite3'}"}
    server = Server(var, AVCHAT_MEMCACHED=memcached.address, **database)
    try:
        site = Site(server.start())
        ann, bob = await site.join("ann", name="Ann"), await site.join("bob")
        room = (await ann.send("bob", "kept"))["conversation"]
        assert await names(bob, "ann") == {"ann": "Ann"}
        with closing(sqlite3.connect(var / "db.sqlite3")) as source:
            source.execute("VACUUM INTO ?", [str(tmp_path / "backup")])
        await site.join("cid")
        await ann.say(room, "lost")
        await in_use(site, memcached)
        assert await names(bob, "ann", "cid") == {"ann": "Ann", "cid": "Cid"}
        assert (await entry(bob, room))["last"]["body"] == "lost"
        kept = b"".join(memcached.contents().values())
        assert b"Cid" in kept
        assert b"lost" in kept
        await site.leave()
        server.stop()
        for beside in ("-wal", "-shm"):
            (var / f"db.sqlite3{beside}").unlink(missing_ok=True)
        shutil.copy(tmp_path / "backup", var / "db.sqlite3")
        server.manage("restored")
        memcached.restart()
        server.start()
        bob = await site.join("bob")
        assert await names(bob, "ann", "cid") == {"ann": "Ann"}
        found = await entry(bob, room)
        assert (found["last"]["body"], found["seq"]) == ("kept", 1)
        assert {member["name"] for member in found["members"]} == {"Ann", "Bob"}
        await site.leave()
    finally:
        server.stop()
        memcached.stop()


async def test_no_secret_and_no_pickle_lies_in_memcached(site: Site, memcacheds: list[Memcached]) -> None:
    await in_use(site, *memcacheds)
    await run_through(site, "looked at")
    for memcached in memcacheds:
        for key, value in memcached.contents().items():
            assert site.secret.encode() not in value
            assert not value.startswith(b"\x80"), key


async def test_members_of_two_sites_with_the_same_ids_see_nothing_of_one_another(
    servers: tuple[Server, list[Memcached]], site: Site
) -> None:
    await in_use(site, *servers[1])
    other = Site(servers[0])
    try:
        for each, name in ((site, "Here"), (other, "There")):
            ann, bob = await each.join("ann", name=f"Ann {name}"), await each.join("bob", name=f"Bob {name}")
            room = (await bob.send("ann", f"hi from {name}"))["conversation"]
            for _ in range(2):
                assert await names(ann, "ann", "bob") == {"ann": f"Ann {name}", "bob": f"Bob {name}"}
                (only,) = (await ann.ok("conversations"))["conversations"]
                assert (only["conversation"], only["last"]["body"]) == (room, f"hi from {name}")
        eve = await site.join("eve")
        assert (await eve.ok("conversations", ids=[room]))["conversations"] == []
    finally:
        await other.leave()


async def test_the_loader_goes_out_packed_and_whole(site: Site, memcacheds: list[Memcached]) -> None:
    await in_use(site, *memcacheds)
    async with httpx.AsyncClient(headers={"Accept-Encoding": "br"}) as web:
        answers = [await web.get(f"{site.server.base}/embed/{site.key}.js") for _ in range(2)]
    async with httpx.AsyncClient(headers={"Accept-Encoding": "identity"}) as web:
        plain = await web.get(f"{site.server.base}/embed/{site.key}.js")
    assert [answer.headers["Content-Encoding"] for answer in answers] == ["br", "br"]
    assert answers[0].content == answers[1].content == plain.content
    assert any(":packed:" in key for memcached in memcacheds for key in memcached.contents())

"""Work without a broker: the process that serves does it beside serving, and after a crash once more."""

import asyncio
import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.post import Post
from tests.support.server import Server
from tests.support.site import Site

PATIENCE_S = 60.0
OLD = 20_000
ACCOUNT = {"email": "maren@example.org", "name": "Maren", "password": "kept-between-us-42"}

AGED = f"""
import time
site = Site.objects.get()
room = Conversation.objects.get()
ann = Member.objects.get(sub="ann")
then = int(time.time() * 1000) - 40 * 24 * 3600 * 1000
version = SiteVersion.objects.get().version
Message.objects.bulk_create(
    [Message(conversation=room, seq=room.seq + n, site=site, sender=ann, key=f"old {{n}}", body="hello " * 20,
             time=then + n, born=version, version=version) for n in range(1, {OLD} + 1)],
    batch_size=500,
)
Message.objects.filter(seq__lte=room.seq).update(time=then)
Conversation.objects.update(seq=room.seq + {OLD})
"""


@pytest.fixture
def post() -> Iterator[Post]:
    post = Post().start()
    yield post
    post.stop()


@pytest.fixture
def own_server(tmp_path: Path, post: Post) -> Iterator[Server]:
    """A server that a test may kill; it works by itself five seconds after it started, and then every half minute."""
    server = Server(tmp_path, AVCHAT_EMAIL_URL=post.url)
    try:
        yield server.start()
        assert server.complaints() == []
    finally:
        server.stop()


@pytest.fixture
def site(own_server: Server) -> Site:
    own_server.command("shell", "--command", f"from avchat.tenants import services; services.sign_up(**{ACCOUNT})")
    return Site(own_server, "--owner", ACCOUNT["email"], "--grace", "0", "--limits", "none")


@pytest.fixture
def owner(own_server: Server) -> Iterator[httpx.Client]:
    """The owner's browser, logged in to the dashboard."""
    with httpx.Client(base_url=own_server.base, follow_redirects=True, timeout=30) as client:
        submit(
            client, "/dashboard/log-in", "/dashboard/log-in", username=ACCOUNT["email"], password=ACCOUNT["password"]
        )
        yield client


def submit(client: httpx.Client, page: str, action: str, **fields: str) -> httpx.Response:
    """Fills in a form of a page."""
    client.get(page)
    return client.post(action, data={"csrfmiddlewaretoken": client.cookies["csrftoken"], **fields})


def ask(server: Server, expression: str) -> Any:
    """The value of an expression, beside the server."""
    code = f"import json; print(json.dumps({expression}))"
    return json.loads(server.command("shell", "--verbosity", "0", "--command", code))


def until(condition: Callable[[], Any]) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def messages(server: Server) -> int:
    return int(ask(server, "Message.objects.count()"))


async def test_members_go_on_writing_while_old_messages_are_deleted(
    own_server: Server, site: Site, owner: httpx.Client
) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    conversation = (await ann.send("bob", "first"))["conversation"]
    own_server.command("shell", "--command", AGED)
    owner_page = f"/dashboard/sites/{site.key}/retention/30"
    await asyncio.to_thread(submit, owner, owner_page, owner_page, name=site_name(own_server))
    await asyncio.to_thread(until, lambda: messages(own_server) <= OLD)
    stored = []
    while (left := messages(own_server)) > len(stored) + 1_000:
        stored.append((await ann.send("bob", f"while {left} are left"))["seq"])
    # Not only when it was over: many commits found the database free between two batches.
    assert len(stored) > 5
    assert stored == list(range(OLD + 2, OLD + 2 + len(stored)))
    await asyncio.to_thread(until, lambda: messages(own_server) == len(stored))
    page = await bob.ok("history", conversation=conversation, limit=100)
    assert [message["seq"] for message in page["messages"]] == stored[-100:]
    await site.leave()


async def test_retention_killed_with_the_server_goes_on_after_a_restart(own_server: Server, site: Site) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    await ann.send("bob", "first")
    await site.leave()
    own_server.command("shell", "--command", AGED + "Site.objects.update(retention_days=30)")
    # The schedule begins with the start.
    own_server.restart()
    await asyncio.to_thread(until, lambda: messages(own_server) < OLD)
    own_server.kill()
    assert messages(own_server) > 0
    own_server.start()
    await asyncio.to_thread(until, lambda: messages(own_server) == 0)


def test_an_export_is_written_while_its_owner_looks_on_and_then_fetched(
    own_server: Server, site: Site, owner: httpx.Client
) -> None:
    asyncio.run(say_first(site))
    own_server.command("shell", "--command", AGED)
    data = f"/dashboard/sites/{site.key}/data"
    page = submit(owner, data, f"/dashboard/sites/{site.key}/exports").text
    assert "On its way" in page
    until(lambda: "Download" in owner.get(f"{data}/state").text)
    (address,) = re.findall(rf'href="(/dashboard/sites/{site.key}/exports/[^"]+)"', owner.get(data).text)
    answer = owner.get(address)
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        seqs = [json.loads(line)["seq"] for line in archive.read("messages.jsonl").splitlines()]
    assert seqs == list(range(1, OLD + 2))
    assert httpx.get(own_server.base + address).status_code == 302


async def say_first(site: Site) -> None:
    ann, _ = await site.join("ann"), await site.join("bob")
    await ann.send("bob", "first")
    await site.leave()


async def test_a_member_who_left_gets_one_mail_and_its_link_leads_back_to_the_page_it_came_from(
    own_server: Server, site: Site, post: Post
) -> None:
    # Who is gone is away at once, so that nobody waits here for minutes.
    mailing = "digest_since=1, digest_minutes=0, digest_base='http://chat.example'"
    own_server.command("shell", "--command", f"Site.objects.update({mailing})")
    own_server.restart()
    await asyncio.to_thread(until, lambda: ask(own_server, "DigestMark.objects.count()") == 1)
    token = site.token("ann", email="ann@example.org")
    ann = await site.hello({"token": token}, origin="https://forum.example")
    bob = await site.join("bob", email="bob@example.org")
    await ann.drop()
    gone = "Subscriber.objects.filter(member__sub='ann', came__gt=0, went__gt=0).exists()"
    await asyncio.to_thread(until, lambda: ask(own_server, gone))
    await bob.send("ann", "are you there?")
    own_server.restart()
    await asyncio.to_thread(until, lambda: post.mails)
    ((address, mail),) = post.mails
    assert address == "ann@example.org"
    assert mail["Subject"].startswith("Bob wrote to you on ")
    body = mail.get_payload(0).get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "Read them: https://forum.example" in body.splitlines()
    assert "are you there" not in body
    own_server.restart()
    await asyncio.to_thread(until, lambda: ask(own_server, "Day.objects.exists()"))
    assert len(post.mails) == 1


def site_name(server: Server) -> str:
    return str(ask(server, "Site.objects.get().name"))

"""`python -m benchmarks.cache`: what memcached saves the database in members' sessions, as JSON.

Plays the same sessions twice, without memcached and with one of its own, in this process and on a database of its
own (SQLite, or an empty one that `AVCHAT_DATABASE_URL` names), and counts statements and hits.

A session is a visit of a community site: some pages, one after the other. On each page the widget does what it does
when it comes up: it loads the loader (unless the browser still has it), says hello, asks for the conversations in its
tabs and the unread ones, for the first page of all conversations, of who is online, for the contacts, for the history
of the open tab, for members that it met there, and watches those that it shows. On some pages the member says
something, or reads what is new. Most visits are of members who were here before, on sites that have a few members
each who talk much. The site's own memory of two seconds is off, as for a site whose pages come further apart.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.desk import Desk

SITES = 3
MEMBERS = 40
PAIRS = 6
GROUPS = 4
GROUP_SIZE = 15
HISTORY = 10

VISITS = 80
PAGES = 7
HERE = 15
"""Members who are on a page at the same time; one who leaves is followed by another."""
REGULARS = 0.7
"""The part of visits that are by a fifth of the members."""
LOADER_ANEW = 0.5
"""The part of pages on which the browser asks for the loader: it keeps it for a minute."""
SAYS, READS = 0.15, 0.25

WORK = ("SELECT", "INSERT", "UPDATE", "DELETE")


def main() -> None:
    """Plays both ways and prints what was counted."""
    parser = argparse.ArgumentParser(description="What memcached saves the database in members' sessions, as JSON.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        sys.stdout.write(json.dumps(play(options.seed)))
        return
    from tests.support.memcached import Memcached

    memcached = Memcached().start()
    try:
        parts = {name: _part(options.seed, address) for name, address in (("off", ""), ("on", memcached.address))}
    finally:
        memcached.stop()
    mix = {"sites": SITES, "members_per_site": MEMBERS, "sessions": VISITS, "pages_per_session": PAGES}
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    sys.stdout.write(json.dumps({"machine": machine, "mix": mix, **parts}, indent=2) + "\n")


def _part(seed: int, memcached: str) -> Any:
    with tempfile.TemporaryDirectory() as var:
        environment = os.environ | {
            "AVCHAT_VAR": var,
            "AVCHAT_MEMCACHED": memcached,
            "DJANGO_SETTINGS_MODULE": "avchat.settings",
        }
        command = [sys.executable, "-m", "benchmarks.cache", "--part", "--seed", str(seed)]
        return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)


class Count:
    """Statements, by what was asked for and by who asked: the journal, or those who read."""

    def __init__(self) -> None:
        self.asked = "setup"
        self.reads: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Django's wrapper around the execution of a statement."""
        if sql.lstrip().startswith(WORK):
            (self.writes if threading.current_thread().name == "journal" else self.reads)[self.asked] += 1
        return execute(sql, params, many, context)


def play(seed: int) -> dict[str, Any]:
    """The sessions, with the settings as they are."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db.backends.signals import connection_created

    from avchat.tenants import directory

    count = Count()
    connection_created.connect(lambda connection, **_: connection.execute_wrappers.append(count), weak=False)
    call_command("migrate", verbosity=0)
    directory.LIFE_SECONDS = 0.0
    return asyncio.run(_play(random.Random(seed), count))


async def _play(dice: random.Random, count: Count) -> dict[str, Any]:
    from avchat import cache
    from im import database
    from im.node import Node

    node = Node()
    sites = [await _community(node, dice, number) for number in range(SITES)]
    for table in (count.reads, count.writes, cache.counts):
        table.clear()
    took = Counter[str]()
    visits = [_visit(node, dice, count, took, dice.choice(sites)) for _ in range(VISITS)]
    # Visits overlap: each step is the next page of one of those who are here.
    here: list[Any] = []
    while visits or here:
        while visits and len(here) < HERE:
            here.append(visits.pop())
        visit = dice.choice(here)
        try:
            await anext(visit)
        except StopAsyncIteration:
            here.remove(visit)
    await asyncio.to_thread(node.journal.stop)
    await database.read(lambda: None)
    pages = took.pop("pages")
    outcomes: dict[str, dict[str, int]] = {}
    for (kind, outcome), number in cache.counts.items():
        outcomes.setdefault(kind, {})[outcome] = number
    return {
        "reads_per_session": round(count.reads.total() / VISITS, 1),
        "reads_per_page": round(count.reads.total() / pages, 2),
        "journal_statements_per_session": round(count.writes.total() / VISITS, 1),
        "reads_per_request": {name: round(count.reads[name] / took[f"{name} #"], 2) for name in sorted(count.reads)},
        "milliseconds_per_page": round(took["ns"] / pages / 1e6, 2),
        "asked_of_memcached": outcomes,
        "hit_ratio": {
            kind: round(each.get("hit", 0) / sum(each.values()), 3)
            for kind, each in sorted(outcomes.items())
            if kind != "memcached"
        },
    }


async def _community(node: Any, dice: random.Random, number: int) -> list["Desk"]:
    """A site whose members know one another: its members, each with its token."""
    from avchat.tenants import directory, services, tokens
    from im import database
    from tests.support.desk import Desk

    class Member(Desk):
        """A member whose site gave it its token with the page."""

        token = ""

        def _token(self) -> str:
            return self.token

    def found() -> tuple[Any, list[str]]:
        site = services.create_site(account=None, name=f"Community {number}", limited=False)
        services.add_secret(account=None, site=site, label="")
        info = directory.site(site.key)
        assert info is not None
        return site, [tokens.mint(info, f"m{index}", f"Member {index}") for index in range(MEMBERS)]

    site, minted = await database.read(found)
    members = [Member(node, site, f"m{index}") for index in range(MEMBERS)]
    for member, token in zip(members, minted, strict=True):
        member.token = token
    await asyncio.gather(*(member.sit() for member in members))
    subs = [member.sub for member in members]
    rooms: list[tuple[Desk, str]] = []
    for member in members:
        for other in dice.sample([sub for sub in subs if sub != member.sub], PAIRS // 2):
            answer = await member.ask("message.send", to={"member": other}, body="hello", key=f"{member.sub}-{other}")
            rooms.append((member, answer["conversation"]))
    for index in range(GROUPS * MEMBERS // GROUP_SIZE):
        first, *others = dice.sample(members, GROUP_SIZE)
        named = [other.sub for other in others]
        answer = await first.ask("conversation.create", members=named, name=f"Group {index}")
        rooms.append((first, answer["conversation"]))
    for said in range(HISTORY):
        sends = (
            member.ask("message.send", to={"conversation": room}, body=f"word {said}", key=f"{room}-{said}")
            for member, room in rooms
        )
        await asyncio.gather(*sends)
    for member in members:
        member.stand()
    return list(members)


async def _visit(node: Any, dice: random.Random, count: Count, took: Counter[str], site: list["Desk"]) -> Any:
    """One session; each step is a page."""
    from django.test import Client

    from im import database

    regulars = site[: len(site) // 5]
    member = dice.choice(regulars if dice.random() < REGULARS else site)
    me = type(member)(node, member.site, member.sub)
    me.token = member.token  # type: ignore[attr-defined]

    async def ask(what: str, work: Awaitable[Any]) -> Any:
        count.asked = what
        took[f"{what} #"] += 1
        began = time.perf_counter_ns()
        answer = await work
        took["ns"] += time.perf_counter_ns() - began
        return answer

    for page in range(PAGES):
        took["pages"] += 1
        before = getattr(me, "handler", None)
        if page == 0 or dice.random() < LOADER_ANEW:
            address = f"/embed/{me.site.key}.js"
            await ask("loader", database.read(Client().get, address, headers={"accept-encoding": "br"}))
        hello = await ask("hello", me.sit())
        if before is not None:
            node.depart(before)
        if hello["unread"]:
            await ask("conversations of ids", me.ask("conversations", ids=list(hello["unread"])[:100]))
        listed = (await ask("conversations", me.ask("conversations")))["conversations"]
        await ask("members online", me.ask("members", online=True))
        await ask("contacts", me.ask("contacts"))
        room = listed[min(int(dice.expovariate(1.0)), len(listed) - 1)]
        history = await ask("history", me.ask("history", conversation=room["conversation"], limit=30))
        met = sorted({message["from"] for message in history["messages"] if "from" in message})
        await ask("members of ids", me.ask("members", ids=met))
        await ask("watch", me.ask("presence.watch", members=[each["id"] for each in room["members"]]))
        if dice.random() < READS:
            await ask("read", me.ask("message.read", conversation=room["conversation"], seq=room["seq"]))
        if dice.random() < SAYS:
            to, key = {"conversation": room["conversation"]}, str(dice.random())
            await ask("send", me.ask("message.send", to=to, body="one more", key=key))
        yield
    me.stand()


if __name__ == "__main__":
    main()

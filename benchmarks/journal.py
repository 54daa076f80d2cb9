"""Messages that the journal alone stores in a second, with durable commits: `python -m benchmarks.journal`.

In this process, without connections: `--callers` members each send their next message as soon as the last one is
answered, to conversations of two. On SQLite and on a MariaDB of its own, whose processor time is told apart from this
process's. A run is warmed up first, and what was stored is counted.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from avchat.ops.load.machine import usage


def main() -> None:
    """Runs each database in a process of its own, and prints what they measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=2_000, help="members who send at once")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long is measured")
    parser.add_argument("--database", choices=["sqlite", "mariadb"], action="append")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--pid", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.url:
        print(json.dumps(asyncio.run(measure(options))))
        return
    results = {name: start(name, options) for name in options.database or ["sqlite", "mariadb"]}
    print(json.dumps(results, indent=2))


def start(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One database, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="avchat-benchmark-") as folder:
        directory = Path(folder)
        if name == "sqlite":
            return run(f"sqlite:///{directory / 'db.sqlite3'}", None, directory, options)
        from tests.support.mariadb import MariaDB

        server = MariaDB(directory)
        try:
            server.start()
            return run(server.create(), server.pid, directory, options)
        finally:
            server.stop()


def run(url: str, pid: int | None, directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    environment = os.environ | {
        "AVCHAT_VAR": str(directory),
        "AVCHAT_DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "avchat.settings",
    }
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], env=environment, check=True)
    arguments = ["--url", url, "--callers", str(options.callers), "--seconds", str(options.seconds)]
    arguments += ["--pid", str(pid)] if pid else []
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.journal", *arguments], env=environment, check=True, stdout=subprocess.PIPE
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measures the journal on the database of the settings."""
    import django

    django.setup()
    from avchat.tenants import directory
    from avchat.tenants.models import Site
    from im import database, messages, protocol
    from im.caller import Caller
    from im.journal import Journal, Write
    from im.models import Conversation, Member, Message, Participant, SiteVersion

    loop = asyncio.get_running_loop()
    journal = Journal(lambda commit: None, lambda site_id, note: None)
    batches: list[int] = []
    commit = journal._commit

    def counted(batch: list[Write], ask: bool) -> Any:
        batches.append(len(batch))
        return commit(batch, ask)

    journal._commit = counted  # type: ignore[method-assign]

    def people() -> list[tuple[Caller, protocol.Target]]:
        site = Site.objects.create(name="Benchmark")
        SiteVersion.objects.create(site=site)
        info = directory.site(site.key)
        assert info is not None
        found = []
        for n in range(options.callers // 2):
            pair = [Member.objects.create(site=site, sub=f"{n}{s}", name="x", sort="x", created=0) for s in "ab"]
            room = Conversation.objects.create(site=site, pair=f"{pair[0].pk}-{pair[1].pk}", created=0)
            for each in pair:
                Participant.objects.create(site=site, conversation=room, member=each, joined=0)
                found.append((Caller(info, each.pk, each.sub, "member"), protocol.Target(conversation=room.key)))
        return found

    callers = await database.read(people)
    stored, refused, running = 0, 0, True
    numbers = iter(range(10**9))

    def send(caller: Caller, to: protocol.Target) -> None:
        frame = protocol.MessageSend(to=to, body="How is the harbour this morning?", key=str(next(numbers)))
        room, sent = messages.wants(caller, frame)
        write = partial(messages.send, caller=caller, origin=None, frame=frame)
        journal.submit(Write(caller.site_id, write, partial(answered, caller, to), room, sent))

    def answered(caller: Caller, to: protocol.Target, result: Any) -> None:
        nonlocal stored, refused
        if hasattr(result, "seq"):
            stored += 1
        else:
            refused += 1
        if running:
            loop.call_soon(send, caller, to)

    for caller, to in callers:
        send(caller, to)
    while stored < 2 * options.callers:  # noqa: ASYNC110  (a warm-up has no end of its own)
        await asyncio.sleep(0.01)
    pids = [options.pid] if options.pid else []
    begin, stored_before, used, served = time.monotonic(), stored, time.process_time(), usage(pids).cpu_s
    batches.clear()
    await asyncio.sleep(options.seconds)
    elapsed, messages_stored = time.monotonic() - begin, stored - stored_before
    used, served = time.process_time() - used, usage(pids).cpu_s - served
    sizes = list(batches)
    running = False
    await asyncio.to_thread(journal.stop)
    await asyncio.sleep(0)
    assert await database.read(Message.objects.count) == stored
    return {
        "messages_per_second": round(messages_stored / elapsed),
        "commits_per_second": round(len(sizes) / elapsed, 1),
        "messages_per_commit": round(sum(sizes) / len(sizes)),
        "refused": refused,
        "processor": {"journal": round(used / elapsed, 2), "database": round(served / elapsed, 2)},
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()

"""What an idle, authenticated member costs, and how fast members come and are answered.

`python -m benchmarks.connections --members 5000` starts our server and Daphne one after the other, each on a database
and a port of its own, and prints a table; the last line is JSON. With `--trace`, our server alone, and the lines of
code whose allocations members hold, in bytes per member. The server runs on the first core, the members on the last.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from avchat.ops.load.machine import usage
from benchmarks.crowd import Crowd, wait_for
from tests.support.server import BASE, Daphne, Server

PAUSE_S = 2.0
GRACE_S = 13.0
"""For how long a member who left is still held, and a little more, in seconds."""


class Traced(Server):
    """Our server, which writes down what it holds when it gets SIGUSR1."""

    def _serve(self) -> list[str]:
        return ["-X", "tracemalloc=1", "-m", "benchmarks.traced", *super()._serve()[1:]]

    def held(self) -> dict[str, tuple[int, int]]:
        """Bytes and allocations by line of code."""
        report = self.log.with_name("traced.json")
        report.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        wait_for(report.exists)
        found: dict[str, tuple[int, int]] = json.loads(report.read_text())
        return found


def measure(server: Server, members: int, seconds: float) -> dict[str, Any]:
    """One server from its start to its end."""
    site = json.loads(server.command("create_site", "Crowd", "--limits", "none", "--json"))
    server.start()
    os.sched_setaffinity(server.pid, {0})
    try:
        # What the first members bring in (templates, caches, threads) is not the price of the others.
        first = Crowd(server.port, site["key"], site["secret"], 100, prefix="first")
        first.come(20)
        first.echo(100, 1)
        first.leave()
        time.sleep(PAUSE_S)
        base = usage([server.pid]).pss_kb
        crowd = Crowd(server.port, site["key"], site["secret"], members)
        took = crowd.come(50)
        crowd.listen(PAUSE_S)
        idle = usage([server.pid]).pss_kb
        echoes = crowd.echo(min(members, 1000), seconds)
        crowd.listen(PAUSE_S)
        talked = usage([server.pid]).pss_kb
        crowd.leave()
        wait_for(lambda: connections(server.port) == 0)
        time.sleep(GRACE_S)
        again = Crowd(server.port, site["key"], site["secret"], members)
        known = again.come(50)
        again.leave()
    finally:
        server.stop()
    return {
        "base_mb": round(base / 1024, 1),
        "kb_per_member": round((idle - base) / members, 2),
        "kb_per_member_after_talking": round((talked - base) / members, 2),
        "echoes_per_second": round(echoes),
        "new_members_per_second": round(members / took),
        "known_members_per_second": round(members / known),
    }


def connections(port: int) -> int:
    """Connections that a server has."""
    return subprocess.run(
        ["ss", "-Htn", "state", "established", f"sport = :{port}"], capture_output=True, text=True, check=True
    ).stdout.count("\n")


def trace(server: Traced, members: int) -> list[tuple[str, float, float]]:
    """Bytes and allocations per member, by line of code."""
    site = json.loads(server.command("create_site", "Crowd", "--limits", "none", "--json"))
    server.start()
    try:
        first = Crowd(server.port, site["key"], site["secret"], 100, prefix="first")
        first.come(50)
        first.leave()
        time.sleep(GRACE_S)
        before = server.held()
        crowd = Crowd(server.port, site["key"], site["secret"], members)
        crowd.come(50)
        crowd.listen(PAUSE_S)
        after = server.held()
        crowd.leave()
    finally:
        server.stop()
    rows = [
        (line, (size - before.get(line, (0, 0))[0]) / members, (count - before.get(line, (0, 0))[1]) / members)
        for line, (size, count) in after.items()
    ]
    return sorted(rows, key=lambda row: -row[1])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10, help="how long there are echoes")
    parser.add_argument("--trace", action="store_true")
    given = parser.parse_args()
    os.chdir(BASE)
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    with tempfile.TemporaryDirectory() as directory:
        if given.trace:
            rows = trace(Traced(Path(directory) / "traced"), given.members)
            for line, size, count in rows[:25]:
                print(f"{size:8.1f} bytes {count:6.2f} allocations  {line}")
            print(json.dumps({"bytes_per_member": round(sum(size for _, size, _ in rows), 1)}))
            return
        found: dict[str, dict[str, Any]] = {}
        for name, kind in (("serve", Server), ("daphne", Daphne)):
            found[name] = measure(kind(Path(directory) / name), given.members, given.seconds)
            print(name, json.dumps(found[name]), flush=True)
    for key in found["serve"]:
        print(f"{key:32}" + "".join(f"{found[name][key]:>12}" for name in found))
    print(json.dumps({"members": given.members, **found}))


if __name__ == "__main__":
    sys.exit(main())

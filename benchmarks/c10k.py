"""Ten thousand members on a server of its own, who talk: `python -m benchmarks.c10k`, which `make c10k` runs.

Starts `manage.py serve` with its default settings on a free port, its database and all else in a temporary folder below
`var/`, and has `manage.py msggen` connect and talk. Where one process may not open as many files, there are several,
with a Redis and a MariaDB of their own (`make c1m`). The last line is JSON: what it cost and whether everything
arrived, then all that msggen reports. Ends with msggen's status. Ctrl-C ends msggen, and then everything.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from avchat.ops.load.bounds import MAX_MEMBERS, MAX_RATE, MAX_SECONDS, number, whole
from avchat.ops.load.plan import MAX_PROCESSES, capacity
from tests.support.server import BASE, Server

FIRST = ("members", "kb_per_member", "sent", "lost", "doubled", "p99_ms", "cpu_percent")
"""What is asked for first."""
FULL = 18_000
"""Members of one serving process, where it may open 20,000 files."""


class Serving(Server):
    """`manage.py serve` with so many processes."""

    processes = 1

    def _serve(self) -> list[str]:
        return [*super()._serve(), "--processes", str(self.processes)]


def serving(stack: ExitStack, directory: Path, processes: int) -> Serving:
    """The server, and what it stands on; all of it ends with the stack."""
    environment = {}
    if processes > 1:
        from tests.support.mariadb import MariaDB
        from tests.support.redis import Redis

        database, redis = MariaDB(directory / "mariadb"), Redis(directory / "redis")
        stack.callback(database.stop)
        stack.callback(redis.stop)
        environment["AVCHAT_DATABASE_URL"] = database.start().create()
        environment["AVCHAT_REDIS_URL"] = redis.start().url
    else:
        environment["AVCHAT_DATABASE_URL"] = f"sqlite:///{directory / 'db.sqlite3'}"
    server = Serving(directory / "server", **environment)
    server.processes = processes
    stack.callback(server.stop)
    return server


def talk(server: Serving, options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Has members connect and talk; msggen's report and its status."""
    site = json.loads(server.command("create_site", "Crowd", "--json"))
    server.dismiss()
    server.start()
    asked = {name: getattr(options, name) for name in ("members", "rate", "seconds", "come", "transport", "group")}
    asked |= {"to": f"127.0.0.1:{server.port}", "site": site["key"], "pid": server.pid}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "msggen", *(f"--{name}={value}" for name, value in asked.items())],
        cwd=BASE,
        env=server.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate()
    last = output.strip().rpartition("\n")[2]
    if not last.startswith("{"):
        raise SystemExit(output or f"msggen ended with status {process.returncode}")
    found: dict[str, Any] = json.loads(last)
    return found, process.returncode


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=whole(1, MAX_MEMBERS), default=10_000)
    parser.add_argument("--rate", type=number(0, MAX_RATE), default=1000.0, help="messages a second")
    parser.add_argument("--seconds", type=number(0, MAX_SECONDS), default=30.0, help="how long they talk")
    parser.add_argument("--come", type=number(0, MAX_RATE), default=0.0, help="members who come in a second; 0: all")
    parser.add_argument("--transport", default="ws", choices=["ws", "sse", "ndjson", "poll"])
    parser.add_argument("--group", type=whole(2, 250), default=2, help="members of a conversation")
    parser.add_argument("--processes", type=whole(1, MAX_PROCESSES), help="of the server (default: as needed)")
    options = parser.parse_args()
    processes = options.processes or -(-options.members // FULL)
    os.chdir(BASE)
    # The server inherits the limit of files.
    capacity()
    # Ctrl-C is for msggen, which ends in good order; then so does this.
    signal.signal(signal.SIGINT, lambda *_: None)
    var = BASE / "var"
    var.mkdir(exist_ok=True)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="c10k-", dir=var)))
        found, status = talk(serving(stack, directory, processes), options)
    report = {name: found.pop(name) for name in FIRST if name in found} | found
    for name, value in report.items():
        print(f"{name:24}{json.dumps(value)}")
    print(json.dumps(report))
    return status


if __name__ == "__main__":
    sys.exit(main())

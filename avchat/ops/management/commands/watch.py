"""`manage.py watch`: what processes of this machine use over time, as lines of JSON and as a graph."""

import contextlib
import json
import signal
import time
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from avchat.ops.load.bounds import MAX_SECONDS, number, whole
from avchat.ops.load.graphs import Missing, draw
from avchat.ops.load.machine import tree
from avchat.ops.load.watch import samples

MAX_SAMPLES = 1_000_000


def named(text: str) -> tuple[str, int]:
    """Takes PID or NAME=PID."""
    name, equals, pid = text.rpartition("=")
    if equals and not name.isidentifier():
        raise ArgumentTypeError(f"PID or NAME=PID is needed, not {text!r}")
    return name or "server", whole(1, 2**22)(pid)


class Ended(Exception):
    """SIGINT or SIGTERM has come."""


class Command(BaseCommand):
    """Writes a line at a time until the processes have ended, the time is over, or Ctrl-C."""

    help = "Logs memory, processor time and connections of processes, and draws them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What is watched, how often and how long; or which log is drawn."""
        parser.add_argument(
            "--pid", type=named, action="append", default=[], metavar="[NAME=]PID",
            help="a process, with all that descend from it; repeatable",
        )  # fmt: skip
        parser.add_argument("--every", type=number(0.1, 3600), default=1.0, metavar="SECONDS")
        parser.add_argument("--seconds", type=number(0, MAX_SECONDS), help="for how long (default: until it has ended)")
        parser.add_argument("--png", type=Path, metavar="FILE", help="draws a graph in the end")
        parser.add_argument("--log", type=Path, metavar="FILE", help="draws what was logged, and watches nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Watches, or reads; then draws."""
        if bool(options["pid"]) == bool(options["log"]) or (options["log"] and not options["png"]):
            raise CommandError("Name processes to watch (--pid), or a log to draw (--log and --png).")
        found = self._read(options["log"]) if options["log"] else self._watch(options)
        if options["png"] and found:
            try:
                draw(found, options["png"])
            except Missing as missing:
                raise CommandError(str(missing)) from None
            except OSError as error:
                raise CommandError(f"{options['png']} cannot be written: {error.strerror}.") from None

    def _watch(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        pids = dict(options["pid"])
        if len(pids) < len(options["pid"]):
            raise CommandError("Give each process a name of its own: NAME=PID.")
        for pid in pids.values():
            if not tree(pid):
                raise CommandError(f"There is no process {pid}.")
        found: list[dict[str, Any]] = []
        until = time.monotonic() + (MAX_SECONDS if options["seconds"] is None else options["seconds"])
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._end)
        with contextlib.suppress(Ended):
            for sample in samples(pids, options["every"]):
                self.stdout.write(json.dumps(sample))
                self.stdout.flush()
                if options["png"] and len(found) < MAX_SAMPLES:
                    found.append(sample)
                if time.monotonic() + options["every"] > until:
                    break
        return found

    def _read(self, log: Path) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in log.read_text().splitlines()[:MAX_SAMPLES]]
        except (OSError, ValueError) as error:
            raise CommandError(f"{log} is not what watch has logged: {error}.") from None

    def _end(self, number: int, frame: FrameType | None) -> None:
        raise Ended

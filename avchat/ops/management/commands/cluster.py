"""`manage.py cluster`: a whole installation on this machine, with every service and several nodes behind nginx."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from avchat.env import VAR
from avchat.ops.cluster import parts
from avchat.ops.cluster.supervisor import Failed, Supervisor, restart

MAX_NODES = 64


class Command(BaseCommand):
    """Serves until it is told to end (SIGINT, SIGTERM); nothing is left running then."""

    help = "Serves the product from several nodes, with all services that it stands on, on this machine."
    # The database comes with the cluster.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many nodes, and where to listen."""
        parser.add_argument("--nodes", type=int, default=2)
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--missing", action="store_true", help="name the Debian packages that are missing, and end")
        parser.add_argument("--restart", action="store_true", help="restart the nodes of the running cluster in turn")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serves; ends with a plain line where it cannot."""
        if not 1 <= options["nodes"] <= MAX_NODES or not 1 <= options["port"] < 65_536:
            raise CommandError(f"--nodes is 1 to {MAX_NODES}, --port 1 to 65535.")
        missing = " ".join(parts.missing())
        if options["missing"]:
            self.stdout.write(missing)
            return
        try:
            if options["restart"]:
                self.stdout.write(f"The cluster of process {restart(VAR)} restarts its nodes, one after the other.")
                return
            if missing:
                raise Failed(f"A cluster needs packages that are missing: apt install {missing}")
            asyncio.run(
                Supervisor(VAR, nodes=options["nodes"], port=options["port"], say=self._say).run(),
            )
        except Failed as failure:
            raise CommandError(str(failure)) from None

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

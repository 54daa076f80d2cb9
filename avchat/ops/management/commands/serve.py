"""`manage.py serve`: the whole service on one address."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from avchat.env import env
from avchat.ops.server import serve


class Command(BaseCommand):
    """Serves until it is told to end (SIGTERM, SIGINT); clients are then told to come back, and it ends."""

    help = "Serves the product on one address."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--bind`: where to listen. `--processes`: how many share the work."""
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
        parser.add_argument("--processes", type=int, default=1, metavar="N")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serves; ends with a plain line where the address cannot be had."""
        host, _, port = options["bind"].rpartition(":")
        if not host or not port.isdigit():
            raise CommandError("--bind is HOST:PORT, for example 127.0.0.1:8000.")
        processes = options["processes"]
        if processes < 1:
            raise CommandError("--processes is 1 or more.")
        if processes > 1 and not env.str("AVCHAT_REDIS_URL", default=""):
            raise CommandError("Several processes find each other through Redis: set AVCHAT_REDIS_URL.")
        self.check(databases=["default"])
        # The server's threads have connections of their own.
        connections.close_all()
        address = f"http://{options['bind']}/"
        serve(
            host.strip("[]"), int(port), processes=processes, ready=lambda: self.stdout.write(f"Serving on {address}")
        )

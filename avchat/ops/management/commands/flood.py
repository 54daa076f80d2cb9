"""`manage.py flood`: many members come, and stay."""

from argparse import ArgumentParser
from typing import Any

from avchat.ops.load import options as shared
from avchat.ops.load.bounds import MAX_SECONDS, number
from avchat.ops.load.command import LoadCommand


class Command(LoadCommand):
    """Connects and holds. Ctrl-C ends it at any time and tells the figures so far."""

    help = "Connects many members of a site, each with a token of its own, and holds the connections."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who comes, where to and how; and for how long."""
        shared.add(parser)
        parser.add_argument("--seconds", type=number(0, MAX_SECONDS), help="how long they stay (default: until Ctrl-C)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs it."""
        self.load(options)

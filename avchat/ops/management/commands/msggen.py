"""`manage.py msggen`: many members come, and talk; what each of them is told is checked."""

from argparse import ArgumentParser
from typing import Any

from avchat.ops.load import options as shared
from avchat.ops.load.bounds import MAX_BODY, MAX_GROUP, MAX_RATE, MAX_SECONDS, MIN_BODY, number, whole
from avchat.ops.load.command import LoadCommand


class Command(LoadCommand):
    """Connects, has them talk, and ends with a report. Ctrl-C ends it at any time and tells the figures so far."""

    help = "Has many members of a site talk, checks that everything arrives once and in order, and times it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who comes, where to and how; what they say; and for how long."""
        shared.add(parser)
        parser.add_argument(
            "--rate", type=number(0, MAX_RATE), default=100.0, help="messages a second, of all together"
        )
        parser.add_argument(
            "--group", type=whole(2, MAX_GROUP), default=2, metavar="N", help="members of a conversation"
        )
        parser.add_argument("--size", type=whole(MIN_BODY, MAX_BODY), default=100, help="characters of a message")
        parser.add_argument(
            "--presence", type=number(0, MAX_RATE), default=0.0, metavar="RATE",
            help="changes of presence a second, of all together; the others of a conversation watch",
        )  # fmt: skip
        parser.add_argument("--seconds", type=number(0, MAX_SECONDS), default=30.0, help="for how long")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs it."""
        self.load(
            options,
            rate=options["rate"],
            presence_rate=options["presence"],
            group=options["group"],
            size=options["size"],
        )

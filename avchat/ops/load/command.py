"""What the commands `flood` and `msggen` have in common: progress, the report for people, and the line of JSON.

Progress goes to stderr and the report to stdout, whose last line is the whole report as one JSON object.
"""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from avchat.ops.load import options as shared
from avchat.ops.load.fleet import Broken
from avchat.ops.load.plan import Impossible
from avchat.ops.load.run import faultless, run

INTERRUPTED = 130


class LoadCommand(BaseCommand):
    """A run, and how it ends: with status 0 where nothing was amiss, 1 where something was, 130 after Ctrl-C."""

    # The database may be another machine's; where the site's secret is looked up, that says what is wrong.
    requires_system_checks: list[str] = []

    def load(self, options: dict[str, Any], **more: Any) -> None:
        """Makes the plan, runs it and reports."""
        try:
            plan = shared.plan(options, **more)
            connections.close_all()
            report = run(plan, seconds=options["seconds"], pids=options["pid"], say=self._say)
        except (Impossible, Broken) as error:
            raise CommandError(str(error)) from None
        finally:
            self._end_progress()
        width = max(map(len, report))
        for name, value in report.items():
            self.stdout.write(f"{name:{width}}  {json.dumps(value)}")
        self.stdout.write(json.dumps(report))
        self.stdout.flush()
        if report["interrupted"]:
            sys.exit(INTERRUPTED)
        if not faultless(report):
            sys.exit(1)

    def _say(self, line: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{line}", ending="")
        else:
            self.stderr.write(line)
        self.stderr.flush()

    def _end_progress(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[K", ending="")

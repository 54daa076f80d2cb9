"""Runs management commands for the tests, one JSON array of arguments a line, without starting Python for each."""

import contextlib
import io
import json
import os
import sys

import django
from django.core.management import CommandError, call_command
from django.db import connections


def main() -> None:
    """Reads commands until the input ends; answers each with one line, `{"output": …}` or `{"error": …}`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avchat.settings")
    django.setup()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output):
                call_command(name, *arguments, stdout=output, stderr=output)
            answer = {"output": output.getvalue()}
        except (CommandError, SystemExit) as error:
            answer = {"error": str(error)}
        # The database may be another process by the next command.
        connections.close_all()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

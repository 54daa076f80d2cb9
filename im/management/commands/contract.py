"""`manage.py contract`: writes the documents that are made from the frames, or checks that they are fresh."""

import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from im import contract

BEGIN, END = "<!-- frames: begin -->", "<!-- frames: end -->"


class Command(BaseCommand):
    """Writes docs/protocol.md's tables, docs/asyncapi.json and the widget's types."""

    help = "Writes what is generated from the protocol's frames."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`--check`: change nothing, and fail where something is stale."""
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes or checks."""
        for path, text in documents().items():
            if path.exists() and path.read_text() == text:
                continue
            if options["check"]:
                raise CommandError(f"{path.relative_to(settings.BASE)} is stale: run manage.py contract.")
            path.write_text(text)
            self.stdout.write(f"Wrote {path.relative_to(settings.BASE)}")


def documents() -> dict[Path, str]:
    """Each generated file and what it should hold."""
    base: Path = settings.BASE
    page = base / "docs" / "protocol.md"
    tables = re.sub(
        f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{contract.tables()}{END}", page.read_text(), flags=re.DOTALL
    )
    return {
        page: tables,
        base / "docs" / "asyncapi.json": contract.asyncapi(),
        base / "static" / "src" / "protocol.ts": contract.typescript(),
    }

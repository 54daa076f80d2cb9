"""The built widget: its manifest, and files by the names that the manifest gives them.

Promises that nothing is read but what the manifest lists, and that a build that replaced the files is seen
without a restart.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

HASHED_NAME = re.compile(r"([a-z0-9-]+)\.[A-Za-z0-9_-]+\.(js|css|json|svg)")


class NotBuilt(Exception):
    """The built widget is missing or unreadable; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Build:
    """One build of the widget."""

    folder: Path
    # What a file is, to its name: {"chat": "chat.3f2a.js"}.
    files: dict[str, str]

    def address(self, what: str) -> str:
        """The path of a file under the service's origin."""
        return f"/assets/{self.files[what]}"

    @property
    def locales(self) -> dict[str, str]:
        """Languages, each with the path of its texts."""
        return {what.removeprefix("locale-"): self.address(what) for what in self.files if what.startswith("locale-")}

    def read(self, name: str) -> bytes | None:
        """The contents of the file that the manifest calls by this name."""
        if name not in self.files.values():
            return None
        path = self.folder / name
        return _read(path, path.stat().st_mtime_ns)

    def successor(self, name: str) -> str | None:
        """The name, in this build, of the file that an earlier build called by this name."""
        match = HASHED_NAME.fullmatch(name)
        found = self.files.get(match[1]) if match else None
        return found if match and found and found.endswith("." + match[2]) else None


def current() -> Build:
    """The build that is in place now. `NotBuilt` where there is none."""
    manifest = settings.STATIC_DIST / "manifest.json"
    try:
        return _build(manifest, manifest.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError) as error:
        raise NotBuilt(f"The widget is not built: there is no good {manifest}. Build it as the README says.") from error


@lru_cache(maxsize=2)
def _build(manifest: Path, changed: int) -> Build:
    return Build(manifest.parent, dict(json.loads(manifest.read_bytes())["files"]))


@lru_cache(maxsize=64)
def _read(path: Path, changed: int) -> bytes:
    return path.read_bytes()

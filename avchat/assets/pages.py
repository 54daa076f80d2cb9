"""Stylesheets, scripts and pictures of the service's own pages: named by their contents, cached for good."""

import hashlib
from functools import lru_cache
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse

from avchat.assets.delivery import IMMUTABLE, deliver


class PageFiles:
    """The files of one folder, served below one path."""

    def __init__(self, folder: Path, path: str) -> None:
        self.folder = folder
        self.path = path

    def address(self, name: str) -> str:
        """The address of a file; another one whenever its contents change."""
        return f"{self.path}{self._digest(name)}/{name}"

    def serve(self, request: HttpRequest, digest: str, name: str) -> HttpResponse:
        """The file, for its address; 404 for any other."""
        if name not in {each.name for each in self.folder.iterdir() if each.is_file()}:
            raise Http404
        cache = IMMUTABLE if digest == self._digest(name) else "no-store"
        return deliver(request, (self.folder / name).read_bytes(), name.rsplit(".", 1)[-1], cache)

    def _digest(self, name: str) -> str:
        # Templates hand over strings of a class of their own, which paths do not take.
        path = Path(f"{self.folder}/{name}")
        return _digest(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]

"""A community site's own web server, with pages that carry the embed snippet."""

import asyncio
import html
from http import HTTPStatus
from typing import Self


class Pages:
    """Serves what was put at a path, on an origin of its own; anything else is not found."""

    def __init__(self) -> None:
        self.port = 0
        self._answers: dict[str, bytes] = {}
        self._listener: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def origin(self) -> str:
        """The origin of the pages."""
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> Self:
        """Listens on a free port."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        # No page has an icon, and browsers ask for it.
        self.put("/favicon.ico", "", type="image/x-icon")
        return self

    async def close(self) -> None:
        """Ends all of it."""
        if self._listener is not None:
            self._listener.close()
        for writer in [*self._open]:
            writer.transport.abort()

    def put(self, path: str, text: str, *, type: str = "text/html; charset=utf-8", **headers: str) -> str:
        """Puts an answer at `path`; its address. Underscores in headers' names stand for hyphens."""
        body = text.encode()
        fields = {"Content-Type": type, "Content-Length": str(len(body)), "Cache-Control": "no-store", **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        self._answers[path] = f"HTTP/1.1 200 OK\r\n{head}Connection: close\r\n\r\n".encode() + body
        return self.origin + path

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode().partition("?")[0]
            missing = f"HTTP/1.1 404 {HTTPStatus.NOT_FOUND.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(self._answers.get(path, missing.encode()))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


def page(
    service: str,
    key: str,
    *,
    token: str = "",
    lang: str = "en",
    dir: str = "ltr",
    title: str = "Harbour",
    body: str = "",
) -> str:
    """A page with the snippet as the dashboard gives it; without a token the page is a visitor's."""
    attribute = f' data-token="{token}"' if token else ""
    return f"""<!doctype html>
<html lang="{lang}" dir="{dir}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title></head>
<body><main><h1>{html.escape(title)}</h1><p>Boats, tides and who is in tonight.</p>{body}</main>
<script async src="{service}/embed/{key}.js"{attribute}></script></body></html>"""

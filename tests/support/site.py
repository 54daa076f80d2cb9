"""A community site of its own for each test, on a running server: its key, its secret, its members."""

import contextlib
import copy
import itertools
import json
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt

from tests.support.client import Connection, Frame
from tests.support.http import HttpConnection
from tests.support.server import Installation
from tests.support.websocket import WebSocketConnection

TRANSPORTS = tuple(os.environ.get("AVCHAT_TEST_TRANSPORTS", "ws sse ndjson poll").split())
_numbers = itertools.count(1)


class Site:
    """A site, and an address of its own that its members come from, so that no test uses up another's limits."""

    def __init__(self, server: Installation, *options: str, transport: str = "ws") -> None:
        number = next(_numbers)
        self.server = server
        self.transport = transport
        self.address = f"127.1.{number // 250}.{number % 250 + 1}"
        made = json.loads(server.command("create_site", f"Site {number}", *options, "--json"))
        self.key: str = made["key"]
        self.secret: str = made["secret"]
        self._open: list[Connection] = []
        # What else is to be done when everybody leaves.
        self.leaving: list[Callable[[], Awaitable[None]]] = []
        self._fences = itertools.count(1)
        self._watchman: Connection | None = None

    def at(self, base: str) -> "Site":
        """The same site, whose members come to another address of the installation, such as one of its nodes."""
        here = copy.copy(self)
        here.server = copy.copy(self.server)
        here.server.base = base
        here._open, here.leaving, here._watchman = [], [], None
        return here

    def claims(self, sub: str, /, **claims: Any) -> dict[str, Any]:
        """What a site's server signs for a member; `claims` adds or replaces, None leaves out."""
        whole = {"aud": self.key, "sub": sub, "name": sub.title(), "exp": int(time.time()) + 3600, **claims}
        return {name: value for name, value in whole.items() if value is not None}

    def token(self, sub: str, /, **claims: Any) -> str:
        """A member token, signed as the site's own server would."""
        return jwt.encode(self.claims(sub, **claims), self.secret, algorithm="HS256")

    async def join(
        self, sub: str, *, resume: str | None = None, transport: str | None = None, **claims: Any
    ) -> Connection:
        """A member's connection."""
        hello: Frame = {"token": self.token(sub, **claims)}
        if resume is not None:
            hello["resume"] = resume
        return await self.hello(hello, transport=transport)

    async def hello(self, fields: Frame, *, transport: str | None = None, origin: str | None = None) -> Connection:
        """A connection whose hello has these fields.

        Raises:
            HelloRefused: it was answered with an error.
        """
        frame = {"type": "hello", "id": "1", "site": self.key, **fields}
        kind = transport or self.transport
        connection: Connection
        if kind == "ws":
            connection = await WebSocketConnection.open(self.server.base, frame, self.address, origin)
        else:
            connection = await HttpConnection.open(self.server.base, frame, kind, self.address, origin)
        assert connection.hello["id"] == "1"
        self._open.append(connection)
        return connection

    async def fence(self, *connections: Connection) -> None:
        """Waits until everything that was on its way to these connections has come.

        Events that must not be lost come in order, so that a message sent now comes after all of them.
        """
        if self._watchman is None:
            self._watchman = await self.join("watchman", transport="ws")
        for connection in connections:
            body = f"fence {next(self._fences)}"
            await self._watchman.send(connection.hello["member"]["id"], body)
            await connection.event("message", body=body)

    def forget(self, connection: Connection) -> None:
        """A connection that was dropped need not be closed."""
        self._open.remove(connection)

    async def leave(self) -> None:
        """Closes every connection that is still open."""
        async with contextlib.AsyncExitStack() as stack:
            # One that fails must not leave the others open.
            for leave in [*self.leaving, *(connection.drop for connection in self._open)]:
                stack.push_async_callback(leave)
            self.leaving.clear()
            self._open.clear()

"""A member at a desk: a connection to a node in this process, without a transport."""

import asyncio
import json
from typing import Any

from avchat.tenants import directory, tokens
from avchat.tenants.models import Site
from im import database
from im.errors import encode
from im.hello import welcome
from im.node import Node

Frame = dict[str, Any]


class Desk:
    """A member's connection, and all that was written to it."""

    def __init__(self, node: Node, site: Site, sub: str, email: str | None = None) -> None:
        self.node = node
        self.site = site
        self.sub = sub
        self.email = email
        self.frames: list[Frame] = []
        self.closed: int | None = None
        self._ids = 0

    async def sit(self, resume: str | None = None) -> Frame:
        """Says hello; answers its reply."""
        hello = {"type": "hello", "site": self.site.key, "token": await database.read(self._token)}
        data = json.dumps(hello | ({"resume": resume} if resume is not None else {}))
        welcomed = await welcome(self.node, data, origin=None, address="127.0.0.1", port=self)
        self.handler = welcomed.handler
        self.handler.release(welcomed.changes, welcomed.up_to)
        reply: Frame = json.loads(encode(welcomed.reply))
        self.cursor = reply["cursor"]
        return reply

    def _token(self) -> str:
        info = directory.site(self.site.key)
        assert info is not None
        return tokens.mint(info, self.sub, self.sub.title(), email=self.email)

    def stand(self) -> None:
        """The connection is gone."""
        self.node.depart(self.handler)

    def ask(self, type: str, **fields: Any) -> "asyncio.Future[Frame]":
        """Sends a frame at once; its answer comes later."""
        self._ids += 1
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        frame = {"type": type, "id": str(self._ids), **fields}
        self.handler.on_frame(json.dumps(frame), lambda data: answer.set_result(json.loads(data or b"{}")))
        return answer

    def of(self, *types: str) -> list[Frame]:
        """The frames of these types that were written so far."""
        return [frame for frame in self.frames if frame["type"] in types]

    def write(self, data: bytes, version: int | None) -> None:
        """The handler's port: keeps what is written, and the last cursor."""
        frame = json.loads(data)
        self.frames.append(frame)
        self.cursor = frame.get("cursor", getattr(self, "cursor", ""))

    def close(self, code: int, reason: str) -> None:
        """The handler's port: notes with which code it was closed."""
        self.closed = code

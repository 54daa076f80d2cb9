"""Handovers: how the events of an HTTP session that are being read at one node come to another.

The node at which they are asked for has the old home let go, and waits until that has ended its read and written down
how far it got: `HANDOVER_S` at the most, because the home may be frozen or cut off. Then it takes the session as its
record is; from the old home nothing is taken any more (`Directory.put_session`), whenever it hears of all this.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from im import notes
from im.records import HANDOVER_S, Record

if TYPE_CHECKING:
    from im.node import Node


class Handovers:
    """Those of a node. `let_go`: ends what is read here of a session that moves for the given time."""

    def __init__(self, node: "Node", let_go: Callable[[str, int], Awaitable[None]]) -> None:
        self._node = node
        self._let_go = let_go
        self._asked: dict[str, asyncio.Future[None]] = {}

    async def ask(self, id: str, record: Record) -> bool:
        """Has a session's home let go; whether that was worth waiting for, and the record is to be read again."""
        link = self._node.link_of(id)
        if not record.reading or record.home not in link.others:
            link.note_to(record.home, "session.moved", id, record.moves + 1)
            return False
        let_go = self._asked.setdefault(id, self._node.loop.create_future())
        link.note_to(record.home, "session.release", id, record.moves + 1, self._node.id)
        await asyncio.wait({let_go}, timeout=HANDOVER_S)
        if self._asked.get(id) is let_go:
            del self._asked[id]
        return True

    async def release(self, id: str, moves: int, to: str) -> None:
        """Another node has been asked for the session's events: what is read here ends."""
        await self._let_go(id, moves)
        self._node.link_of(id).note_to(to, "session.released", id)

    def released(self, id: str) -> None:
        """The old home has let go."""
        let_go = self._asked.get(id)
        if let_go is not None and not let_go.done():
            let_go.set_result(None)


@notes.on("session.release")
def _release(node: "Node", id: str, moves: int, to: str) -> None:
    node.spawn(node.sessions.handovers.release(id, moves, to))


@notes.on("session.released")
def _released(node: "Node", id: str) -> None:
    node.sessions.handovers.released(id)

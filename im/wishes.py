"""Wishes: what the frames of HTTP sessions ask of their events: whom to watch, and whether a page idles.

A frame may be answered at any node, and the events are told by the session's home, wherever that is just then. So
what is wished stands in the record, and is no node's own: each frame changes there what it is about and nothing
else, and the home goes by what stands there. It is told to look; where that is lost, it looks when the session is
renewed, and when it is read. Whoever takes a session over writes itself down first and looks after, and whoever
writes a wish down asks for the home after: one of both sees what the other has done.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from im import hooks
from im.errors import Refusal
from im.nodes.directory import Unreachable

if TYPE_CHECKING:
    from im.handler import Handler
    from im.node import Node
    from im.records import Record, Records


class Wishes:
    """A node's part in them."""

    def __init__(self, node: "Node", records: "Records") -> None:
        self._node = node
        self._records = records
        # Sessions at home here with wishes that their records lack because the directory did not answer.
        self.unsaid: set[str] = set()

    def keep(
        self, handler: "Handler", *, idle: bool | None = None, watching: Mapping[str, str | None] | None = None
    ) -> None:
        """Writes down what a session's frame wishes, and has its home do it, if that is not this handler.

        Args:
            watching: members, each with how it was told to be; with None, those that are not to be watched any more.
        """
        if handler.session is not None:
            self._records.later(handler.session, self._keep(handler, idle, watching or {}))

    async def _keep(self, handler: "Handler", idle: bool | None, watching: Mapping[str, str | None]) -> None:
        id = handler.session or ""
        try:
            home = await self._records.wish(id, idle, watching)
        except Refusal:
            return
        except Unreachable:
            if self._node.sessions.here(id) is handler:
                self.unsaid.add(id)
            raise
        if home != self._node.id:
            self._node.link_of(id).note_to(home, "session.wished", id)
        elif self._node.sessions.here(id) is not handler:
            self.look(id)

    def look(self, id: str) -> None:
        """A frame was answered elsewhere that wishes something of the events."""
        if handler := self._node.sessions.here(id):
            self._node.spawn(self.hear(handler))

    def heard(self, handler: "Handler", record: "Record") -> bool:
        """Whether a handler does all that its record wishes."""
        return record.idle == handler.idle and record.watching.keys() == (handler.watching or set())

    async def hear(self, handler: "Handler") -> None:
        """Has a handler at home here do what its record wishes."""
        id = handler.session or ""
        record = None
        # What is wished here holds at once, so that a record without it is none to go by.
        while record is None or self._records.writing(id):
            if writing := self._records.writing(id):
                await asyncio.wait({writing})
            try:
                record = await self._records.read(id)
            except Refusal:
                return
        if self._node.sessions.here(id) is handler and id not in self.unsaid:
            for hook in hooks.wished:
                await hook(handler, record.idle, record.watching)

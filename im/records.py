"""Records: HTTP sessions as the directory has them.

Promises that what is written of one session from this node comes there in the order in which it was written, and
that whoever waits until all is `settled` has it there, as far as the directory answers. A session that has ended
stays so: whatever a node still writes of it is refused, and so is what is written by one from which it has moved.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from django.conf import settings

from avchat.tenants import directory as sites
from im import database
from im.caller import Caller
from im.errors import Refusal
from im.nodes.directory import Kept, Unreachable

if TYPE_CHECKING:
    from im.handler import Handler
    from im.node import Node

READ_S = 90.0
"""How long a session lives whose events are being read, and how long it is known that one has ended, in seconds."""
HANDOVER_S = 1.0
"""How long a read waits for the session's old home to let go, in seconds."""

T = TypeVar("T")

NO_SESSION = Refusal("not-found", "There is no such session.")
UNAVAILABLE = Refusal("unavailable", "The service does not answer; try again.", retry_ms=1000)


class Who(msgspec.Struct, array_like=True):
    """Whose session it is."""

    site: str
    member: int
    sub: str
    role: str
    epoch: str

    async def caller(self) -> Caller:
        """The member, as its site is now.

        Raises:
            Refusal: `not-found` where that has no sessions any more.
        """
        site = await database.read(sites.site, self.site)
        if site is None or site.suspended:
            raise NO_SESSION
        return Caller(site, self.member, self.sub, self.role)


class Record(msgspec.Struct):
    """A session as the directory has it.

    `told`: how those that it watches were when its last read ended; `watching`: how each was when it was asked for;
    `own`: versions that it made itself; `moves`: how often it was taken over.
    """

    who: Who
    version: int = 0
    home: str = ""
    moves: int = 0
    reading: bool = False
    idle: bool = False
    told: dict[str, str] = {}
    own: set[int] = set()
    watching: dict[str, str] = {}


class Records:
    """A node's way to them."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._writes: set[asyncio.Task[Any]] = set()
        # The last write of each session that is on its way.
        self._last: dict[str, asyncio.Task[Any]] = {}

    async def read(self, id: str) -> Record:
        """A session's record.

        Raises:
            Refusal: `not-found` for an unknown or ended one, `unavailable` where nobody can say.
        """
        link = self._node.link_of(id)
        try:
            found = await link.directory.session(id)
        except Unreachable as error:
            link.lost(error)
            raise UNAVAILABLE from None
        if found is None or "who" not in found.fields:
            raise NO_SESSION
        fields = {name: msgspec.msgpack.decode(value) for name, value in found.fields.items()}
        watching = {sub: how.decode() for sub, how in found.watching.items()}
        return msgspec.convert({**fields, "own": found.own, "watching": watching}, Record)

    async def put(self, handler: "Handler", moves: int, *, reading: bool, anew: bool = False) -> Kept:
        """Writes down a session that is at home here, since its move of this number.

        Args:
            reading: whether its events are being read.
            anew: with what it wishes of them, instead of what is known there of that.

        Raises:
            Unreachable: nobody knows whether it is written down.
        """
        id = handler.session or ""
        caller = handler.caller
        directory = self._node.link_of(id).directory
        fields = {
            "who": Who(caller.site.key, caller.id, caller.sub, caller.role, handler.epoch),
            "version": handler.version,
            "home": self._node.id,
            "moves": moves,
            "told": handler.told or {},
            "reading": reading,
        }
        if anew:
            fields["idle"] = handler.idle
        seconds = READ_S if reading else settings.SESSION_SECONDS + HANDOVER_S
        kept = await directory.put_session(id, _encoded(fields), seconds)
        if anew and kept is Kept.YES:
            watching = {sub: (handler.told or {}).get(sub, "").encode() for sub in handler.watching or ()}
            await directory.watch(id, watching, seconds, afresh=True)
        return kept

    async def wish(self, id: str, idle: bool | None, watching: Mapping[str, str | None]) -> str:
        """Writes down what a session's frame wishes of its events: `None` is no more to be watched.

        Answers the session's home, as it is after that: whoever takes it over writes itself down first and reads the
        wishes after, so that one of both sees what the other has done.

        Raises:
            Refusal: as `read`.
            Unreachable: it may or may not be written down.
        """
        directory = self._node.link_of(id).directory
        # Its home, which may be reading just now, ends it in time.
        if idle is not None:
            await directory.put_session(id, _encoded({"idle": idle}), READ_S)
        if watching:
            told = {sub: None if how is None else how.encode() for sub, how in watching.items()}
            await directory.watch(id, told, READ_S)
        return (await self.read(id)).home

    async def end(self, id: str, *, moves: int | None = None) -> bool:
        """Ends a session; with `moves`, only if it is at home here, and has not moved since.

        Raises:
            Unreachable: it may or may not have ended.
        """
        fields = {} if moves is None else _encoded({"home": self._node.id, "moves": moves})
        return await self._node.link_of(id).directory.end_session(id, fields, READ_S)

    def made(self, id: str, version: int) -> None:
        """A change came from a session's frame: its next read must not bring it back, wherever it comes."""
        self._begin(id, self._node.link_of(id).directory.add_own(id, version))

    def later(self, id: str, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T | None]":
        """Has something done with a session's record, after what was to be done with it before."""
        task = self._last[id] = self._begin(id, work, self._last.get(id))
        task.add_done_callback(lambda task: self._last.pop(id) if self._last.get(id) is task else None)
        return task

    def writing(self, id: str) -> "asyncio.Task[Any] | None":
        """What is on its way of a session: done when all of it is there."""
        return self._last.get(id)

    def _begin(
        self, id: str, work: Coroutine[Any, Any, T], before: "asyncio.Task[Any] | None" = None
    ) -> "asyncio.Task[T | None]":
        task = self._node.loop.create_task(self._write(id, work, before))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return task

    async def _write(self, id: str, work: Coroutine[Any, Any, T], before: "asyncio.Task[Any] | None") -> T | None:
        try:
            if before is not None:
                await asyncio.wait({before})
            return await work
        except Unreachable as error:
            # What the directory does not take now, it is told when it is there again.
            self._node.link_of(id).lost(error)
            return None
        finally:
            work.close()

    async def settled(self) -> None:
        """Waits until the directory knows what was to be written before."""
        if self._writes:
            await asyncio.wait(set(self._writes))


def _encoded(fields: dict[str, Any]) -> dict[str, bytes]:
    return {name: msgspec.msgpack.encode(value) for name, value in fields.items()}

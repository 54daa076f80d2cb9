"""HTTP sessions: a credential and a position, tied to no node.

What a session is stands in the directory: who it is, up to where it was told, what it watches. Its events are read
at one node at a time, where it has a handler (its home); between two reads the handler waits there, so that the
member stays here for others. A read that comes to another node takes the session over: where the old home is still
reading for it, that ends first and says how far it got. Frames may be posted to any node: away from home a `Visitor`
answers them.
"""

import asyncio
import logging
import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from django.conf import settings

from avchat.tenants import directory as sites
from im import blocks, database, events, hooks, notes, replay
from im.caller import Caller
from im.errors import CLOSE_REPLACED, CLOSE_RESTART, Refusal
from im.events import Choice
from im.handler import Handler, Port
from im.models import Member
from im.nodes.directory import Unreachable
from im.transaction import Blocks, read_blocks
from im.visitor import Record, Visitor, Who

if TYPE_CHECKING:
    from im.node import Node
    from im.nodes.link import Link

logger = logging.getLogger(__name__)

READ_S = 90.0
"""How long a session lives whose events are being read, in seconds."""
RENEW_S = 30.0
"""How often it is renewed, in seconds."""
HANDOVER_S = 1.0
"""How long a read waits for the session's old home to let go, in seconds."""

NO_SESSION = Refusal("not-found", "There is no such session.")
UNAVAILABLE = Refusal("unavailable", "The service does not answer; try again.", retry_ms=1000)


class _Look(NamedTuple):
    caller: Caller
    choice: Choice
    blocks: Blocks
    version: int


class Sessions:
    """The sessions of a node: those that are at home here, and the way to all others."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._here: dict[str, Handler] = {}
        # How often those had been taken over when they came here: what is said of an earlier time is out of date.
        self._moves: dict[str, int] = {}
        self._renewing = False
        # Ended here a while ago.
        self._over: set[str] = set()
        self._handovers: dict[str, asyncio.Future[None]] = {}
        self._writes: set[asyncio.Task[None]] = set()

    def here(self, id: str) -> Handler | None:
        """The session's handler, if it is at home here."""
        return self._here.get(id)

    async def begin(self, handler: Handler, version: int) -> str:
        """Makes a connection a session that has been told all up to `version`; answers its secret id."""
        id = secrets.token_urlsafe(24)
        handler.become_session(id, version)
        self._here[id] = handler
        for hook in hooks.detached:
            hook(handler)
        # Before anything that may be cut off: a session that nobody knows has to end, too.
        self._pause(handler)
        self._renew_later()
        await self._put(handler)
        return id

    async def find(self, id: str) -> Handler:
        """The handler that answers a session's frames here.

        Raises:
            Refusal: `not-found` for an unknown or ended one, `unavailable` where nobody can say.
        """
        handler = self._here.get(id)
        if handler is not None:
            return handler
        record = await self._record(id)
        if id in self._over:
            # The directory has not heard of it yet. One that is just being taken over is not here either.
            raise NO_SESSION
        caller = await _caller(record.who)
        known = await database.read(read_blocks, caller.site_id, [caller.id])
        return Visitor(self._node, id, caller, record, known[caller.id])

    async def attach(self, id: str, port: Port, at: int | None) -> tuple[Handler, int]:
        """Has a session's events written to a port, from version `at` on, or from where the last read ended.

        Answers the handler, and where the last read ended. A process that dies meanwhile has moved no cursor: the
        client asks again.

        Raises:
            Refusal: as `find`; `not-found` also where too much was missed.
        """
        handler = self._here.get(id)
        record = None
        try:
            record = await self._record(id)
        except Refusal:
            # The directory has lost it, or does not answer: what is here goes on.
            if handler is None:
                raise
        if record is not None and record.home != self._node.id:
            record = await self._take_over(id, record)
            # It may have been taken over here meanwhile, or dropped.
            handler = self._here.get(id)
            if handler is not None:
                await self._follow(handler, record)
        if handler is None:
            if record is None:
                raise NO_SESSION
            handler = await self._settle(id, record)
        self._node.wheel.cancel(("session", id))
        before = handler.version
        try:
            await self._put(handler, reading=True)
            if self._here.get(id) is not handler:
                # Another node was asked at the same moment, and was quicker.
                raise UNAVAILABLE
            if record is not None and record.home != self._node.id:
                await self._hear_wishes(handler)
            await handler.attach(port, at)
            for hook in hooks.attached if handler.port is port else ():
                hook(handler)
        except BaseException:
            self.detach(handler, port, before)
            self.keep(handler)
            raise
        if self._here.get(id) is not handler:
            raise NO_SESSION
        return handler, before

    def detach(self, handler: Handler, port: Port, version: int | None = None) -> None:
        """The read has ended (having brought nothing beyond `version`), unless another has taken its place."""
        if handler.port is port:
            handler.detach()
            for hook in hooks.detached:
                hook(handler)
            if version is not None:
                # Nor did the presence arrive that was told with it.
                handler.version, handler.told = version, {}
            self._pause(handler)

    async def save(self, handler: Handler) -> bool:
        """Keeps what the session was told, for the next read, wherever that comes; False where that cannot be had.

        A node that is cut off from the directory must not go on by itself: another one may read what stands there.
        """
        return self._here.get(handler.session or "") is not handler or await self._put(handler)

    def keep(self, handler: Handler) -> None:
        """Writes down how far a session was told, and whether it is still being read."""
        if self._here.get(handler.session or "") is handler:
            self._write(self._put(handler))

    def wish(self, handler: Handler, what: str, *args: Any) -> None:
        """Keeps what a session's frame wishes of its events, and tells its home, if that is not this handler."""
        if handler.session is not None:
            self._write(self._wish(handler, what, args))

    async def _wish(self, handler: Handler, what: str, args: tuple[Any, ...]) -> None:
        id = handler.session or ""
        link = self._node.link_of(id)
        # Its home, which may be reading just now, ends it in time.
        await link.directory.put_session(id, _encoded(_wishes(handler)), READ_S)
        with suppress(Refusal):
            # In this order, and the other way round where it is taken over: one of both sees what the other has done.
            home = (await self._record(id)).home
            if home != self._node.id:
                link.note_to(home, f"session.{what}", id, *args)
            elif self._here.get(id) is not handler:
                notes.hear(self._node, f"session.{what}", (id, *args))

    def made(self, origin: object, version: int) -> None:
        """A change came from a session's frame: its next read must not bring it back, wherever it comes."""
        id = getattr(origin, "session", None)
        if id is not None:
            self._write(self._node.link_of(id).directory.add_own(id, version))

    async def settled(self) -> None:
        """Waits until the directory knows what was noted before."""
        if self._writes:
            await asyncio.wait(set(self._writes))

    async def end(self, handler: Handler) -> None:
        """Ends a session from its own side."""
        if isinstance(handler, Visitor):
            handler.close(CLOSE_RESTART, "ended")
        else:
            self.ended(handler.session or "")
        await self.settled()

    def ended(self, id: str) -> None:
        """The session is over; its id means nothing from now on."""
        handler = self._drop(id)
        if handler is not None:
            self._forget_later(id)
            self._write(self._node.link_of(id).directory.drop_session(id))

    def ended_away(self, visitor: Visitor) -> None:
        """The same, where its home is another node."""
        id = visitor.session or ""
        visitor.tell_home("ended")
        self._write(self._node.link_of(id).directory.drop_session(id))

    # at home

    def _renew_later(self) -> None:
        if not self._renewing:
            self._renewing = True
            self._node.wheel.set("sessions", RENEW_S, self._renew)

    def _renew(self) -> None:
        """Keeps those alive that are being read: a stream may be silent for long."""
        self._renewing = False
        self._node.spawn(self._put_each([handler for handler in self._here.values() if handler.port is not None]))
        if self._here:
            self._renew_later()

    async def _put_each(self, handlers: list[Handler], *, wishes: bool = False) -> None:
        """Writes many down, one after the other: nobody waits for it, and others need the directory meanwhile."""
        for handler in handlers:
            id = handler.session or ""
            # One that is lost meanwhile is told all of them again when it is found.
            if self._here.get(id) is handler and self._node.link_of(id).up:
                await self._put(handler, wishes=wishes)

    def _pause(self, handler: Handler) -> None:
        id = handler.session or ""
        if id in self._here:
            self._node.wheel.set(("session", id), settings.SESSION_SECONDS, partial(self._expire, id))

    def _expire(self, id: str) -> None:
        """Nobody has read it in time here. If it was taken over meanwhile, its new home knows better."""
        handler = self._drop(id)
        if handler is not None:
            self._write(self._drop_unless_elsewhere(id))

    def _forget_later(self, id: str) -> None:
        """Knows that a session has ended here until the directory has forgotten it, too, whatever becomes of that."""
        self._over.add(id)
        self._node.wheel.set(("over", id), READ_S, partial(self._over.discard, id))

    async def _drop_unless_elsewhere(self, id: str) -> None:
        with suppress(Refusal):
            if (await self._record(id)).home == self._node.id:
                self._forget_later(id)
                await self._node.link_of(id).directory.drop_session(id)

    def _drop(self, id: str) -> Handler | None:
        handler = self._here.pop(id, None)
        self._moves.pop(id, None)
        self._node.wheel.cancel(("session", id))
        if handler is not None:
            if handler.port is not None:
                handler.port.close(CLOSE_RESTART, "ended")
            self._node.depart(handler)
        return handler

    # from node to node

    async def _take_over(self, id: str, record: Record) -> Record:
        link = self._node.link_of(id)
        if not record.reading or record.home not in link.others:
            link.note_to(record.home, "session.moved", id, record.moves + 1)
            return record
        let_go = self._handovers[id] = self._node.loop.create_future()
        link.note_to(record.home, "session.release", id, record.moves + 1, self._node.id)
        with suppress(TimeoutError):
            await asyncio.wait_for(let_go, HANDOVER_S)
        self._handovers.pop(id, None)
        return await self._record(id)

    async def _settle(self, id: str, record: Record) -> Handler:
        """Makes this node the session's home."""
        handler = Handler(self._node, await _caller(record.who), None)
        try:
            await self._node.link(handler.caller.site_id).settled()
            seen = blocks.changes()
            look = await database.read(_look, handler.caller)
            known = await blocks.settled(seen, handler.caller, look.blocks)
        except BaseException:
            self._node.logout(handler)
            raise
        handler.become_session(id, record.version)
        handler.epoch = record.who.epoch
        if (other := self._here.get(id)) is not None:
            # Two reads came at once.
            self._node.logout(handler)
            return other
        self._here[id] = handler
        self._over.discard(id)
        # Until it is attached: what is cut off meanwhile ends.
        self._pause(handler)
        self._node.arrive(handler, look.version, look.choice, known)
        await self._follow(handler, record)
        self._renew_later()
        return handler

    async def _follow(self, handler: Handler, record: Record) -> None:
        self._moves[handler.session or ""] = record.moves + 1
        handler.version = record.version
        handler.own = {own for own in record.own | handler.own if own > record.version}
        handler.told = dict(record.told)
        await self._fulfil(handler, record)

    async def _hear_wishes(self, handler: Handler) -> None:
        """What was wished at another node while the session was on its way here."""
        with suppress(Refusal):
            await self._fulfil(handler, await self._record(handler.session or ""))

    async def _fulfil(self, handler: Handler, record: Record) -> None:
        """Does what a session's frames have wished of its events."""
        handler.idle = record.idle
        for hook in hooks.moved:
            await hook(handler, record.watching)

    async def let_go(self, id: str, moves: int, to: str) -> None:
        """Another node has been asked for the session's events: what is read here ends."""
        handler = self._here.get(id)
        if handler is not None and self._moves.get(id, 0) < moves:
            if handler.port is not None:
                port = handler.port
                port.close(CLOSE_REPLACED, "replaced")
                self.detach(handler, port)
            await self.save(handler)
            self._drop(id)
        self._node.link_of(id).note_to(to, "session.released", id)

    def moved(self, id: str, moves: int) -> None:
        """Another node is the session's home now."""
        if self._moves.get(id, 0) < moves:
            self._drop(id)

    def released(self, id: str) -> None:
        """The old home has let go."""
        let_go = self._handovers.get(id)
        if let_go is not None and not let_go.done():
            let_go.set_result(None)

    def register(self, link: "Link") -> None:
        """Tells a directory that has lost them of the sessions that are at home here."""
        here = [handler for id, handler in self._here.items() if self._node.link_of(id) is link]
        self._node.spawn(self._put_each(here, wishes=True))

    # the directory

    async def _record(self, id: str) -> Record:
        try:
            found = await self._node.link_of(id).directory.session(id)
        except Unreachable:
            raise UNAVAILABLE from None
        if found is None or "who" not in found[0]:
            raise NO_SESSION
        fields = {name: msgspec.msgpack.decode(value) for name, value in found[0].items()}
        return msgspec.convert({**fields, "own": found[1]}, Record)

    async def _put(self, handler: Handler, *, reading: bool = False, wishes: bool = False) -> bool:
        """Writes down a session that is at home here; False where the directory does not take it."""
        id = handler.session or ""
        caller = handler.caller
        reading = reading or handler.port is not None
        fields: dict[str, Any] = {
            "who": Who(caller.site.key, caller.id, caller.sub, caller.role, handler.epoch),
            "version": handler.version,
            "home": self._node.id,
            "moves": self._moves.get(id, 0),
            "told": handler.told or {},
            "reading": reading,
        }
        if wishes:
            fields |= _wishes(handler)
        seconds = READ_S if reading else settings.SESSION_SECONDS + HANDOVER_S
        link = self._node.link_of(id)
        try:
            mine = await link.directory.put_session(id, _encoded(fields), seconds)
        except Unreachable as error:
            # The beat that finds the directory again has all sessions written down again.
            link.lost(error)
            return False
        if not mine and self._here.get(id) is handler:
            # It was taken over while this node was frozen, or cut off: what it was told since is known elsewhere.
            self._drop(id)
        return mine

    def _write(self, work: Any) -> None:
        task = self._node.loop.create_task(_quietly(work))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)


async def _quietly(work: Any) -> None:
    """What the directory does not take now, it is told when it is there again."""
    with suppress(Unreachable):
        await work


def _wishes(handler: Handler) -> dict[str, Any]:
    """What a session's frames have said of its events."""
    return {"idle": handler.idle, "watching": sorted(handler.watching or ()), "told": handler.told or {}}


def _encoded(fields: dict[str, Any]) -> dict[str, bytes]:
    return {name: msgspec.msgpack.encode(value) for name, value in fields.items()}


async def _caller(who: Who) -> Caller:
    site = await database.read(sites.site, who.site)
    if site is None or site.suspended:
        raise NO_SESSION
    return Caller(site, who.member, who.sub, who.role)


def _look(caller: Caller) -> _Look:
    with database.snapshot():
        row = Member.objects.filter(site=caller.site_id, id=caller.id).first()
        if row is None:
            raise NO_SESSION
        choice = events.choice(row.show, row.status)
        version = replay.position(caller.site_id).version
        return _Look(caller, choice, read_blocks(caller.site_id, [caller.id])[caller.id], version)


@notes.on("session.release")
def _release(node: "Node", id: str, moves: int, to: str) -> None:
    node.spawn(node.sessions.let_go(id, moves, to))


@notes.on("session.released")
def _released(node: "Node", id: str) -> None:
    node.sessions.released(id)


@notes.on("session.moved")
def _moved(node: "Node", id: str, moves: int) -> None:
    node.sessions.moved(id, moves)


@notes.on("session.ended")
def _ended(node: "Node", id: str) -> None:
    node.sessions.ended(id)


@hooks.linked.append
def _linked(link: "Link") -> None:
    link.node.sessions.register(link)

"""HTTP sessions: a credential and a position, tied to no node.

What a session is stands in its record (`im.records`): who it is, up to where it was told, what it watches. Its events
are read at one node at a time, where it has a handler (its home); between two reads the handler waits there, so that
the member stays here for others. A read that comes to another node takes the session over: where the old home is
still reading for it, that ends first and says how far it got (`im.handover`). Frames may be posted to any node: away
from home a `Visitor` answers them. What they wish of the events is in the record, too (`im.wishes`).
"""

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings

from im import database, hooks, members, notes, replay
from im.blocks import Known
from im.caller import Caller
from im.errors import CLOSE_REPLACED, CLOSE_RESTART, Refusal
from im.handler import Handler, Port
from im.handover import Handovers
from im.models import Member
from im.nodes.directory import Kept
from im.records import NO_SESSION, READ_S, UNAVAILABLE, Record, Records
from im.transaction import read_blocks
from im.visitor import Visitor
from im.wishes import Wishes

if TYPE_CHECKING:
    from im.node import Node
    from im.nodes.link import Link

RENEW_S = 30.0
"""How often a session is renewed that is being read, in seconds."""


class _Look(NamedTuple):
    chosen: members.Chosen
    blocks: Known
    epoch: str
    version: int


class Sessions:
    """The sessions of a node: those that are at home here, and the way to all others."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self.records = Records(node)
        self.wishes = Wishes(node, self.records)
        self.handovers = Handovers(node, self._let_go)
        self._here: dict[str, Handler] = {}
        # How often those had been taken over when they came here: what is said of an earlier time is out of date.
        self._moves: dict[str, int] = {}
        self._renewing = False
        # Known to have ended, a while ago.
        self._over: set[str] = set()

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
        caller = await record.who.caller()
        known = await database.read(read_blocks, caller.site_id, [caller.id])
        return Visitor(self._node, id, caller, record, known[caller.id])

    async def attach(self, id: str, port: Port, at: int | None) -> tuple[Handler, int]:
        """Has a session's events written to a port, from version `at` on, or from where the last read ended.

        Answers the handler, and where the last read ended. A process that dies meanwhile has moved no cursor: the
        client asks again.

        Raises:
            Refusal: as `find`; `not-found` also where too much was missed, `unavailable` where another node was asked
                at the same moment, and was quicker.
        """
        handler, heard = await self._bring(id)
        self._node.wheel.cancel(("session", id))
        before = handler.version
        try:
            if await self._put(handler, reading=True) and not heard:
                await self.wishes.hear(handler)
            if self._here.get(id) is handler:
                await handler.attach(port, at)
            for hook in hooks.attached if handler.port is port else ():
                hook(handler)
            if self._here.get(id) is not handler:
                raise self._why_gone(id)
        except BaseException:
            self.detach(handler, port, before)
            if handler.port is None:
                # It may have been cut off before the port was the handler's.
                self._pause(handler)
            self.keep(handler)
            raise
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
            self._put_later(handler)

    def made(self, origin: object, version: int) -> None:
        """A change came from a session's frame: its next read must not bring it back, wherever it comes."""
        id = getattr(origin, "session", None)
        if id is not None:
            self.records.made(id, version)

    async def recall(self, handlers: Iterable[Handler]) -> None:
        """Has those of the handlers that are sessions know which changes they made themselves at other nodes."""
        for handler in handlers:
            if handler.session is not None and self._node.link_of(handler.session).up:
                with suppress(Refusal):
                    handler.recall((await self.records.read(handler.session)).own)

    async def settled(self) -> None:
        """Waits until the directory knows what was noted before."""
        await self.records.settled()

    async def end(self, handler: Handler) -> None:
        """Ends a session from its own side."""
        if isinstance(handler, Visitor):
            handler.close(CLOSE_RESTART, "ended")
        else:
            self.ended(handler.session or "")
        await self.settled()

    def ended(self, id: str) -> None:
        """The session is over; its id means nothing from now on."""
        if self._drop(id) is not None:
            self._end(id)

    def ended_away(self, visitor: Visitor) -> None:
        """The same, where its home is another node."""
        id = visitor.session or ""
        self._node.link_of(id).note_to(visitor.home, "session.ended", id)
        self._end(id)

    # at home

    def _renew_later(self) -> None:
        if not self._renewing:
            self._renewing = True
            self._node.wheel.set("sessions", RENEW_S, self._renew)

    def _renew(self) -> None:
        """Keeps those alive that are being read: a stream may be silent for long."""
        self._renewing = False
        self._node.spawn(self._renew_each([handler for handler in self._here.values() if handler.port is not None]))
        if self._here:
            self._renew_later()

    async def _renew_each(self, handlers: list[Handler]) -> None:
        """Writes many down, one after the other: nobody waits for it, and others need the directory meanwhile."""
        for handler in handlers:
            id = handler.session or ""
            # Where the directory is lost meanwhile, it is told of all of them again when it is found.
            if self._here.get(id) is handler and self._node.link_of(id).up and await self._put(handler):
                await self.wishes.hear(handler)

    def register(self, link: "Link") -> None:
        """Tells a directory that has been away of the sessions that are at home here, and of those that ended."""
        for id in self._over:
            if self._node.link_of(id) is link:
                self.records.later(id, self.records.end(id))
        here = [handler for id, handler in self._here.items() if self._node.link_of(id) is link]
        self._node.spawn(self._register_each(here))

    async def _register_each(self, handlers: list[Handler]) -> None:
        for handler in handlers:
            id = handler.session or ""
            if self._here.get(id) is not handler or not self._node.link_of(id).up:
                continue
            try:
                await self.records.read(id)
                lost = False
            except Refusal as refusal:
                lost = refusal is NO_SESSION
            if await self._put(handler, anew=lost or id in self.wishes.unsaid):
                self.wishes.unsaid.discard(id)
                await self.wishes.hear(handler)

    async def _put(self, handler: Handler, *, reading: bool = False, anew: bool = False) -> bool:
        """Writes down a session that is at home here; False where its record does not take it."""
        putting = self._put_later(handler, reading, anew)
        await asyncio.wait({putting})
        return putting.result() is Kept.YES

    def _put_later(self, handler: Handler, reading: bool = False, anew: bool = False) -> "asyncio.Task[Kept | None]":
        return self.records.later(handler.session or "", self._put_now(handler, reading, anew))

    async def _put_now(self, handler: Handler, reading: bool, anew: bool) -> Kept:
        id = handler.session or ""
        reading = reading or handler.port is not None
        kept = await self.records.put(handler, self._moves.get(id, 0), reading=reading, anew=anew)
        if kept is Kept.ENDED:
            self._remember_end(id)
        if kept is not Kept.YES and self._here.get(id) is handler:
            # It ended, or was taken over while this node was frozen or cut off: what comes is not this node's to tell.
            self._drop(id)
        return kept

    def _pause(self, handler: Handler) -> None:
        id = handler.session or ""
        if id in self._here:
            self._node.wheel.set(("session", id), settings.SESSION_SECONDS, partial(self._expire, id))

    def _expire(self, id: str) -> None:
        """Nobody has read it in time here. If it was taken over meanwhile, its new home knows better."""
        moves = self._moves.get(id, 0)
        if self._drop(id) is not None:
            self.records.later(id, self._end_unless_elsewhere(id, moves))

    async def _end_unless_elsewhere(self, id: str, moves: int) -> None:
        if await self.records.end(id, moves=moves):
            self._remember_end(id)

    def _end(self, id: str) -> None:
        self._remember_end(id)
        self.records.later(id, self.records.end(id))

    def _remember_end(self, id: str) -> None:
        """Knows that a session has ended for as long as anybody may think that it has not."""
        self._over.add(id)
        self._node.wheel.set(("over", id), READ_S, partial(self._over.discard, id))

    def _why_gone(self, id: str) -> Refusal:
        return NO_SESSION if id in self._over else UNAVAILABLE

    def _drop(self, id: str) -> Handler | None:
        handler = self._here.pop(id, None)
        self._moves.pop(id, None)
        self.wishes.unsaid.discard(id)
        self._node.wheel.cancel(("session", id))
        if handler is not None:
            if handler.port is not None:
                handler.port.close(CLOSE_RESTART, "ended")
            self._node.depart(handler)
        return handler

    # from node to node

    async def _record(self, id: str) -> Record:
        record = await self.records.read(id)
        if id in self._over:
            # The directory has not heard of it yet.
            raise NO_SESSION
        return record

    async def _bring(self, id: str) -> tuple[Handler, bool]:
        """The session's handler, at home here from now on, and whether it does all that is wished of it."""
        handler = self._here.get(id)
        try:
            record = await self._record(id)
        except Refusal:
            # The directory has lost it, or does not answer: what is here goes on.
            if handler is None:
                raise
            return handler, True
        if record.home != self._node.id and await self.handovers.ask(id, record):
            record = await self._record(id)
        # It may have been taken over here meanwhile, or dropped.
        handler = self._here.get(id)
        if handler is None:
            return await self._settle(id, record), False
        if record.home != self._node.id:
            self._follow(handler, record)
            return handler, False
        handler.recall(record.own)
        return handler, self.wishes.heard(handler, record)

    async def _settle(self, id: str, record: Record) -> Handler:
        """Makes this node the session's home."""
        handler = Handler(self._node, await record.who.caller(), None)
        try:
            await self._node.link(handler.caller.site_id).settled()
            while True:
                seen = self._node.blocks.changes
                look = await database.read(_look, handler.caller)
                known = await self._node.blocks.settled(seen, handler.caller, look.blocks)
                # As at a hello: what the feed began with was told to nobody.
                if look.version >= self._node.feeds[handler.caller.site_id].begun:
                    break
            if id in self._over or look.epoch != record.who.epoch:
                raise NO_SESSION
        except BaseException:
            self._node.logout(handler)
            raise
        if (other := self._here.get(id)) is not None:
            # Two reads came at once.
            self._node.logout(handler)
            return other
        handler.become_session(id, record.version)
        handler.epoch = record.who.epoch
        self._here[id] = handler
        # Until it is attached: what is cut off meanwhile ends.
        self._pause(handler)
        self._node.arrive(handler, look.version, look.chosen, known)
        self._follow(handler, record)
        self._renew_later()
        return handler

    def _follow(self, handler: Handler, record: Record) -> None:
        """Goes on where the session was told to elsewhere. What it wishes is looked at once it is written down here."""
        self._moves[handler.session or ""] = record.moves + 1
        handler.version = record.version
        handler.told = dict(record.told)
        handler.recall(record.own)

    async def _let_go(self, id: str, moves: int) -> None:
        """Ends what is read here, and writes down how far it got."""
        handler = self._here.get(id)
        if handler is not None and self._moves.get(id, 0) < moves:
            if (port := handler.port) is not None:
                port.close(CLOSE_REPLACED, "replaced")
                self.detach(handler, port)
            await self.save(handler)
            self.moved(id, moves)

    def moved(self, id: str, moves: int) -> None:
        """Another node is the session's home now."""
        if self._moves.get(id, 0) < moves:
            self._drop(id)


def _look(caller: Caller) -> _Look:
    with database.snapshot():
        row = Member.objects.filter(site=caller.site_id, id=caller.id).first()
        if row is None:
            raise NO_SESSION
        position = replay.position(caller.site_id)
        known = Known(position.blocks, read_blocks(caller.site_id, [caller.id])[caller.id])
        return _Look(members.chosen(row), known, position.epoch, position.version)


@notes.on("session.moved")
def _moved(node: "Node", id: str, moves: int) -> None:
    node.sessions.moved(id, moves)


@notes.on("session.wished")
def _wished(node: "Node", id: str) -> None:
    node.sessions.wishes.look(id)


@notes.on("session.ended")
def _ended(node: "Node", id: str) -> None:
    node.sessions.ended(id)


@hooks.linked.append
def _linked(link: "Link") -> None:
    link.node.sessions.register(link)

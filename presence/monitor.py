"""The monitor: has those who want to know told how members are, and notices who is gone.

A member is gone when its last connection is, and the site's grace time has passed without another: a page
change is not a disconnection. What changes within a moment is told together. All waiting is done by the node's
timer wheel; no connection has a timer of its own here.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q

from im import blocks, database, hooks
from im.dispatch import at_once, stored
from im.errors import Refusal, encode
from im.events import Choice, Presence, PresenceEvent, PresenceOk
from im.models import Block, Member
from im.protocol import MAX_WATCH, PresenceIdle, PresenceSet, PresenceUnwatch, PresenceWatch
from presence.board import Board, Entry

if TYPE_CHECKING:
    from im.caller import Caller
    from im.handler import Handler
    from im.node import Node
    from im.transaction import Transaction

TELL_S = 0.05
"""For how long changes are collected before they are told, in seconds."""

Place = tuple[int, str]


class Monitor:
    """Presence on one node."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.board = Board(int(settings.AWAY_SECONDS * 1000), int(settings.XA_SECONDS * 1000))
        self._watchers: dict[Place, set[Handler]] = defaultdict(set)
        self._changed: dict[Place, int] = {}
        self._telling: asyncio.TimerHandle | None = None

    # who is here

    def arrived(self, handler: "Handler", choice: Choice) -> None:
        """A connection was let in."""
        self.node.wheel.cancel(("grace", handler.caller.id))
        self._settle(self.board.enter(handler, choice))

    def departed(self, handler: "Handler") -> None:
        """A connection is gone; its member only if no other comes within the grace time."""
        self.unwatch(handler, handler.watching or ())
        entry = self.board.entry(handler.caller.id)
        if entry is None:
            return
        entry.connections.discard(handler)
        if entry.connections:
            self._settle(entry)
        else:
            self.node.wheel.set(("grace", entry.member), handler.caller.site.grace, partial(self._gone, entry))

    def choose(self, member: int, choice: Choice) -> None:
        """The member has made another choice, on all its pages."""
        if entry := self.board.entry(member):
            told = entry.choice.status != choice.status and entry.visible
            entry.choice = choice
            self._settle(entry)
            if told and entry.visible:
                entry.since = database.now_ms()
                self._tell_soon(entry.site_id, entry.sub, member)
            for handler in self.node.router.handlers(member):
                self._tell(handler, {entry.sub: entry.own()})

    def idle(self, handler: "Handler", on: bool) -> None:
        """A page has been without input, or has it again."""
        handler.idle = on
        if entry := self.board.entry(handler.caller.id):
            self._settle(entry)

    def _gone(self, entry: Entry) -> None:
        if entry.connections:
            return
        self.board.remove(entry)
        self.node.wheel.cancel(("idle", entry.member))
        for hook in hooks.gone:
            hook(self.node, entry.site_id, entry.member)
        if entry.visible:
            entry.shown = "offline"
            self._left(entry)

    def _settle(self, entry: Entry) -> None:
        visible = entry.visible
        now = database.now_ms()
        if self.board.settle(entry, now):
            if visible and not entry.visible:
                self._left(entry)
            else:
                self._tell_soon(entry.site_id, entry.sub, entry.member)
        if entry.idle_since is None:
            self.node.wheel.cancel(("idle", entry.member))
        else:
            idle_s = (now - entry.idle_since) / 1000
            for after in (settings.AWAY_SECONDS, settings.XA_SECONDS):
                if after > idle_s:
                    self.node.wheel.set(("idle", entry.member), after - idle_s, partial(self._settle, entry))
                    break

    def _left(self, entry: Entry) -> None:
        """Others no longer see the member here: remembers when, and has it told."""
        entry.since = database.now_ms()
        self._tell_soon(entry.site_id, entry.sub, entry.member)
        _note_seen(self.node, entry)

    # who wants to know

    def watch(self, handler: "Handler", subs: Iterable[str]) -> None:
        """Has a connection told of these members from now on; what is about to be told is no news to it."""
        self._tell_all()
        handler.watching = {*(handler.watching or ()), *subs}
        for sub in subs:
            self._watchers[handler.caller.site_id, sub].add(handler)

    def unwatch(self, handler: "Handler", subs: Iterable[str]) -> None:
        """No longer."""
        for sub in list(subs):
            place = (handler.caller.site_id, sub)
            watchers = self._watchers.get(place)
            if watchers is not None:
                watchers.discard(handler)
                if not watchers:
                    del self._watchers[place]
            if handler.watching:
                handler.watching.discard(sub)

    def seen_by(self, handler: "Handler", sub: str) -> Presence | None:
        """How a connection's member sees another; None where that one looks gone."""
        entry = self.board.find(handler.caller.site_id, sub)
        if entry is None or not entry.visible or blocks.apart(handler.caller.id, entry.member):
            return None
        return entry.public()

    def blocks_changed(self, owner: int, member: int) -> None:
        """Two no longer see each other, or do again."""
        for one, other in ((owner, member), (member, owner)):
            entry = self.board.entry(one)
            if entry is None or not entry.visible:
                continue
            for handler in self.node.router.handlers(other):
                if entry.sub in (handler.watching or ()):
                    self._tell(handler, {entry.sub: self.seen_by(handler, entry.sub) or _gone_now()})

    def attached(self, handler: "Handler") -> None:
        """A session reads again: what changed while it did not is told as it is now."""
        missed, handler.missed = handler.missed, None
        if missed:
            me = self.board.entry(handler.caller.id)
            own = {me.sub: me.own()} if me and me.sub in missed else {}
            self._tell(handler, {sub: self.seen_by(handler, sub) or _gone_now() for sub in missed} | own)

    def _tell_soon(self, site_id: int, sub: str, member: int) -> None:
        if self._telling is None:
            self._telling = self.node.loop.call_later(TELL_S, self._tell_all)
        self._changed[site_id, sub] = member

    def _tell_all(self) -> None:
        changed, self._changed = self._changed, {}
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        news: dict[Handler, list[Place]] = defaultdict(list)
        for place, member in changed.items():
            for handler in self._watchers.get(place, ()):
                if not blocks.apart(handler.caller.id, member):
                    news[handler].append(place)
        encoded: dict[tuple[Place, ...], bytes] = {}
        for handler, places in news.items():
            key = tuple(places)
            if handler.port is None:
                self._miss(handler, (sub for _, sub in places))
                continue
            if key not in encoded:
                encoded[key] = encode(PresenceEvent(members={sub: self._public(site, sub) for site, sub in places}))
            handler.tell(encoded[key])

    def _public(self, site_id: int, sub: str) -> Presence:
        entry = self.board.find(site_id, sub)
        return entry.public() if entry else _gone_now()

    def _tell(self, handler: "Handler", presence: dict[str, Presence]) -> None:
        if handler.port is None:
            self._miss(handler, presence)
        else:
            handler.tell(encode(PresenceEvent(members=presence)))

    def _miss(self, handler: "Handler", subs: Iterable[str]) -> None:
        handler.missed = {*(handler.missed or ()), *subs}


def _gone_now() -> Presence:
    return Presence(show="offline", status="", since=database.now_ms())


def of(node: "Node") -> Monitor:
    """The monitor of a node."""
    monitor: Monitor = node.parts[Monitor]
    return monitor


def _start(node: "Node") -> None:
    node.parts[Monitor] = Monitor(node)


hooks.started.append(_start)
hooks.arrived.append(lambda handler, choice: of(handler.node).arrived(handler, choice))
hooks.attached.append(lambda handler: of(handler.node).attached(handler))
hooks.departed.append(lambda handler: of(handler.node).departed(handler))
hooks.blocks_changed.append(lambda node, owner, member: of(node).blocks_changed(owner, member))


def _note_seen(node: "Node", entry: Entry) -> None:
    def note(tx: "Transaction") -> None:
        Member.objects.filter(site=entry.site_id, id=entry.member).update(seen=entry.since)

    node.journal.note(entry.site_id, note)


@stored(PresenceSet)
def set_presence(tx: "Transaction", caller: "Caller", origin: "Handler", frame: PresenceSet) -> None:
    """Keeps the member's choice and shows it to others and to its own pages."""
    Member.objects.filter(site=caller.site_id, id=caller.id).update(show=frame.show, status=frame.status)
    choice = Choice(show=frame.show, status=frame.status)
    tx.after(lambda: of(origin.node).choose(caller.id, choice))


@at_once(PresenceIdle)
def set_idle(handler: "Handler", frame: PresenceIdle) -> None:
    """Notes whether a page has input."""
    of(handler.node).idle(handler, frame.on)


@at_once(PresenceWatch)
async def watch(handler: "Handler", frame: PresenceWatch) -> PresenceOk:
    """Tells how members are, and has the connection told of every change.

    Raises:
        Refusal: `forbidden` where a connection would watch more than `MAX_WATCH` members.
    """
    monitor = of(handler.node)
    subs = dict.fromkeys(frame.members)
    if len(subs.keys() | (handler.watching or set())) > MAX_WATCH:
        raise Refusal("forbidden", f"A connection watches at most {MAX_WATCH} members.")
    monitor.watch(handler, subs)
    seen = await database.read(_seen, handler.caller.site_id, handler.caller.id, list(subs))
    presence = {}
    for sub in subs:
        away = Presence(show="offline", status="", since=seen.get(sub, 0))
        presence[sub] = monitor.seen_by(handler, sub) or away
    return PresenceOk(presence=presence)


@at_once(PresenceUnwatch)
def unwatch(handler: "Handler", frame: PresenceUnwatch) -> None:
    """Has the connection no longer told."""
    of(handler.node).unwatch(handler, frame.members)


def _seen(site_id: int, viewer: int, subs: list[str]) -> dict[str, int]:
    """When members were last seen; for those from whom the viewer is set apart, as it was when that began."""
    rows = Member.objects.filter(site=site_id, sub__in=subs).values_list("id", "sub", "seen")
    apart = Block.objects.filter(Q(owner=viewer) | Q(member=viewer), site=site_id)
    values = apart.values_list("owner", "member", "time")
    since = {(member if owner == viewer else owner): time for owner, member, time in values}
    return {sub: min(seen, since.get(member, seen)) or since.get(member, 0) for member, sub, seen in rows}

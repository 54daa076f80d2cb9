"""The monitor: has those who want to know told how members are, and notices who is gone.

A member is gone when its last connection is, and the site's grace time has passed without another: a page
change is not a disconnection. What changes within a moment is told together. All waiting is done by the node's
timer wheel; no connection has a timer of its own here.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings

from im import database, hooks, statements
from im.errors import encode
from im.events import Presence, PresenceEvent
from im.members import Chosen
from im.models import Member
from im.nodes import names
from im.replay import CHUNK, batched
from presence.board import Board, Entry, Place
from presence.nodes import Contribution, Elsewhere, together

if TYPE_CHECKING:
    from im.handler import Handler
    from im.node import Node
    from im.nodes.link import Link
    from im.transaction import Transaction

TELL_S = 0.05
"""For how long changes are collected before they are told, in seconds."""


class Monitor:
    """Presence on one node."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.board = Board(int(settings.AWAY_SECONDS * 1000), int(settings.XA_SECONDS * 1000))
        self._watchers: dict[Place, set[Handler]] = defaultdict(set)
        # By the id of the member, which blocks go by.
        self._changed: dict[Place, int] = {}
        # Members of whom somebody here has just begun to want to know.
        self._learning: set[Place] = set()
        # How members were when that was last told, of those that somebody here watches.
        self._told: dict[Place, Presence] = {}
        # Of members who are here and have ever chosen.
        self._chosen: dict[int, Chosen] = {}
        self._telling: asyncio.TimerHandle | None = None
        self.elsewhere = Elsewhere(self)

    # who is here

    def arrived(self, handler: "Handler", chosen: Chosen) -> None:
        """A connection was let in."""
        member = handler.caller.id
        self.node.wheel.cancel(("grace", member))
        known = self._chosen.get(member)
        if known is not None and known.version > chosen.version:
            chosen = known
        elif chosen.version:
            self._chosen[member] = chosen
        self._settle(self.board.enter(handler, chosen.choice))

    def departed(self, handler: "Handler") -> None:
        """A connection is gone; its member only if no other comes within the grace time."""
        self.unwatch(handler, handler.watching or ())
        entry = self._entry(handler)
        if entry is None:
            return
        self.board.leave(entry, handler)
        if entry.connections:
            self._settle(entry)
        else:
            # Who comes back has read it anew.
            self._chosen.pop(handler.caller.id, None)
            self.node.wheel.set(("grace", handler.caller.id), handler.caller.site.grace, partial(self._gone, entry))

    def choose(self, member: int, chosen: Chosen) -> None:
        """The member has made another choice, on all its pages. Of two, told in either order, the later holds."""
        handlers = self.node.router.handlers(member)
        before = self._chosen.get(member)
        if not handlers or (before and before.version >= chosen.version):
            return
        self._chosen[member] = chosen
        choice = chosen.choice
        # One that is just being let in may have been read before, and is not here yet.
        if entry := self._entry(handlers[0]):
            told = entry.choice.status != choice.status and entry.visible
            entry.choice = choice
            self._settle(entry)
            if told and entry.visible:
                entry.since = database.now_ms()
                self._show(entry)
            for handler in handlers:
                self._tell(handler, {entry.caller.sub: entry.own()})

    def idle(self, handler: "Handler", on: bool) -> None:
        """A page has been without input, or has it again."""
        handler.idle = on
        if entry := self._entry(handler):
            self._settle(entry)

    def _entry(self, handler: "Handler") -> Entry | None:
        return self.board.find(handler.caller.site_id, handler.caller.sub)

    def _gone(self, entry: Entry) -> None:
        if entry.connections:
            return
        self.board.remove(entry)
        self._chosen.pop(entry.caller.id, None)
        self.node.wheel.cancel(("idle", entry.caller.id))
        for hook in hooks.gone:
            hook(self.node, entry.caller.site_id, entry.caller.id)
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
                self._show(entry)
        if entry.idle_since is None:
            self.node.wheel.cancel(("idle", entry.caller.id))
        else:
            idle_s = (now - entry.idle_since) / 1000
            for after in (settings.AWAY_SECONDS, settings.XA_SECONDS):
                if after > idle_s:
                    self.node.wheel.set(("idle", entry.caller.id), after - idle_s, partial(self._settle, entry))
                    break

    def _left(self, entry: Entry) -> None:
        """Others no longer see the member here: remembers when, and has it told."""
        entry.since = database.now_ms()
        self._show(entry)
        _note_seen(self.node, entry.caller.site_id, [entry.caller.id], entry.since)

    def _show(self, entry: Entry) -> None:
        self.elsewhere.show(entry.place, _contribution(entry))
        self.changed(entry.place, entry.caller.id)

    async def note_seen(self, members: list[int]) -> None:
        """Notes that members were here until now, as far as nothing later is known."""
        now = database.now_ms()
        for site_id, ids in (await database.read(_by_site, members)).items():
            _note_seen(self.node, site_id, ids, now)

    # who wants to know

    async def watch(self, handler: "Handler", subs: Collection[str]) -> None:
        """Has a connection told of these members from now on; how they are just now is no news to it."""
        if handler.gone:
            # It left before its frame's turn came.
            return
        self._tell_all()
        handler.watching = {*(handler.watching or ()), *subs}
        places = [(handler.caller.site_id, sub) for sub in subs]
        for place in places:
            if place not in self._watchers:
                self.node.link(place[0]).enter(names.watched(*place))
                self._learning.add(place)
            self._watchers[place].add(handler)
        unknown = [place for place in places if place in self._learning]
        if unknown:
            # From now on other nodes tell; what was before is asked for.
            await self.node.link(handler.caller.site_id).settled()
            await self.elsewhere.learn(unknown)
            self._learning.difference_update(unknown)
        for place in unknown:
            if place in self._watchers:
                self._changed.pop(place, None)
                self._told[place] = self._now(place)
        if handler.session is not None and handler.port is None:
            handler.told = {**(handler.told or {}), **{sub: self._digest(handler, sub) for sub in subs}}

    def unwatch(self, handler: "Handler", subs: Iterable[str]) -> None:
        """No longer."""
        for sub in list(subs):
            place = (handler.caller.site_id, sub)
            watchers = self._watchers.get(place)
            if watchers is not None:
                watchers.discard(handler)
                if not watchers:
                    del self._watchers[place]
                    self._told.pop(place, None)
                    self.elsewhere.forget(place)
                    self.node.link(place[0]).leave(names.watched(*place))
            if handler.watching:
                handler.watching.discard(sub)

    def watches(self, place: Place) -> bool:
        """Whether somebody here wants to know of a member."""
        return place in self._watchers

    def places(self) -> list[Place]:
        """All members of whom somebody here wants to know."""
        return list(self._watchers)

    def names(self, link: "Link") -> list[str]:
        """The same, as a link's directory names them."""
        return [names.watched(*place) for place in self._watchers if self.node.link(place[0]) is link]

    def grace(self, place: Place) -> float:
        """The grace time of a member that is watched here, in seconds."""
        return max((handler.caller.site.grace for handler in self._watchers.get(place, ())), default=0.0)

    def contributions(self) -> list[tuple[int, str, Contribution]]:
        """How the members are that are seen here, each with its site and sub."""
        found = ((entry, _contribution(entry)) for entry in self.board.all())
        return [(*entry.place, mine) for entry, mine in found if mine]

    def seen_by(self, handler: "Handler", sub: str, others: Iterable[Contribution] | None = None) -> Presence | None:
        """How a connection's member sees another; None where that one looks gone.

        Args:
            others: what other nodes contribute, if it is not a member that is watched here.
        """
        seen = self._together((handler.caller.site_id, sub), others)
        return seen.public() if seen and not handler.apart(seen.member) else None

    def blocks_changed(self, owner: int, member: int) -> None:
        """Two no longer see each other, or do again."""
        for one, other in ((owner, member), (member, owner)):
            for handler in self.node.router.handlers(other):
                for sub in handler.watching or ():
                    seen = self._together((handler.caller.site_id, sub))
                    if seen and seen.member == one:
                        self._tell(handler, {sub: self.seen_by(handler, sub) or _gone_now()})

    # sessions between two reads

    async def wished(self, handler: "Handler", idle: bool, watching: Mapping[str, str]) -> None:
        """A session's frames, wherever they were answered, wish this and no more: what has changed since is told."""
        before = handler.watching or set()
        self.unwatch(handler, before - watching.keys())
        if idle != handler.idle:
            self.idle(handler, idle)
        told = {sub: how for sub, how in (handler.told or {}).items() if not sub or sub in watching}
        fresh = {sub: how for sub, how in watching.items() if sub not in before}
        await self.watch(handler, fresh)
        if handler.port is None:
            handler.told = {**(handler.told or {}), **fresh, **told}
        else:
            self._tell_news(handler, fresh)

    def detached(self, handler: "Handler") -> None:
        """A session is no longer read: remembers how those were that it watches, and the member itself."""
        places = {sub: (handler.caller.site_id, sub) for sub in handler.watching or ()}
        untold = {sub: self._changed[place] for sub, place in places.items() if place in self._changed}
        handler.told = {sub: self._digest(handler, sub) for sub in places if sub not in untold}
        for sub, member in untold.items():
            # It is about to be told, but no longer to this one.
            handler.told[sub] = digest(None if handler.apart(member) else self._told.get(places[sub]))
        handler.told[""] = self._own_digest(handler)
        if untold:
            self._tell_all()

    def attached(self, handler: "Handler") -> None:
        """A session is read again: what has changed since is told as it is now."""
        told, handler.told = handler.told or {}, None
        self._tell_news(handler, {sub: digest(None) for sub in handler.watching or ()} | told)

    def _tell_news(self, handler: "Handler", told: Mapping[str, str]) -> None:
        """Tells a session how those are who have changed since it was told; the member itself stands there as ""."""
        news = {}
        for sub, how in told.items():
            if sub in (handler.watching or ()) and self._digest(handler, sub) != how:
                news[sub] = self.seen_by(handler, sub) or _gone_now()
        me = self._entry(handler)
        if me and "" in told and self._own_digest(handler) != told[""]:
            news[me.caller.sub] = me.own()
        if news:
            self._tell(handler, news)

    def _digest(self, handler: "Handler", sub: str) -> str:
        return digest(self.seen_by(handler, sub))

    def _own_digest(self, handler: "Handler") -> str:
        me = self._entry(handler)
        return digest(me.own() if me else None)

    # telling

    def changed(self, place: Place, member: int) -> None:
        """A member may look different now, here or on another node."""
        if place in self._watchers:
            if self._telling is None:
                self._telling = self.node.loop.call_later(TELL_S, self._tell_all)
            self._changed[place] = member

    def _tell_all(self) -> None:
        changed, self._changed = self._changed, {}
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        news: dict[Handler, list[Place]] = defaultdict(list)
        for place, member in changed.items():
            if place not in self._watchers:
                continue
            now, told = self._now(place), self._told.get(place)
            if told and (now.show, now.status) == (told.show, told.status):
                # It has come to another node meanwhile, which is no news.
                continue
            self._told[place] = now
            for handler in self._watchers[place]:
                if not handler.apart(member):
                    news[handler].append(place)
        encoded: dict[tuple[Place, ...], bytes] = {}
        for handler, places in news.items():
            key = tuple(places)
            if key not in encoded:
                encoded[key] = encode(PresenceEvent(members={sub: self._told[site, sub] for site, sub in places}))
            handler.tell(encoded[key])

    def _together(self, place: Place, others: Iterable[Contribution] | None = None) -> Contribution | None:
        entry = self.board.find(*place)
        mine = _contribution(entry) if entry else None
        theirs = self.elsewhere.of(place) if others is None else others
        return together([*theirs, mine] if mine else theirs)

    def _now(self, place: Place) -> Presence:
        seen = self._together(place)
        return seen.public() if seen else _gone_now()

    def _tell(self, handler: "Handler", presence: dict[str, Presence]) -> None:
        handler.tell(encode(PresenceEvent(members=presence)))


def digest(seen: Presence | None) -> str:
    """What of a presence makes a difference to who sees it."""
    return f"{seen.show} {seen.status}" if seen else "offline "


def _gone_now() -> Presence:
    return Presence(show="offline", status="", since=database.now_ms())


def of(node: "Node") -> Monitor:
    """The monitor of a node."""
    monitor: Monitor = node.parts[Monitor]
    return monitor


def _start(node: "Node") -> None:
    node.parts[Monitor] = Monitor(node)


hooks.started.append(_start)
hooks.arrived.append(lambda handler, chosen: of(handler.node).arrived(handler, chosen))
hooks.wished.append(lambda handler, *wishes: of(handler.node).wished(handler, *wishes))
hooks.detached.append(lambda handler: of(handler.node).detached(handler))
hooks.attached.append(lambda handler: of(handler.node).attached(handler))
hooks.departed.append(lambda handler: of(handler.node).departed(handler))
hooks.blocks_changed.append(lambda node, owner, member: of(node).blocks_changed(owner, member))
hooks.linked.append(lambda link: of(link.node).elsewhere.linked(link))
hooks.nodes_found.append(lambda link: of(link.node).elsewhere.found(link))
hooks.nodes_gone.append(lambda link, nodes: of(link.node).elsewhere.gone(link, nodes))


def _contribution(entry: Entry) -> Contribution | None:
    """What this node contributes to how a member is seen."""
    if not entry.visible:
        return None
    return Contribution(entry.rank, entry.shown, entry.choice.status, entry.since, entry.caller.id)


def _by_site(members: list[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for some in batched(members, CHUNK):
        rows = Member.objects.filter(id__in=some)
        for site_id, id in rows.values_list("site_id", "id"):
            found[site_id].append(id)
    return found


def _note_seen(node: "Node", site_id: int, members: list[int], at: int) -> None:
    def note(tx: "Transaction") -> None:
        for some in batched(members, CHUNK):
            statements.note_seen(site_id, some, at)

    node.journal.note(site_id, note)

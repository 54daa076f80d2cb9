"""The monitor: has those who want to know told how members are, and notices who is gone.

A member is gone when its last connection is, and the site's grace time has passed without another: a page
change is not a disconnection. What changes within a moment is told together. All waiting is done by the node's
timer wheel; no connection has a timer of its own here.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q

from im import blocks, database, hooks, notes
from im.dispatch import at_once, stored
from im.errors import Refusal, encode
from im.events import Choice, Presence, PresenceEvent, PresenceOk
from im.models import Block, Member
from im.nodes import names
from im.notes import Note
from im.protocol import MAX_WATCH, PresenceIdle, PresenceSet, PresenceUnwatch, PresenceWatch, Show
from im.sessions import Visitor
from presence.board import Board, Entry
from presence.nodes import CHUNK, Contribution, Contributions, Elsewhere, Place, together

if TYPE_CHECKING:
    from im.caller import Caller
    from im.handler import Handler
    from im.node import Node
    from im.nodes.link import Link
    from im.transaction import Transaction

TELL_S = 0.05
"""For how long changes are collected before they are told, in seconds."""

GONE = ("offline", 0)


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
        self._telling: asyncio.TimerHandle | None = None
        self.elsewhere = Elsewhere(self)

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
                self._show(entry)
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
                self._show(entry)
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
        self._show(entry)
        _note_seen(self.node, entry.site_id, [entry.member], entry.since)

    def _show(self, entry: Entry) -> None:
        place = (entry.site_id, entry.sub)
        self.elsewhere.show(place, _contribution(entry))
        self.changed(place, entry.member)

    async def note_seen(self, members: list[int]) -> None:
        """Notes that members were here until now, as far as nothing later is known."""
        now = database.now_ms()
        for site_id, ids in (await database.read(_by_site, members)).items():
            _note_seen(self.node, site_id, ids, now)

    # who wants to know

    async def watch(self, handler: "Handler", subs: Collection[str]) -> None:
        """Has a connection told of these members from now on; how they are just now is no news to it."""
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
        return [(entry.site_id, entry.sub, mine) for entry, mine in found if mine]

    def seen_by(self, handler: "Handler", sub: str, others: Iterable[Contribution] | None = None) -> Presence | None:
        """How a connection's member sees another; None where that one looks gone.

        Args:
            others: what other nodes contribute, if it is not a member that is watched here.
        """
        seen = self._together((handler.caller.site_id, sub), others)
        return seen.public() if seen and not blocks.apart(handler.caller.id, seen.member) else None

    def blocks_changed(self, owner: int, member: int) -> None:
        """Two no longer see each other, or do again."""
        for one, other in ((owner, member), (member, owner)):
            for handler in self.node.router.handlers(other):
                for sub in handler.watching or ():
                    seen = self._together((handler.caller.site_id, sub))
                    if seen and seen.member == one:
                        self._tell(handler, {sub: self.seen_by(handler, sub) or _gone_now()})

    # sessions between two reads

    async def moved(self, handler: "Handler", watching: list[str]) -> None:
        """A session has come from another node: it goes on watching."""
        told, handler.told = handler.told, None
        await self.watch(handler, watching)
        handler.told = told

    def detached(self, handler: "Handler") -> None:
        """A session is no longer read: remembers how those were that it watches, and the member itself."""
        handler.told = {sub: self._digest(handler, sub) for sub in handler.watching or ()}
        handler.told[""] = self._own_digest(handler)

    def attached(self, handler: "Handler") -> None:
        """A session is read again: what has changed since is told as it is now."""
        told, handler.told = handler.told or {}, None
        news = {}
        for sub in handler.watching or ():
            if self._digest(handler, sub) != tuple(told.get(sub, GONE)):
                news[sub] = self.seen_by(handler, sub) or _gone_now()
        me = self.board.entry(handler.caller.id)
        if me and "" in told and self._own_digest(handler) != tuple(told[""]):
            news[me.sub] = me.own()
        if news:
            self._tell(handler, news)

    def _digest(self, handler: "Handler", sub: str) -> tuple[str, int]:
        seen = self.seen_by(handler, sub)
        return (seen.show, seen.since) if seen else GONE

    def _own_digest(self, handler: "Handler") -> tuple[str, int]:
        me = self.board.entry(handler.caller.id)
        return (f"{me.choice.show} {me.choice.status}", 0) if me else GONE

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
            if told and (now == told or now.show == told.show == "offline"):
                continue
            self._told[place] = now
            for handler in self._watchers[place]:
                if not blocks.apart(handler.caller.id, member):
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
hooks.moved.append(lambda handler, watching: of(handler.node).moved(handler, watching))
hooks.detached.append(lambda handler: of(handler.node).detached(handler))
hooks.attached.append(lambda handler: of(handler.node).attached(handler))
hooks.departed.append(lambda handler: of(handler.node).departed(handler))
hooks.blocks_changed.append(lambda node, owner, member: of(node).blocks_changed(owner, member))
hooks.linked.append(lambda link: of(link.node).elsewhere.linked(link))
hooks.nodes_gone.append(lambda link, nodes: of(link.node).elsewhere.gone(link, nodes))


def _contribution(entry: Entry) -> Contribution | None:
    """What this node contributes to how a member is seen."""
    if not entry.visible:
        return None
    return Contribution(entry.rank, entry.shown, entry.choice.status, entry.since, entry.member)


def _by_site(members: list[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for start in range(0, len(members), CHUNK):
        rows = Member.objects.filter(id__in=members[start : start + CHUNK])
        for site_id, id in rows.values_list("site_id", "id"):
            found[site_id].append(id)
    return found


def _note_seen(node: "Node", site_id: int, members: list[int], at: int) -> None:
    def note(tx: "Transaction") -> None:
        for start in range(0, len(members), CHUNK):
            here = Member.objects.filter(site=site_id, id__in=members[start : start + CHUNK])
            here.filter(seen__lt=at).update(seen=at)

    node.journal.note(site_id, note)


@stored(PresenceSet)
def set_presence(tx: "Transaction", caller: "Caller", origin: "Handler", frame: PresenceSet) -> None:
    """Keeps the member's choice and shows it to others and to its own pages."""
    Member.objects.filter(site=caller.site_id, id=caller.id).update(show=frame.show, status=frame.status)
    tx.note(Note("choice", (caller.id, frame.show, frame.status), (names.member(caller.id),)))


@notes.on("choice")
def _chosen(node: "Node", member: int, show: Show, status: str) -> None:
    of(node).choose(member, Choice(show=show, status=status))


@at_once(PresenceIdle)
def set_idle(handler: "Handler", frame: PresenceIdle) -> None:
    """Notes whether a page has input."""
    if isinstance(handler, Visitor):
        handler.idle = frame.on
        handler.tell_home("idle", frame.on)
    else:
        of(handler.node).idle(handler, frame.on)
    handler.node.sessions.keep(handler)


@notes.on("session.idle")
def _idle_at_home(node: "Node", id: str, on: bool) -> None:
    if handler := node.sessions.here(id):
        of(node).idle(handler, on)


@at_once(PresenceWatch)
async def watch(handler: "Handler", frame: PresenceWatch) -> PresenceOk:
    """Tells how members are, and has the connection told of every change.

    Raises:
        Refusal: `forbidden` where a connection would watch more than `MAX_WATCH` members.
    """
    monitor = of(handler.node)
    site_id = handler.caller.site_id
    subs = dict.fromkeys(frame.members)
    if len(subs.keys() | (handler.watching or set())) > MAX_WATCH:
        raise Refusal("forbidden", f"A connection watches at most {MAX_WATCH} members.")
    others: dict[Place, Contributions] = {}
    if isinstance(handler, Visitor):
        handler.watching = {*(handler.watching or ()), *subs}
        handler.tell_home("watch", list(subs))
        others = await monitor.elsewhere.look((site_id, sub) for sub in subs)
    else:
        await monitor.watch(handler, subs)
    handler.node.sessions.keep(handler)
    seen = await database.read(_seen, site_id, handler.caller.id, list(subs))
    presence = {}
    for sub in subs:
        away = Presence(show="offline", status="", since=seen.get(sub, 0))
        theirs = others[site_id, sub].values() if (site_id, sub) in others else None
        presence[sub] = monitor.seen_by(handler, sub, theirs) or away
    return PresenceOk(presence=presence)


@notes.on("session.watch")
def _watch_at_home(node: "Node", id: str, subs: list[str]) -> None:
    if handler := node.sessions.here(id):
        node.spawn(of(node).watch(handler, subs))


@at_once(PresenceUnwatch)
def unwatch(handler: "Handler", frame: PresenceUnwatch) -> None:
    """Has the connection no longer told."""
    if isinstance(handler, Visitor):
        handler.watching = (handler.watching or set()) - set(frame.members)
        handler.tell_home("unwatch", frame.members)
    else:
        of(handler.node).unwatch(handler, frame.members)
    handler.node.sessions.keep(handler)


@notes.on("session.unwatch")
def _unwatch_at_home(node: "Node", id: str, subs: list[str]) -> None:
    if handler := node.sessions.here(id):
        of(node).unwatch(handler, subs)


def _seen(site_id: int, viewer: int, subs: list[str]) -> dict[str, int]:
    """When members were last seen; for those from whom the viewer is set apart, as it was when that began."""
    rows = Member.objects.filter(site=site_id, sub__in=subs).values_list("id", "sub", "seen")
    apart = Block.objects.filter(Q(owner=viewer) | Q(member=viewer), site=site_id)
    values = apart.values_list("owner", "member", "time")
    since = {(member if owner == viewer else owner): time for owner, member, time in values}
    return {sub: min(seen, since.get(member, seen)) or since.get(member, 0) for member, sub, seen in rows}

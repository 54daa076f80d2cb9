"""Presence across nodes: what each contributes to how a member is seen, and what this one knows of the others.

A node writes down how the members are that are connected to it, and tells the nodes at which somebody wants to
know. Here stand the contributions of other nodes, of the members that somebody here watches and of no others. The
bus may lose what it carries, so that all of it is read again every `RESYNC_S`, when the directory was lost, and when
a node is found. Where a node is gone (from one link, as the case may be, and not from another), its contributions
stay for the grace time of the site.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from im import notes
from im.events import Presence
from im.nodes import link as links
from im.nodes import names
from im.nodes.directory import Unreachable
from im.notes import Note
from presence.board import Place

if TYPE_CHECKING:
    from im.node import Node
    from im.nodes.link import Link
    from presence.monitor import Monitor

logger = logging.getLogger(__name__)

RESYNC_S = 10.0
FOUND_S = 0.2
"""How long after the last node was found the others are asked, in seconds: by then it has said how its members are."""
AGAIN_BEATS = 3
"""Within how many beats a node that is alive has registered again with a directory that was lost."""
CHUNK = 1_000


class Contribution(msgspec.Struct, array_like=True, frozen=True):
    """How a member is, as one node sees it. `rank`: the lowest of all nodes' is how the member is."""

    rank: int
    show: str
    status: str
    since: int
    member: int

    def public(self) -> Presence:
        """What others see."""
        return Presence(show=self.show, status=self.status, since=self.since)  # type: ignore[arg-type]


Contributions = dict[str, Contribution]
_decoder = msgspec.msgpack.Decoder(Contribution)


def together(contributions: Iterable[Contribution]) -> Contribution | None:
    """How a member is, from what all nodes contribute; None where none does."""
    return min(contributions, key=lambda each: (each.rank, -each.since), default=None)


class Elsewhere:
    """What a node's monitor knows of other nodes."""

    def __init__(self, monitor: "Monitor") -> None:
        self._monitor = monitor
        self._node = monitor.node
        self._known: dict[Place, Contributions] = {}
        # Told since the reading that is under way began, so that it is older.
        self._news: set[Place] = set()
        self._reading = 0
        # How many notes this node has sent, and the number of the last that each other has.
        self._sent = 0
        self._heard: dict[str, int] = {}
        # Nodes that are gone from a link and whose grace time is not over.
        self._going: set[tuple[Link, str]] = set()
        if any(link.directory.shared for link in self._node.links):
            self._node.spawn(self._watch_over())

    def of(self, place: Place) -> Iterable[Contribution]:
        """What other nodes contribute to a member that is watched here."""
        return self._known.get(place, {}).values()

    def show(self, place: Place, mine: Contribution | None) -> None:
        """Lets other nodes know what this one contributes now."""
        site_id, sub = place
        link = self._node.link(site_id)
        if link.directory.shared:
            value = msgspec.msgpack.encode(mine) if mine else None
            link.write(book(site_id), sub, value)
            self._sent += 1
            told = (site_id, sub, self._node.id, value, self._sent)
            link.note(Note("presence", told, (names.watched(site_id, sub),)))

    def told(self, place: Place, node: str, value: bytes | None, number: int) -> None:
        """Another node tells what it contributes now. What is overtaken on the way is looked up instead."""
        if number < self._heard.get(node, 0):
            self._node.spawn(self.learn([place] if self._monitor.watches(place) else []))
            return
        self._heard[node] = number
        self.hear(place, node, value)

    def hear(self, place: Place, node: str, value: bytes | None) -> None:
        """Another node contributes something else now."""
        if not self._monitor.watches(place):
            return
        if self._reading:
            self._news.add(place)
        known = self._known.setdefault(place, {})
        before = known.pop(node, None)
        now = _decoder.decode(value) if value is not None else None
        if now:
            known[node] = now
        elif not known:
            del self._known[place]
        if either := now or before:
            self._monitor.changed(place, either.member)

    def forget(self, place: Place) -> None:
        """Nobody here watches the member any more."""
        self._known.pop(place, None)

    async def learn(self, places: Iterable[Place]) -> None:
        """Asks what other nodes contribute to members that are watched here from now on, and has changes told."""
        places = list(places)
        if not any(self._node.link(site_id).others for site_id, _ in places):
            return
        self._reading += 1
        try:
            found = await self.look(places)
            lacking = [place for place, now in found.items() if self._known.get(place, {}).keys() - now.keys()]
            alive = await self._alive({self._node.link(site_id) for site_id, _ in lacking})
        finally:
            self._reading -= 1
            news = set(self._news)
            if not self._reading:
                self._news.clear()
        for place in places:
            if place in found and place not in news and self._monitor.watches(place):
                before = self._known.pop(place, {})
                link = self._node.link(place[0])
                kept = {node for node in before if (link, node) in self._going or (link, node) not in alive}
                now = {node: before[node] for node in kept} | found[place]
                if now:
                    self._known[place] = now
                if now != before:
                    self._monitor.changed(place, next(iter((now or before).values())).member)

    async def _alive(self, over: Iterable["Link"]) -> set[tuple["Link", str]]:
        """The nodes that directories know: what one that came back empty has not, says nothing of the others."""
        found: set[tuple[Link, str]] = set()
        for link in over:
            with suppress(Unreachable):
                found |= {(link, node) for node in await link.directory.others()}
        return found

    async def look(self, places: Iterable[Place]) -> dict[Place, Contributions]:
        """What other nodes contribute to members; without those of whom the directory does not tell just now."""
        by_site: dict[int, list[str]] = defaultdict(list)
        for site_id, sub in places:
            by_site[site_id].append(sub)
        found: dict[Place, Contributions] = {}
        for site_id, subs in by_site.items():
            link = self._node.link(site_id)
            for start in range(0, len(subs), CHUNK):
                chunk = subs[start : start + CHUNK]
                try:
                    values = await link.directory.read(book(site_id), chunk, link.others) if link.others else {}
                except Unreachable:
                    continue
                for sub in chunk:
                    told = values.get(sub, {})
                    found[site_id, sub] = {node: _decoder.decode(value) for node, value in told.items()}
        return found

    async def visible(self, site_id: int, most: int) -> tuple[int, set[int]]:
        """How many members of a site others nodes see, and (of a large site not all of) their ids."""
        link = self._node.link(site_id)
        try:
            count, values = await link.directory.scan(book(site_id), most, link.others) if link.others else (0, [])
        except Unreachable:
            return 0, set()
        return count, {_decoder.decode(value).member for value in values}

    # faults

    def linked(self, link: "Link") -> None:
        """A directory knows nothing of this node: says again how its members are, and asks how the others' are."""
        for site_id, sub, mine in self._monitor.contributions():
            if self._node.link(site_id) is link:
                link.write(book(site_id), sub, msgspec.msgpack.encode(mine))
        self.found(link)

    def found(self, link: "Link") -> None:
        """Nodes are there of which nothing is known yet, or not the latest."""
        self._node.wheel.set(("found", link), FOUND_S, partial(self._resync, link))

    def gone(self, link: "Link", nodes: frozenset[str]) -> None:
        """Nodes are no longer there: their members are until the grace time is over, and then gone."""
        graces = (self._monitor.grace(place) for place in self._known_over(link))
        grace = max([AGAIN_BEATS * links.BEAT_S, *graces])
        for node in nodes:
            self._going.add((link, node))
            self._node.wheel.set(("node", link, node), grace, partial(self._drop, link, node))
        self._node.spawn(self._note_seen(link, nodes))

    def _drop(self, link: "Link", node: str) -> None:
        self._going.discard((link, node))
        if node in link.others:
            return
        self._heard.pop(node, None)
        for place in self._known_over(link):
            if node in self._known[place]:
                self.hear(place, node, None)

    async def _note_seen(self, link: "Link", nodes: frozenset[str]) -> None:
        """Of the nodes that are left one notes when the members of those that are gone were last seen."""
        if self._node.id != min({self._node.id, *link.others}):
            return
        for node in nodes:
            try:
                had = {name: id for name in await link.directory.names_of(node) if (id := names.member_of(name))}
                if not had:
                    continue
                elsewhere = set().union(*(await link.directory.locate(list(had), link.others)).values())
            except Unreachable:
                continue
            members = [id for name, id in had.items() if name not in elsewhere]
            await self._monitor.note_seen([member for member in members if not self._node.router.handlers(member)])

    async def _watch_over(self) -> None:
        while True:
            await asyncio.sleep(RESYNC_S)
            for link in self._node.links:
                try:
                    await self.learn(self._watched(link))
                except Exception:
                    logger.exception("How members are at other nodes could not be read")

    def _resync(self, link: "Link") -> None:
        self._going -= {(link, node) for node in link.others}
        self._node.spawn(self.learn(self._watched(link)))

    def _known_over(self, link: "Link") -> list[Place]:
        return [place for place in self._known if self._node.link(place[0]) is link]

    def _watched(self, link: "Link") -> list[Place]:
        return [place for place in self._monitor.places() if self._node.link(place[0]) is link]


def book(site_id: int) -> str:
    """The book in which the nodes write how a site's members are."""
    return f"presence:{site_id}"


@notes.on("presence")
def _hear(node: "Node", site_id: int, sub: str, other: str, value: bytes | None, number: int) -> None:
    from presence import monitor

    if other != node.id:
        monitor.of(node).elsewhere.told((site_id, sub), other, value, number)

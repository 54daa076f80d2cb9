"""A node: one process with its router, journal, timers, feeds and sessions, and its links to the other nodes.

Made when the first connection needs it. What is stored here goes to `publish`, and comes back, from here and from
other nodes alike, to `hand_on`: through the site's feed to the router. The once-a-second look at the sites' stored
versions finds what no message has told.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Collection, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any
from zlib import crc32

from django.conf import settings

from im import database, hooks, notes, rosters
from im.blocks import BlocksHere, Known
from im.commit import Commit
from im.ending import end
from im.errors import CLOSE_RESTART, encode
from im.events import Closing
from im.feed import Feed
from im.handler import Handler
from im.journal import Journal
from im.members import Chosen
from im.models import SiteVersion
from im.nodes import layers, names
from im.nodes.link import Link
from im.notes import Note
from im.rates import Rates
from im.router import Present, Router
from im.sessions import Sessions
from im.transaction import Transaction
from im.wheel import Wheel

logger = logging.getLogger(__name__)

DRAIN_MS = 3_000
"""Over how many milliseconds the clients of a node that ends are spread when they come back."""
LINK_S = 2.0
"""How long a node that begins waits for its links before it takes connections, in seconds."""
COMPARE_S = 1.0
"""How often the feeds are compared with what is stored, in seconds."""


class Node:
    """What the connections of one process share. Lives in one event loop."""

    def __init__(self, ends: layers.Ends = layers.from_settings) -> None:
        self.loop = asyncio.get_running_loop()
        self.id = f"{settings.NODE_NAME}-{secrets.token_urlsafe(6)}"
        self.router = Router()
        self.journal = Journal(self.publish, self.hear)
        self.wheel = Wheel()
        self.blocks = BlocksHere(self)
        self.feeds: dict[int, Feed] = {}
        self.sessions = Sessions(self)
        self.draining = False
        # What other parts of the product keep for this node, by its class.
        self.parts: dict[type, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # A site, a session and an address each have one of the links.
        self.links = [Link(self, layer, directory) for layer, directory in ends(self.id)]
        self.rates = Rates(self)
        for hook in hooks.started:
            hook(self)
        self._comparing = self.loop.create_task(self._compare())

    # other nodes

    def link(self, site_id: int) -> Link:
        """The link over which nodes speak of a site."""
        return self.links[site_id % len(self.links)]

    def link_of(self, name: str) -> Link:
        """The link whose directory has what is called so."""
        return self.links[crc32(name.encode()) % len(self.links)]

    def names(self, link: Link) -> list[str]:
        """All that this node has, as the link's directory names it."""
        found = [names.site(site_id) for site_id in self.feeds if self.link(site_id) is link]
        found += [names.member(id) for id, site_id in self.router.everybody() if self.link(site_id) is link]
        for part in self.parts.values():
            found += getattr(part, "names", lambda link: ())(link)
        return found

    def publish(self, commit: Commit) -> None:
        """Hands on what this node has stored, to its own connections and to other nodes."""
        self.link(commit.site_id).publish(commit)
        for event in commit.events:
            if event.origin is not None:
                self.sessions.made(event.origin, event.version)
        self.hand_on(commit)

    def hand_on(self, commit: Commit) -> None:
        """Takes a commit, from here or another node; sites without connections here need none."""
        feed = self.feeds.get(commit.site_id)
        if feed is not None:
            feed.take(commit)

    def hears(self, site_id: int) -> bool:
        """Whether this node is told of all that is stored of a site, or finds it out."""
        feed = self.feeds.get(site_id)
        return feed is not None and feed.version is not None

    async def linked(self) -> None:
        """Waits until the other nodes know of this one; not for a server that does not answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINK_S):
                for link in self.links:
                    await link.found.wait()

    def hear(self, note: Note) -> None:
        """Has a note take effect here."""
        notes.hear(self, note.kind, note.args)

    def tell_all(self, kind: str, *args: Any) -> None:
        """Has a note heard on all other nodes: over each link, so that any one that works will do."""
        for link in self.links:
            for other in link.others:
                link.note_to(other, kind, *args)

    def tell(self, site_id: int, members: Collection[int], data: bytes, origin: Handler) -> None:
        """Writes a frame that may be lost to members' connections everywhere, but for the one it comes from."""
        self.router.send(members, data, origin, origin.session or "")
        self.link(site_id).tell(members, data, origin.session or "")

    async def _compare(self) -> None:
        while True:
            await asyncio.sleep(COMPARE_S)
            feeds = {
                id: (feed, feed.epoch, feed.version) for id, feed in self.feeds.items() if feed.version is not None
            }
            if not feeds:
                continue
            try:
                stored = await database.read(_versions, list(feeds))
            except Exception as error:
                logger.info("The sites' versions could not be read: %s", error)
                continue
            for site_id, epoch, version in stored:
                feed, known, reached = feeds[site_id]
                if self.feeds.get(site_id) is not feed or feed.epoch != known:
                    continue
                if epoch != known:
                    logger.warning(
                        "The database of site %s is another one than before: its clients load afresh", site_id
                    )
                    feed.begin_anew()
                elif version < reached:
                    # Put back without a new epoch: it gets one first, so that nobody resumes from what is no more.
                    self.journal.note(site_id, partial(_rewound, site_id, epoch))
                else:
                    feed.expect(version)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs something beside; what goes wrong with it is logged, and no more."""
        task = self.loop.create_task(work)
        # The loop itself holds tasks only weakly.
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("Work beside the connections failed", exc_info=error)

    # connections

    def login(self, handler: Handler) -> Present:
        """A handler of a member is there: what is the member's is told to it from now on."""
        caller = handler.caller
        link = self.link(caller.site_id)
        feed = self.feeds.get(caller.site_id)
        if feed is None:
            feed = self.feeds[caller.site_id] = Feed(self, caller.site_id)
            link.enter(names.site(caller.site_id))
        feed.users += 1
        if not self.router.handlers(caller.id):
            link.enter(names.member(caller.id))
        return self.router.login(handler)

    def logout(self, handler: Handler) -> None:
        """A handler is no longer there."""
        caller = handler.caller
        link = self.link(caller.site_id)
        if self.router.logout(handler):
            self.blocks.forget(caller.id)
            link.leave(names.member(caller.id))
        feed = self.feeds[caller.site_id]
        feed.users -= 1
        if not feed.users:
            feed.close()
            del self.feeds[caller.site_id]
            rosters.forget_site(caller.site_id)
            link.leave(names.site(caller.site_id))

    def arrive(self, handler: Handler, version: int, chosen: Chosen, known: Known) -> None:
        """A connection was let in; its site was read as of `version`."""
        self.feeds[handler.caller.site_id].begin(handler.epoch, version)
        self.blocks.learn(handler.caller.id, known)
        for hook in hooks.arrived:
            hook(handler, chosen)

    def depart(self, handler: Handler) -> None:
        """A connection is gone for good."""
        if handler.gone:
            return
        handler.leave()
        self.logout(handler)
        for hook in hooks.departed:
            hook(handler)

    def drain(self) -> None:
        """Dismisses every connection; one that still catches up, or that nobody reads, is dismissed after that."""
        self.draining = True
        for handler in self.router.all():
            if handler.port is not None and handler.held is None:
                self.dismiss(handler)

    def dismiss(self, handler: Handler) -> None:
        """Tells a client to come back a little later, each at another time, and ends its connection.

        A session goes on where its events are asked for next.
        """
        handler.tell(encode(Closing(reason="restart", retry_ms=random.randint(0, DRAIN_MS))))
        if handler.port is not None:
            handler.port.close(CLOSE_RESTART, "restart")

    async def close(self) -> None:
        """Stores what was submitted, tells the other nodes, and ends."""
        self._comparing.cancel()
        await asyncio.to_thread(self.journal.stop)
        # What the journal has just stored is told in the next turns of the loop.
        await asyncio.sleep(0)
        # How far the sessions were told: their next reads come to other nodes.
        await self.sessions.settled()
        await end([self._comparing, *self._tasks])
        await asyncio.gather(*(link.close() for link in self.links))


def _versions(site_ids: list[int]) -> list[tuple[int, str, int]]:
    return list(SiteVersion.objects.filter(site__in=site_ids).values_list("site_id", "epoch", "version"))


def _rewound(site_id: int, epoch: str, tx: Transaction) -> None:
    tx.leave_epoch(site_id, epoch)


_current: Node | None = None


def running() -> Node | None:
    """The node of this process, if it has one. From any thread, which then may read but not call."""
    return _current


def current() -> Node:
    """The node of this process. Only to be called in the event loop."""
    global _current
    if _current is None or _current.loop is not asyncio.get_running_loop():
        _current = Node()
    return _current

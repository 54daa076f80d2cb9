"""A node's link to the others over one server: the node bus (one channel of a channel layer per node) and the
directory that says which node needs what.

What is put in is collected for a turn of the event loop, located with one look-up, and sent to each node as one
message: to a node that has recipients whole, to one that has others of the site just the numbers, to any other
nothing. A server that does not answer loses what was put in meanwhile, and what it knew: the nodes register again
with the first beat that succeeds, and `hooks.linked` tells those who have to find out what they missed.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from channels.exceptions import ChannelFull
from redis.exceptions import RedisError

from im import hooks, notes
from im.commit import Commit
from im.ending import end
from im.nodes import names
from im.nodes.directory import Directory, Unreachable
from im.notes import Note

if TYPE_CHECKING:
    from im.node import Node

logger = logging.getLogger(__name__)

BEAT_S = 1.0
QUEUE = 20_000
"""Items that wait to be sent at the most; beyond it they are lost, as on a bus that fails."""
MESSAGE_BYTES = 512 * 1024
AT_ONCE = 40
"""Nodes that are told something at the same time: each takes a connection, and a layer has 50."""
UP = "node.up"
"""What a node says that has just registered, for the first time or again."""
SETTLE_S = 1.0
"""How long a hello waits until the directory knows of it, in seconds; then the repair has to do."""

TROUBLE = (RedisError, OSError, TimeoutError, Unreachable)


class Layer(Protocol):
    """As much of a channel layer as the bus uses."""

    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...


class Tell(msgspec.Struct, array_like=True, tag="t"):
    """A frame that may be lost, for members' connections but that of a session."""

    members: list[int]
    data: bytes
    session: str


class Said(msgspec.Struct, array_like=True, tag="n"):
    """A note."""

    kind: str
    args: list[Any]


Part = Commit | Tell | Said
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Part])


class Link:
    """One server's part in a node's life. Lives in the node's event loop."""

    def __init__(self, node: "Node", layer: Layer, directory: Directory) -> None:
        self.node = node
        self.directory = directory
        self.others: frozenset[str] = frozenset()
        self.up = False
        # Once it has been up.
        self.found = asyncio.Event()
        self._layer = layer
        self._out: list[tuple[Part, tuple[str, ...], str | None]] = []
        self._changes: dict[str, bool] = {}
        self._books: dict[str, dict[str, bytes | None]] = {}
        self._wake = asyncio.Event()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._settled: asyncio.Future[None] = node.loop.create_future()
        self._writing = False
        # One after the other: an earlier change must not come to the directory after all was said afresh.
        self._entering = asyncio.Lock()
        self._ending = False
        work: list[Callable[[], Any]] = [self._beat, self._send, self._receive]
        self._tasks = [node.loop.create_task(each()) for each in work]

    # what is put in

    def publish(self, commit: Commit) -> None:
        """Tells the nodes that have members of the site of a stored change."""
        if self._heard:
            self._put(commit, commit.names(), None)

    def tell(self, members: Iterable[int], data: bytes, session: str) -> None:
        """Has a frame that may be lost written to the members' connections on other nodes."""
        ids = list(members)
        self._put(Tell(ids, data, session), tuple(names.member(id) for id in ids), None)

    def note(self, note: Note) -> None:
        """Tells the nodes that have one of the note's names."""
        self._put(Said(note.kind, list(note.args or ())), note.names, None)

    def note_to(self, other: str, kind: str, *args: Any) -> None:
        """Tells one node; none where it is gone."""
        self._put(Said(kind, list(args)), (), other)

    @property
    def _heard(self) -> bool:
        """Whether there is another node to hear anything."""
        return self.up and bool(self.others)

    def _put(self, part: Part, wanted: tuple[str, ...], other: str | None) -> None:
        if self._heard and len(self._out) < QUEUE:
            self._out.append((part, wanted, other))
            self._wake.set()

    def enter(self, name: str) -> None:
        """This node has it now."""
        self._changes[name] = True
        self._wake.set()

    def leave(self, name: str) -> None:
        """This node has it no longer."""
        self._changes[name] = False
        self._wake.set()

    def write(self, book: str, field: str, value: bytes | None) -> None:
        """Puts a value into a book, or takes it out; before what is told from now on."""
        if self.directory.shared:
            self._books.setdefault(book, {})[field] = value
            self._wake.set()

    async def settled(self) -> None:
        """Waits until the directory knows what was entered before; not for one that does not answer."""
        if self.up and (self._changes or self._writing):
            # What is being written now may have begun before: then it is the next writing that tells.
            rounds = 2 if self._changes and self._writing else 1
            with suppress(TimeoutError):
                for _ in range(rounds):
                    await asyncio.wait_for(asyncio.shield(self._settled), SETTLE_S)

    # sending

    async def _send(self) -> None:
        while not self._ending:
            await self._wake.wait()
            self._wake.clear()
            if not self.up:
                # The beat that finds the server again registers everything afresh.
                self._out.clear()
                continue
            try:
                async with self._entering:
                    await self._enter()
                await self._deliver()
            except TROUBLE as error:
                self.lost(error)
            except Exception as error:
                # Something that cannot be sent must not end all sending: it is lost, and what went with it repaired.
                logger.exception("What was put in could not be sent")
                self.lost(error)

    async def _enter(self) -> None:
        changes, self._changes = self._changes, {}
        books, self._books = self._books, {}
        self._writing = True
        try:
            while books:
                book = next(iter(books))
                await self.directory.write(book, books[book])
                del books[book]
            if changes:
                entered = [name for name, has in changes.items() if has]
                await self.directory.change(entered, [name for name, has in changes.items() if not has])
        finally:
            # What was not written still has to be: above all what is to be taken out, which nobody says again.
            for book, fields in books.items():
                self._books[book] = fields | self._books.get(book, {})
            self._writing = False
            settled, self._settled = self._settled, self.node.loop.create_future()
            settled.set_result(None)

    async def _deliver(self) -> None:
        items, self._out = self._out, []
        if not items:
            return
        others = self.others
        wanted = list({name for _, names, _ in items for name in names})
        located = await self.directory.locate(wanted, others) if wanted else {}
        await asyncio.gather(*(self._deliver_to(other, located.get(other, set()), items) for other in others))

    async def _deliver_to(
        self, other: str, has: set[str], items: list[tuple[Part, tuple[str, ...], str | None]]
    ) -> None:
        parts: list[Part] = []
        size = 0
        for part, wanted, to in items:
            if to != other if to is not None else not has.intersection(wanted):
                continue
            if isinstance(part, Commit):
                if names.site(part.site_id) not in has:
                    continue
                part = part.trimmed(has)
            weight = part.weight() if isinstance(part, Commit) else 0
            if size + weight > MESSAGE_BYTES and parts:
                await self._message(other, parts)
                parts, size = [], 0
            parts.append(part)
            size += weight
        if parts:
            await self._message(other, parts)

    async def _message(self, other: str, parts: list[Part]) -> None:
        try:
            async with self._turns:
                await self._layer.send(*message(other, self.node.id, parts))
        except ChannelFull:
            # It does not read: when it does again, it finds the gap and fetches what is missing.
            logger.info("The channel of node %s is full", other)

    # receiving

    async def _receive(self) -> None:
        while not self._ending:
            try:
                message = await self._layer.receive(channel(self.node.id))
            except TROUBLE as error:
                self.lost(error)
                await asyncio.sleep(BEAT_S / 2)
                continue
            except Exception:
                logger.exception("A message of another node could not be received")
                await asyncio.sleep(BEAT_S / 2)
                continue
            try:
                self._take(message)
            except Exception:
                logger.exception("A message of another node could not be taken")

    def _take(self, message: dict[str, Any]) -> None:
        if (sender := message["sender"]) not in self.others and sender not in (self.node.id, ""):
            self._see(self.others | {sender})
        for part in _decoder.decode(message["body"]):
            try:
                if isinstance(part, Commit):
                    self.node.hand_on(part)
                elif isinstance(part, Tell):
                    self.node.router.send(part.members, part.data, session=part.session)
                elif part.kind == UP:
                    self._found()
                else:
                    notes.hear(self.node, part.kind, tuple(part.args))
            except Exception:
                logger.exception("What another node tells could not be taken")

    # the beat

    async def _beat(self) -> None:
        while not self._ending:
            try:
                pulse = await self.directory.beat()
                anew = pulse.forgotten or not self.up
                # Until it has registered: whatever goes wrong here, the next beat tries again.
                self.up = self.up and not pulse.forgotten
                if anew:
                    await self._register()
                self._see(pulse.others)
                for other in pulse.others if anew else ():
                    self.note_to(other, UP)
            except TROUBLE as error:
                self.lost(error)
            except Exception:
                logger.exception("A beat failed")
            await asyncio.sleep(BEAT_S)

    async def _register(self) -> None:
        """Says all that this node has: to a new directory, or to one that has forgotten it."""
        async with self._entering:
            self._changes.clear()
            await self.directory.change(self.node.names(self), (), afresh=True)
        found, self.up = not self.up, True
        self.found.set()
        if found:
            logger.info("Node %s is linked", self.node.id)
        for hook in hooks.linked:
            hook(self)
        # What was entered meanwhile is in the next change.
        self._wake.set()

    def _see(self, others: frozenset[str]) -> None:
        """These are there, and no others."""
        gone, found, self.others = self.others - others, others - self.others, others
        if found:
            self._found()
        for hook in hooks.nodes_gone if gone else ():
            hook(self, gone)

    def _found(self) -> None:
        for hook in hooks.nodes_found:
            hook(self)

    def lost(self, error: BaseException) -> None:
        """The server does not answer: with the next beat that succeeds this node registers again."""
        if self.up:
            self.up = False
            logger.warning("Node %s cannot reach the others for now: %s", self.node.id, error)
        self._out.clear()

    async def close(self) -> None:
        """Sends what waits, and ends; the others take this node for gone from now on."""
        if self.up and self._out:
            with suppress(*TROUBLE):
                await asyncio.wait_for(self._deliver(), SETTLE_S)
        await self.stop()
        with suppress(*TROUBLE):
            await self.directory.leave()
        await self.directory.close()

    async def stop(self) -> None:
        """Ends its work without a word to anybody."""
        self._ending = True
        await end(self._tasks)
        # Timers of the node may still go off: there is nobody left to ask.
        self.up, self.others = False, frozenset()


def channel(node: str) -> str:
    """The channel of a node."""
    return f"node.{node}"


def message(to: str, sender: str, parts: list[Part]) -> tuple[str, dict[str, Any]]:
    """What nodes tell each other, as a channel layer takes it: the channel, and the message."""
    return channel(to), {"type": "node.bus", "sender": sender, "body": _encoder.encode(parts)}

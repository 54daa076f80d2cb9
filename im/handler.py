"""The client handler: one small object per connection, with no task of its own.

Frames of a connection take effect in the order in which they came. Those that the journal stores follow each
other without waiting, because the journal keeps their order; any other frame waits for what is under way. What
waits is bounded: a transport asks `congested` and reads no further until it is over.

An HTTP session is a handler whose port comes and goes. While it has none, stored changes are not kept for it:
the next port begins with what is missing, from the database.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from im import database, dispatch, limits, replay
from im.caller import Caller
from im.errors import CLOSE_BAD_FRAMES, CLOSE_FLOODING, CLOSE_REPLACED, CLOSE_TOO_LARGE, Refusal, encode
from im.events import Ok
from im.journal import Write
from im.protocol import (
    ConversationCreate,
    ConversationInvite,
    ConversationLeave,
    ConversationRename,
    Frame,
    Hello,
    MessageSend,
    decode,
)

if TYPE_CHECKING:
    from im.node import Node
    from im.router import Present

logger = logging.getLogger(__name__)

Answer = Callable[[bytes | None], None]
"""Takes the answer to one frame; None where there is none to give."""

BACKLOG = 64
HELD = 10_000

NONE: set[int] = set()
"""What a connection that is no session keeps of its own versions: nothing, and all share it."""

SHAPING = (ConversationCreate, ConversationInvite, ConversationLeave, ConversationRename)
"""Frames that are told to each member of a conversation in its own words, and so have a rate of their own."""

_tasks: set[asyncio.Task[None]] = set()


class Port(Protocol):
    """A transport's way out."""

    def write(self, data: bytes, version: int | None) -> None:
        """Sends a frame; `version` where it moves the cursor."""

    def close(self, code: int, reason: str) -> None:
        """Ends the connection, after what was written."""


class Handler:
    """A member's side of one connection."""

    __slots__ = (
        "backlog", "bad", "caller", "epoch", "flood", "flying", "gone", "held", "idle", "node", "own", "port",
        "present", "session", "storing", "told", "version", "waiter", "watching",
    )  # fmt: skip

    def __init__(self, node: "Node", caller: Caller, port: Port | None, *, present: "Present | None" = None) -> None:
        self.node = node
        self.caller = caller
        self.port = port
        self.epoch = ""
        self.version = 0
        # What is told while the connection still catches up, in order.
        self.held: list[tuple[int | None, bytes]] | None = []
        self.session: str | None = None
        # Versions that a session made itself and that its next port shall not repeat.
        self.own: set[int] = NONE
        self.backlog: deque[tuple[Frame, Answer]] | None = None
        self.flying = 0
        self.gone = False
        self.storing = True
        self.idle = False
        self.watching: set[str] | None = None
        # How those that a session watches were when its last port ended: what a next one need not be told.
        self.told: dict[str, str] | None = None
        self.bad: limits.Window | None = None
        self.flood: limits.Window | None = None
        self.waiter: asyncio.Future[None] | None = None
        # One that is given the member's rates is no connection: nothing is told to it.
        self.present = node.login(self) if present is None else present

    # in

    def on_frame(self, data: bytes | str, answer: Answer | None = None) -> None:
        """Takes a frame. `answer` is called exactly once, with the answer if there is one to give."""
        answer = answer or self._write_answer
        try:
            frame = decode(data)
            self._check_rate(frame)
            if isinstance(frame, Hello):
                raise Refusal("bad-frame", "A connection says hello once.", id=frame.id)
        except Refusal as refusal:
            answer(refusal.encode(refusal.id))
            self._count_violation(refusal)
            return
        if self.flying and not (self.storing and not self.backlog and dispatch.routes[type(frame)].kind == "stored"):
            if self.backlog is None:
                self.backlog = deque()
            self.backlog.append((frame, answer))
        else:
            self._run(frame, answer)

    @property
    def congested(self) -> bool:
        """True while so many frames wait that no more should be read."""
        return self.flying + len(self.backlog or ()) >= BACKLOG

    def _check_rate(self, frame: Frame) -> None:
        if not self.caller.site.limited:
            return
        wait = self.present.take_frame()
        if not wait and isinstance(frame, MessageSend):
            wait = self.present.take_send()
        elif not wait and isinstance(frame, SHAPING):
            wait = self.present.take_shape()
        if wait:
            raise Refusal("rate-limited", "That was too fast.", retry_ms=wait, id=frame.id)

    def _count_violation(self, refusal: Refusal) -> None:
        if refusal.code == "rate-limited":
            self.flood = self.flood or limits.Window()
            if self.flood.add(limits.FLOOD_S) > limits.FLOOD:
                self.close(CLOSE_FLOODING, "flooding")
        elif refusal.code == "too-large":
            if self.session is None:
                self.close(CLOSE_TOO_LARGE, "too large")
        else:
            self.bad = self.bad or limits.Window()
            if self.bad.add(limits.BAD_FRAMES_S) >= limits.BAD_FRAMES:
                self.close(CLOSE_BAD_FRAMES, "bad frames")

    def _run(self, frame: Frame, answer: Answer) -> None:
        route = dispatch.routes[type(frame)]
        self.flying += 1
        self.storing = route.kind == "stored"
        finish = partial(self._finish, frame, answer)
        if route.kind == "stored":
            run = partial(self._store, route.service, frame)
            room, sent = route.wants(self.caller, frame) if route.wants else (None, None)
            self.node.journal.submit(Write(self.caller.site_id, run, finish, room, sent))
        elif route.kind == "looked_up":
            _spawn(self._wait(database.read(route.service, self.caller, frame), finish))
        else:
            try:
                result = route.service(self, frame)
            except Refusal as refusal:
                result = refusal
            if asyncio.iscoroutine(result):
                _spawn(self._wait(result, finish))
            else:
                finish(result)

    def _store(self, service: dispatch.Service, frame: Frame, tx: Any) -> Any:
        return service(tx, self.caller, self, frame)

    async def _wait(self, work: Coroutine[Any, Any, Any], finish: Callable[[Any], None]) -> None:
        try:
            result = await work
        except Refusal as refusal:
            result = refusal
        except Exception:
            logger.exception("A frame could not be answered")
            result = Refusal("unavailable", "The service does not answer; try again.", retry_ms=1000)
        finish(result)

    def _finish(self, frame: Frame, answer: Answer, result: Ok | Refusal | None) -> None:
        if frame.id is None:
            answer(None)
        elif isinstance(result, Refusal):
            answer(result.encode(frame.id))
        else:
            reply = result or Ok()
            reply.id = frame.id
            answer(encode(reply))
        self.flying -= 1
        while self.backlog and not self.flying:
            self._run(*self.backlog.popleft())
        if self.waiter is not None and not self.congested:
            # Its consumer may have been cancelled meanwhile.
            if not self.waiter.done():
                self.waiter.set_result(None)
            self.waiter = None

    def apart(self, other: int) -> bool:
        """True where its member and another have nothing to do with each other, because one has blocked the other."""
        return self.node.blocks.apart(self.caller.id, other)

    def leave(self) -> None:
        """The connection is gone: frames that still wait take no effect, and nothing is written any more."""
        self.gone, self.port = True, None
        while self.backlog:
            _, answer = self.backlog.popleft()
            answer(None)

    def disconnected(self, code: int) -> None:
        """The connection pool tells that the connection is over."""
        self.node.depart(self)

    async def uncongested(self) -> None:
        """Waits until more frames may be read."""
        if self.congested:
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter

    # out

    def _write_answer(self, data: bytes | None) -> None:
        if data is not None and self.port is not None:
            self.port.write(data, None)

    def deliver(self, version: int, data: bytes) -> None:
        """Writes a stored change, once and in the order of versions."""
        if self.held is not None:
            self._hold(version, data)
        elif version > self.version and self.port is not None:
            self.version = version
            self.port.write(data, version)

    def tell(self, data: bytes) -> None:
        """Writes what may be lost."""
        if self.held is not None:
            self._hold(None, data)
        elif self.port is not None:
            self.port.write(data, None)

    def skip(self, version: int) -> None:
        """A change that came from here: not to be written."""
        if self.session is not None and (self.port is None or self.held is not None):
            self.own.add(version)
        elif self.held is None:
            self.version = max(self.version, version)

    def close(self, code: int, reason: str) -> None:
        """Ends the connection from this side."""
        if self.port is not None:
            self.port.close(code, reason)
        if self.session is not None:
            self.node.sessions.ended(self.session)

    def _hold(self, version: int | None, data: bytes) -> None:
        assert self.held is not None
        self.held.append((version, data))
        if len(self.held) > HELD:
            self.close(CLOSE_FLOODING, "too slow")

    def release(self, changes: list[replay.Change], up_to: int) -> None:
        """Writes what was missed up to a version, then what came after; from now on all is written as it comes."""
        held, self.held = self.held or [], None
        for version, data in changes:
            # A session's next port begins where the last one ended, which may be within one version.
            if self.port is not None and version not in self.own:
                self.version = max(self.version, version)
                self.port.write(data, version)
        self.version = max(self.version, up_to)
        for known, data in held:
            if known is None:
                self.tell(data)
            else:
                self.deliver(known, data)

    # sessions

    def become_session(self, id: str, version: int) -> None:
        """Makes this the handler of an HTTP session that has been told all up to `version`."""
        self.session, self.own = id, set()
        self.version, self.held = version, None

    def recall(self, own: set[int]) -> None:
        """A session's record tells which versions it made itself, at whatever node."""
        self.own = {version for version in self.own | own if version > self.version}

    async def attach(self, port: Port, version: int | None = None) -> None:
        """Gives a session a port, which begins with all changes since `version` (or since the last port ended).

        A process that dies meanwhile has moved no cursor: the client asks again.

        Raises:
            Refusal: `not-found` where too much was missed, or the database was put back; the client begins anew.
        """
        if self.port is not None:
            self.port.close(CLOSE_REPLACED, "replaced")
        before, self.port, self.held = self.version, port, []
        try:
            begin = before if version is None else version
            begin, changes, up_to = await database.read(_changes_since, self.caller, begin, before, self.epoch)
        except (replay.TooMuch, replay.Elsewhere):
            self.node.sessions.ended(self.session or "")
            raise Refusal("not-found", "Too much was missed; begin a new session.") from None
        # Another port may have taken this one's place, and be further.
        if self.port is port:
            self.version = begin
            self.recall(NONE)
            self.release(changes, up_to)

    def detach(self) -> None:
        """Takes a session's port away."""
        self.port, self.held = None, None


def _changes_since(caller: Caller, begin: int, before: int, epoch: str) -> tuple[int, list[replay.Change], int]:
    """Where it begins, what follows, and up to where. A position that is yet to come is not one to begin from."""
    with database.snapshot():
        position = replay.position(caller.site_id)
        if position.epoch != epoch or position.version < before:
            raise replay.Elsewhere
        begin = begin if begin <= position.version else before
        return begin, replay.since(caller.site_id, caller.id, begin, position.epoch), position.version


def _spawn(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    # The loop itself holds tasks only weakly.
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)

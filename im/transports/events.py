"""A session's events: as server-sent events, as an endless stream of lines, or by long poll.

Each request begins where the last one ended, or where the client says that it lost the thread (`Last-Event-ID`,
`?cursor=`). A stream is one handler's port for as long as it is open, a poll until it has something to tell. Where the
server has a connection pool, the port is all that is left of the request: it owns the connection there.
"""

import asyncio
from typing import Any
from urllib.parse import parse_qs

from im import cursor
from im.errors import Refusal
from im.handler import Handler
from im.records import UNAVAILABLE
from im.transports.base import GONE, Outbox
from im.transports.http import SessionConsumer

KEEP_ALIVE_S = 20.0
"""How long a stream is silent at the most, in seconds, so that proxies keep it and a dead one is noticed."""
MAX_WAIT_S = 55
DEFAULT_WAIT_S = 25

STREAM_HEADERS = [(b"x-accel-buffering", b"no")]


class SessionPort:
    """A session's way out through one request. `out` is the consumer's outbox, or the connection in the pool."""

    __slots__ = ("handler", "out")
    silence = b""

    def __init__(self, out: Any) -> None:
        # None until the session is found, and brought here.
        self.handler: Handler | None = None
        self.out = out

    def release(self, version: int | None = None) -> None:
        """The session's events are not read here any more; what was told beyond `version` did not arrive."""
        handler = self.handler
        if handler is not None and handler.port is self:
            handler.node.sessions.detach(handler, self, version)
            handler.node.sessions.keep(handler)

    def disconnected(self, code: int) -> None:
        """The client is gone, or has its answer."""
        self.release()

    def take(self, connection: Any) -> "SessionPort":
        """Goes on in the pool."""
        self.out.pour(connection)
        self.out = connection
        return self

    def write(self, data: bytes, version: int | None) -> None:
        """Sends a frame, in the form that the client accepts."""
        raise NotImplementedError

    def close(self, code: int, reason: str) -> None:
        """Ends the answer; the session's next request goes on from there."""
        # Not at once: it may be that another port is just about to take its place.
        asyncio.get_running_loop().call_soon(self.release)
        self.out.close(code, reason)


class LineStream(SessionPort):
    """An endless stream of lines of JSON."""

    __slots__ = ()
    content_type = b"application/x-ndjson"
    silence = b"\n"

    def write(self, data: bytes, version: int | None) -> None:
        self.out.write(data + b"\n")


class EventStream(SessionPort):
    """Server-sent events."""

    __slots__ = ()
    content_type = b"text/event-stream; charset=utf-8"
    silence = b": \n\n"

    def write(self, data: bytes, version: int | None) -> None:
        if version is None:
            self.out.write(b"data: " + data + b"\n\n")
        else:
            # The cursor is the last field of an event that has one.
            at = data[data.rindex(b'"cursor":"') + len(b'"cursor":"') : -len(b'"}')]
            self.out.write(b"id: " + at + b"\ndata: " + data + b"\n\n")


class Poll(SessionPort):
    """A long poll: answers with all that was told in one turn, or with nothing when its time is over."""

    __slots__ = ("answered", "before", "parts")

    def __init__(self, out: Any) -> None:
        super().__init__(out)
        self.before: int | None = None
        self.parts: list[bytes] = []
        self.answered = False

    def wait(self, handler: Handler, seconds: float) -> None:
        """Answers after this time at the latest."""
        handler.node.wheel.set(self, seconds, self.answer)

    def answer(self) -> None:
        """Answers with what there is; what comes from now on is the next request's."""
        self.close(1000, "")

    def disconnected(self, code: int) -> None:
        # What it has collected and not sent is the next one's.
        self.release(None if self.answered else self.before)

    def release(self, version: int | None = None) -> None:
        if self.handler is not None:
            self.handler.node.wheel.cancel(self)
        super().release(version)

    def write(self, data: bytes, version: int | None) -> None:
        if not self.parts:
            asyncio.get_running_loop().call_soon(self.answer)
        self.parts.append(data)

    def close(self, code: int, reason: str) -> None:
        if self.answered:
            return
        self.answered = True
        if self.handler is None:
            # Replaced before it began.
            self._send(code, reason)
            return
        self.handler.node.wheel.cancel(self)
        self.handler.node.sessions.detach(self.handler, self)
        self.handler.node.spawn(self._save_and_send(self.handler, code, reason))

    async def _save_and_send(self, handler: Handler, code: int, reason: str) -> None:
        # In this order: the next request may come to another node.
        if not await handler.node.sessions.save(handler) and self.parts and handler.port is None:
            # Whether it is written down nobody knows, so there is no answer: the client says itself where it goes on.
            handler.version = handler.version if self.before is None else self.before
            handler.told = {}
            self.out.abort()
        else:
            self._send(code, reason)

    def _send(self, code: int, reason: str) -> None:
        self.out.write(b"[" + b",".join(self.parts) + b"]")
        self.out.close(code, reason)


FORMS: dict[str, type[LineStream | EventStream]] = {
    "text/event-stream": EventStream,
    "application/x-ndjson": LineStream,
}


class EventsConsumer(SessionConsumer):
    """`GET /im/v1/sessions/<session>/events`: the kind of answer is what the client accepts."""

    methods = ("GET",)
    port: SessionPort | None = None

    async def answer(self) -> None:
        """Becomes the session's port."""
        handler = await self.session()
        self.query = parse_qs(self.scope["query_string"].decode("latin-1"))
        accept = self.header(b"accept") or ""
        at = self._cursor(handler)
        kind = next((form for name, form in FORMS.items() if name in accept), None)
        if kind is not None:
            await self._stream(at, kind)
        else:
            await self._poll(at)

    def gone(self) -> None:
        """The client is gone."""
        self.node.wheel.cancel(self)
        if self.port is not None:
            self.port.disconnected(1006)

    def _cursor(self, handler: Handler) -> int | None:
        """Where the client wants to go on from, if it says so and the position is one of this site."""
        named = self.header(b"last-event-id") or next(iter(self.query.get("cursor", [])), None)
        at = cursor.parse(named) if named else None
        return at.version if at and at.epoch == handler.epoch and not at.expired else None

    async def _attach(self, port: SessionPort, at: int | None) -> int:
        """Has the session's events written to the port; answers where the last read ended."""
        self.port = port
        port.handler, before = await self.node.sessions.attach(self.id, port, at)
        if self.node.draining:
            self.node.dismiss(port.handler)
        return before

    def _take(self, connection: Any) -> SessionPort:
        """From here on the pool has the connection: this consumer is done."""
        port, self.port = self.port, None
        assert port is not None
        return port.take(connection)

    # streams

    async def _stream(self, at: int | None, kind: type[LineStream | EventStream]) -> None:
        self.head: bytes | None = kind.content_type
        outbox = Outbox(self._flush_stream)
        await self._attach(kind(outbox), at)
        outbox.write(kind.silence)
        await self.hibernate(self._take, status=200, headers=self.headers(kind.content_type, STREAM_HEADERS))
        self._keep_alive(outbox, kind.silence)

    def _keep_alive(self, outbox: Outbox, silence: bytes) -> None:
        def beat() -> None:
            outbox.write(silence)
            self._keep_alive(outbox, silence)

        self.node.wheel.set(self, KEEP_ALIVE_S, beat)

    async def _flush_stream(self, parts: list[bytes], closing: tuple[int, str] | None) -> None:
        if self.head is not None:
            kind, self.head = self.head, None
            await self.begin(200, kind, STREAM_HEADERS)
        await self.send({"type": "http.response.body", "body": b"".join(parts), "more_body": closing is None})

    # long poll

    async def _poll(self, at: int | None) -> None:
        wait = self._wait()
        poll = Poll(Outbox(self._flush_poll))
        poll.before = await self._attach(poll, at)
        if not wait:
            poll.answer()
        elif not poll.parts and not poll.answered and poll.handler is not None:
            poll.wait(poll.handler, wait)
            headers = self.headers(b"application/json", [])
            await self.hibernate(self._take, status=200, headers=headers, kept=True)

    def _wait(self) -> int:
        given = next(iter(self.query.get("wait", [])), str(DEFAULT_WAIT_S))
        if not given.isascii() or not given.isdigit() or int(given) > MAX_WAIT_S:
            raise Refusal("bad-frame", f"`wait` is 0 to {MAX_WAIT_S} seconds.")
        return int(given)

    async def _flush_poll(self, parts: list[bytes], closing: tuple[int, str] | None) -> None:
        if closing == GONE:
            await self.refuse(UNAVAILABLE)
        else:
            await self.respond(200, b"".join(parts))

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
from im.transports.base import Outbox
from im.transports.http import NO_SESSION, SessionConsumer

KEEP_ALIVE_S = 20.0
"""How long a stream is silent at the most, in seconds, so that proxies keep it and a dead one is noticed."""
MAX_WAIT_S = 55
DEFAULT_WAIT_S = 25

STREAM_HEADERS = [(b"x-accel-buffering", b"no")]


class SessionPort:
    """A session's way out through one request. `out` is the consumer's outbox, or the connection in the pool."""

    __slots__ = ("handler", "out")
    silence = b""

    def __init__(self, handler: Handler, out: Any) -> None:
        self.handler = handler
        self.out = out

    def release(self) -> None:
        """The session's events are not read here any more."""
        if self.handler.port is self:
            self.handler.detach(self)
            self.handler.node.pause_session(self.handler.session or "")

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

    def __init__(self, handler: Handler, out: Any) -> None:
        super().__init__(handler, out)
        self.before = handler.version
        self.parts: list[bytes] = []
        self.answered = False

    def wait(self, seconds: float) -> None:
        """Answers after this time at the latest."""
        self.handler.node.wheel.set(self, seconds, self.answer)

    def answer(self) -> None:
        """Answers with what there is; what comes from now on is the next request's."""
        if not self.answered:
            self.release()
            self.close(1000, "")

    def disconnected(self, code: int) -> None:
        if not self.answered and self.handler.port is self:
            # What it has collected and not sent is the next one's.
            self.handler.version = self.before
        super().disconnected(code)

    def release(self) -> None:
        self.handler.node.wheel.cancel(self)
        super().release()

    def write(self, data: bytes, version: int | None) -> None:
        if not self.parts:
            asyncio.get_running_loop().call_soon(self.answer)
        self.parts.append(data)

    def close(self, code: int, reason: str) -> None:
        if not self.answered:
            self.answered = True
            self.out.write(b"[" + b",".join(self.parts) + b"]")
            super().close(code, reason)


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
        handler = self.session()
        self.query = parse_qs(self.scope["query_string"].decode("latin-1"))
        accept = self.header(b"accept") or ""
        at = self._cursor(handler)
        kind = next((form for name, form in FORMS.items() if name in accept), None)
        if kind is not None:
            await self._stream(handler, at, kind)
        else:
            await self._poll(handler, at)

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

    async def _attach(self, port: SessionPort, at: int | None) -> None:
        handler = port.handler
        self.port = port
        self.node.resume_session(handler.session or "")
        try:
            await handler.attach(port, at)
        except BaseException:
            port.release()
            raise
        if handler.session not in self.node.sessions:
            raise NO_SESSION
        if self.node.draining:
            self.node.dismiss(handler)

    def _take(self, connection: Any) -> SessionPort:
        """From here on the pool has the connection: this consumer is done."""
        port, self.port = self.port, None
        assert port is not None
        return port.take(connection)

    # streams

    async def _stream(self, handler: Handler, at: int | None, kind: type[LineStream | EventStream]) -> None:
        self.head: bytes | None = kind.content_type
        outbox = Outbox(self._flush_stream)
        await self._attach(kind(handler, outbox), at)
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

    async def _poll(self, handler: Handler, at: int | None) -> None:
        wait = self._wait()
        outbox = Outbox(self._flush_poll)
        poll = Poll(handler, outbox)
        await self._attach(poll, at)
        if not wait:
            poll.answer()
        elif not poll.parts and outbox.untouched:
            poll.wait(wait)
            headers = self.headers(b"application/json", [])
            await self.hibernate(self._take, status=200, headers=headers, kept=True)

    def _wait(self) -> int:
        given = next(iter(self.query.get("wait", [])), str(DEFAULT_WAIT_S))
        if not given.isascii() or not given.isdigit() or int(given) > MAX_WAIT_S:
            raise Refusal("bad-frame", f"`wait` is 0 to {MAX_WAIT_S} seconds.")
        return int(given)

    async def _flush_poll(self, parts: list[bytes], closing: tuple[int, str] | None) -> None:
        await self.respond(200, b"".join(parts))

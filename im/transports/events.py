"""A session's events: as server-sent events, as an endless stream of lines, or by long poll.

Each request begins where the last one ended, or where the client says that it lost the thread (`Last-Event-ID`,
`?cursor=`). A stream is one handler's port for as long as it is open.
"""

from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs

from im import cursor
from im.errors import Refusal
from im.handler import Handler
from im.transports.base import Outbox
from im.transports.http import SessionConsumer

KEEP_ALIVE_S = 20.0
"""How long a stream is silent at the most, in seconds, so that proxies keep it and a dead one is noticed."""
MAX_WAIT_S = 55
DEFAULT_WAIT_S = 25

Form = Callable[[bytes, int | None], bytes]


class EventsConsumer(SessionConsumer):
    """`GET /im/v1/sessions/<session>/events`: the kind of answer is what the client accepts."""

    methods = ("GET",)
    handler: Handler | None = None
    answered = False

    async def answer(self) -> None:
        """Becomes the session's port."""
        handler = await self.session()
        self.query = parse_qs(self.scope["query_string"].decode("latin-1"))
        accept = self.header(b"accept") or ""
        at = self._cursor(handler)
        if "text/event-stream" in accept:
            await self._stream(at, b"text/event-stream; charset=utf-8", b": \n\n", self._as_event)
        elif "application/x-ndjson" in accept:
            await self._stream(at, b"application/x-ndjson", b"\n", _as_line)
        else:
            await self._poll(at)

    def gone(self) -> None:
        """The client is gone: what a poll has collected and not sent is the next one's."""
        self.node.wheel.cancel(self)
        if self.handler is not None and self.handler.port is self:
            self._detach(None if self.answered else self.before)
            self.node.sessions.keep(self.handler)

    def _cursor(self, handler: Handler) -> int | None:
        """Where the client wants to go on from, if it says so and the position is one of this site."""
        named = self.header(b"last-event-id") or next(iter(self.query.get("cursor", [])), None)
        at = cursor.parse(named) if named else None
        return at.version if at and at.epoch == handler.epoch and not at.expired else None

    async def _attach(self, at: int | None) -> None:
        self.handler, self.before = await self.node.sessions.attach(self.id, self, at)
        if self.node.draining:
            self.node.dismiss(self.handler)

    def _detach(self, version: int | None = None) -> None:
        self.node.wheel.cancel(self)
        if self.handler is not None:
            self.node.sessions.detach(self.handler, self, version)

    async def _save(self) -> None:
        if self.handler is not None:
            await self.node.sessions.save(self.handler)

    # streams

    async def _stream(self, at: int | None, kind: bytes, silence: bytes, form: Form) -> None:
        self.form = form
        self.outbox = Outbox(self._flush_stream)
        # What a stream was given is on its way; what is lost there the client names by its cursor.
        self.answered = True
        self.head: bytes | None = kind
        await self._attach(at)
        self._beat(silence)

    def _beat(self, silence: bytes) -> None:
        self.outbox.put(silence)
        if self.handler is not None:
            self.node.sessions.keep(self.handler)
        self.node.wheel.set(self, KEEP_ALIVE_S, partial(self._beat, silence))

    def _as_event(self, data: bytes, version: int | None) -> bytes:
        if version is None:
            return b"data: " + data + b"\n\n"
        # The cursor is the last field of an event that has one.
        at = data[data.rindex(b'"cursor":"') + len(b'"cursor":"') : -len(b'"}')]
        return b"id: " + at + b"\ndata: " + data + b"\n\n"

    async def _flush_stream(self, parts: list[bytes], closing: bool | None) -> None:
        if self.head is not None:
            kind, self.head = self.head, None
            await self.begin(200, kind, [(b"x-accel-buffering", b"no")])
        if closing:
            self._detach()
            await self._save()
        await self.send({"type": "http.response.body", "body": b"".join(parts), "more_body": not closing})

    # long poll

    async def _poll(self, at: int | None) -> None:
        wait = self._wait()
        self.form = _as_it_is
        self.outbox = Outbox(self._flush_poll)
        await self._attach(at)
        if wait:
            self.node.wheel.set(self, wait, self._end_poll)
        else:
            self._end_poll()

    def _end_poll(self) -> None:
        """Answers with what there is; what comes from now on is the next request's."""
        self._detach()
        self.outbox.close(True)

    def _wait(self) -> int:
        given = next(iter(self.query.get("wait", [])), str(DEFAULT_WAIT_S))
        if not given.isascii() or not given.isdigit() or int(given) > MAX_WAIT_S:
            raise Refusal("bad-frame", f"`wait` is 0 to {MAX_WAIT_S} seconds.")
        return int(given)

    async def _flush_poll(self, parts: list[bytes], closing: bool | None) -> None:
        if not self.answered:
            self.answered = True
            self._detach()
            # Before the answer: the next request may come to another node.
            await self._save()
            await self.respond(200, b"[" + b",".join(parts) + b"]")

    # the handler's port

    def write(self, data: bytes, version: int | None) -> None:
        """Sends a frame, in the form that the client accepts."""
        self.outbox.put(self.form(data, version))

    def close(self, code: int, reason: str) -> None:
        """Ends the answer; the session's next request goes on from there."""
        self.outbox.close(True)


def _as_it_is(data: bytes, version: int | None) -> bytes:
    return data


def _as_line(data: bytes, version: int | None) -> bytes:
    return data + b"\n"

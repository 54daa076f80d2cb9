"""HTTP sessions: begun with a hello, given frames, ended. Their events are in `im.transports.events`.

A session is a secret id and a cursor. Answers to a listed origin may be read by its pages (CORS); whoever has
no origin is let in, because the session's id decides.
"""

import asyncio
import json
import logging
from functools import partial
from typing import Any

import msgspec
from channels.exceptions import StopConsumer

from avchat.tenants import directory
from im import cursor, database
from im.errors import Refusal, encode
from im.handler import Handler
from im.hello import welcome
from im.protocol import MAX_FRAME, lenient
from im.transports.base import Consumer

logger = logging.getLogger(__name__)

MAX_POST = 1024 * 1024
MAX_FRAMES = 1000

STATUS = {
    "bad-frame": 400,
    "unknown-type": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "conflict": 409,
    "too-large": 413,
    "rate-limited": 429,
    "unavailable": 503,
}

_array = msgspec.json.Decoder(list[msgspec.Raw])


class HttpConsumer(Consumer):
    """One request: its body within bounds, its answer with the right headers."""

    methods: tuple[str, ...] = ()
    max_body = 0
    body = b""
    # Until a site is known nobody else's page may read the answer.
    readable = False
    begun = False

    async def http_request(self, message: dict[str, Any]) -> None:
        """Collects the body and has the request answered; what is refused is told as an error frame."""
        self.origin = self.header(b"origin")
        self.body += message.get("body", b"")
        try:
            if len(self.body) > self.max_body:
                raise Refusal("too-large", f"A request has at most {self.max_body} bytes.")
            if message.get("more_body"):
                return
            if self.scope["method"] == "OPTIONS":
                await self.preflight()
            elif self.scope["method"] not in self.methods:
                await self.respond(405, b"", [(b"allow", ", ".join(self.methods).encode())])
            else:
                await self.answer()
        except StopConsumer:
            raise
        except Refusal as refusal:
            await self.refuse(refusal)
        except Exception:
            logger.exception("A request could not be answered")
            await self.refuse(Refusal("unavailable", "The service does not answer; try again.", retry_ms=1000))

    async def http_disconnect(self, message: dict[str, Any]) -> None:
        """The client is gone, or has its answer."""
        raise StopConsumer

    async def answer(self) -> None:
        """Answers the request; to be written by each kind of it."""
        raise NotImplementedError

    async def preflight(self) -> None:
        """Says that pages may ask; whether they may read the answer is said with the answer."""
        self.readable = True
        allowed = ", ".join(self.methods).encode()
        headers = [
            (b"access-control-allow-methods", allowed),
            (b"access-control-allow-headers", b"content-type, last-event-id"),
            (b"access-control-max-age", b"86400"),
        ]
        await self.respond(204, b"", headers)

    async def refuse(self, refusal: Refusal) -> None:
        """Answers with an error frame."""
        headers = []
        if refusal.retry_ms:
            headers.append((b"retry-after", str(-(-refusal.retry_ms // 1000)).encode()))
        await self.respond(STATUS[refusal.code], refusal.encode(refusal.id), headers)

    async def respond(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        """Answers in one piece, unless an answer has begun: a session may end while its events are being asked for."""
        if self.begun:
            return
        # An answer without content has no length either.
        length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
        await self.begin(status, b"application/json", length + (headers or []))
        await self.send({"type": "http.response.body", "body": body})

    async def begin(self, status: int, content_type: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Sends the head of the answer."""
        self.begun = True
        headers = self.headers(content_type, headers)
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    def headers(self, content_type: bytes, more: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers of an answer."""
        headers = [
            (b"content-type", content_type),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"vary", b"Origin"),
            *more,
        ]
        if self.origin and self.readable:
            headers.append((b"access-control-allow-origin", self.origin.encode("latin-1")))
        return headers


class SessionConsumer(HttpConsumer):
    """A request to a session that there is."""

    @property
    def id(self) -> str:
        """The session's."""
        return str(self.scope["url_route"]["kwargs"]["session"])

    async def session(self) -> Handler:
        """The handler that answers the session's frames here.

        Raises:
            Refusal: `not-found` for an unknown or ended one, `forbidden` for a page of an origin not listed.
        """
        try:
            handler = await self.node.sessions.find(self.id)
        except Refusal:
            self.readable = True
            raise
        self.readable = handler.caller.site.admits(self.origin)
        if not self.readable:
            raise Refusal("forbidden", "Pages of this origin may not open this site's chat.")
        return handler


class BeginConsumer(HttpConsumer):
    """`POST /im/v1/sessions`: a hello, answered with its reply and the session's id."""

    methods = ("POST",)
    max_body = MAX_FRAME

    async def answer(self) -> None:
        """Lets the client in."""
        await self._find_site()
        if wait := await self.node.rates.connections.take(self.address):
            raise Refusal("rate-limited", "Too many connections from your address.", retry_ms=wait)
        if self.node.draining:
            raise Refusal("unavailable", "This node is ending.", retry_ms=1000)
        welcomed = await welcome(self.node, self.body, origin=self.origin, address=self.address, port=None)
        self.readable = True
        begun = welcomed.up_to
        if welcomed.reply.resumed and (at := cursor.parse(welcomed.reply.cursor)):
            begun = at.version
        welcomed.reply.session = await self.node.sessions.begin(welcomed.handler, begun)
        await self.respond(200, encode(welcomed.reply))

    async def _find_site(self) -> None:
        """Finds out whether the page may read why its hello is refused."""
        try:
            key = msgspec.json.decode(self.body, type=_Named).site
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        site = await database.read(directory.site, key)
        self.readable = site is not None and site.admits(self.origin)


class EndConsumer(SessionConsumer):
    """`DELETE /im/v1/sessions/<session>`."""

    methods = ("DELETE",)

    async def answer(self) -> None:
        """Ends the session."""
        await self.node.sessions.end(await self.session())
        await self.respond(204, b"")


class FramesConsumer(SessionConsumer):
    """`POST /im/v1/sessions/<session>/frames`: an array of frames, answered by the array of their answers."""

    methods = ("POST",)
    max_body = MAX_POST

    async def answer(self) -> None:
        """Has the frames take effect in order. A client that is cut off asks again, with the same keys."""
        handler = await self.session()
        frames = self._frames()
        if len(frames) > MAX_FRAMES:
            raise Refusal("too-large", f"At most {MAX_FRAMES} frames in one request.")
        answers: list[bytes | None] = [None] * len(frames)
        answered = asyncio.Semaphore(0)

        def answer(index: int, data: bytes | None) -> None:
            answers[index] = data
            answered.release()

        for index, frame in enumerate(frames):
            if handler.gone:
                # Ended by a frame before this one (flooding, bad frames).
                answered.release()
            else:
                handler.on_frame(frame, partial(answer, index))
        for _ in frames:
            await answered.acquire()
        await self.node.sessions.settled()
        await self.respond(200, b"[" + b",".join(data for data in answers if data is not None) + b"]")

    def _frames(self) -> list[bytes]:
        """The frames of the body. One that is at fault is kept, so that it alone is refused."""
        try:
            return [bytes(frame) for frame in _array.decode(self.body)]
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass
        try:
            frames = lenient(self.body)
            if isinstance(frames, list):
                return [_bytes(frame) for frame in frames]
        except (ValueError, RecursionError):
            pass
        raise Refusal("bad-frame", "The body is a JSON array of frames.")


def _bytes(frame: Any) -> bytes:
    """A frame as it was, or as near as UTF-8 comes to it."""
    try:
        return json.dumps(frame, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(frame).encode()


class _Named(msgspec.Struct):
    site: str

"""HTTP connections of the server: uvicorn's, with bounds on what a client may send and how long it may take.

And with the way out into the connection pool (docs/hibernate.md).
"""

import logging
import os
from functools import partial
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from avchat.ops.websocket import HIBERNATE, App, AsgiSocket
from im import framing, pool

logger = logging.getLogger(__name__)

MAX_HEAD = 32 * 1024
"""Bytes of a request's head that may come after its first packet."""
MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request's body, also of one that was answered before all of it was there."""
HEAD_S = 20.0
"""How long a request's head may take, in seconds. A login storm must not lose handshakes to it."""
STALL_S = 60.0
"""How long a client may neither send what it announced nor read what it asked for, in seconds."""
VERSION = (b"Sec-WebSocket-Version", b"13")


class HttpProtocol(HttpToolsProtocol):
    """A connection from a client until it is closed or goes to the pool."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.since = self.loop.time()
        self.in_head = True
        self.head_begun = True
        self.head_size = 0
        self.body_size = 0

    # within bounds

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        self._unset_keepalive_if_required()
        self.head_begun = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._open_websocket(data[upgrade.args[0] :])
                return
        except httptools.HttpParserError:
            self._refuse(400)
            return
        if self.in_head and not self.head_begun:
            self.head_size += len(data)
            if self.head_size > MAX_HEAD:
                self._refuse(431)
        elif not self.in_head:
            self.since = self.loop.time()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.since = self.loop.time()
        self.in_head = self.head_begun = True
        self.head_size = self.body_size = 0

    def on_headers_complete(self) -> None:
        """A request's head is there."""
        self.in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a request's body."""
        self.body_size += len(body)
        if self.body_size <= MAX_BODY:
            super().on_body(body)
        elif not self.transport.is_closing():
            self._refuse(413)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        self.since = self.loop.time()
        super().pause_writing()

    def look(self, now: float) -> None:
        """Lets go of a client that takes too long; called now and then."""
        if self.transport is None or self.timeout_keep_alive_task is not None:
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            # The next request has begun, or something that is none.
            late = HEAD_S if self.in_head else STALL_S
        elif self.flow.write_paused or (cycle.more_body and not self.flow.read_paused):
            late = STALL_S
        else:
            # It is the application that takes its time.
            return
        if now - self.since > late:
            self.transport.abort()

    def _refuse(self, status: int, *headers: tuple[bytes, bytes]) -> None:
        """Answers with a bare status, unless another answer has begun, and closes."""
        begun = False
        if self.cycle is not None and not self.in_head:
            begun = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not begun:
            lines = [STATUS_LINE[status], b"content-length: 0\r\nconnection: close\r\n"]
            lines += [name + b": " + value + b"\r\n" for name, value in headers]
            self.transport.write(b"".join(lines) + b"\r\n")
        self.transport.close()

    # WebSocket

    def _open_websocket(self, rest: bytes) -> None:
        """Begins a WebSocket. `rest`: what the client sent behind the handshake's request."""
        headers = self.scope["headers"]
        key = next((value for name, value in headers if name == b"sec-websocket-key"), b"")
        version = [value for name, value in headers if name == b"sec-websocket-version"]
        busy = self.cycle is not None and not self.cycle.response_complete
        if self.scope["method"] != "GET" or self.scope["http_version"] != "1.1" or busy or self._unwritten:
            self._refuse(400)
            return
        if version != [b"13"]:
            self._refuse(426, VERSION, (b"upgrade", b"websocket"))
            return
        try:
            framing.accept_token(key)
        except ValueError:
            self._refuse(400)
            return
        # What comes from now on is left in the kernel, for the pool.
        self.transport.pause_reading()
        self.connections.discard(self)
        socket = AsgiSocket(self._accept, self._refuse, key, self.server_state.default_headers, rest)
        task = self.loop.create_task(socket.run(self.app, self._websocket_scope()))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _websocket_scope(self) -> dict[str, Any]:
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        offered = [value.decode("latin-1") for name, value in self.headers if name == b"sec-websocket-protocol"]
        return {
            **self.scope,
            "type": "websocket",
            "scheme": "ws",
            "path": unquote(path),
            "raw_path": url.path,
            "query_string": url.query or b"",
            "subprotocols": [token.strip() for value in offered for token in value.split(",")],
            "extensions": {HIBERNATE: {}},
        }

    def _accept(self, head: bytes) -> pool.WebSocket | None:
        fd = self._give_up()
        return None if fd is None else pool.current().websocket(fd, head)

    # the way into the pool

    @property
    def _unwritten(self) -> bool:
        return self.transport.get_write_buffer_size() > 0

    def _give_up(self) -> int | None:
        """Lets go of the connection without ending it: its descriptor, or None where it is gone already."""
        if self.transport.is_closing():
            return None
        try:
            fd = os.dup(self.transport.get_extra_info("socket").fileno())
        except OSError:
            # No more descriptors: this one is served no further.
            logger.exception("A connection could not be kept")
            fd = None
        self.connections.discard(self)
        self.transport.abort()
        return fd

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: App) -> None:
        super()._start_asgi_task(cycle, partial(self._run, cycle, app))

    async def _run(self, cycle: RequestResponseCycle, app: App, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message["type"] == HIBERNATE:
                self._hibernate(cycle, message)
            else:
                await send(message)

        scope["extensions"] = {HIBERNATE: {}}
        await app(scope, receive, sending)

    def _hibernate(self, cycle: RequestResponseCycle, message: dict[str, Any]) -> None:
        """Gives a response that will wait to the pool, unless the connection has more to do than this one."""
        behind = self.pipeline or self.in_head or cycle is not self.cycle
        if cycle.response_started or cycle.disconnected or cycle.more_body or behind or self._unwritten:
            return
        fd = self._give_up()
        if fd is None:
            return
        cycle.response_started = cycle.response_complete = True
        chunked = self.scope["http_version"] == "1.1"
        kept = chunked and cycle.keep_alive and bool(message.get("kept"))
        lines = [STATUS_LINE[message["status"]]]
        lines += [
            name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers + message["headers"]
        ]
        lines.append(b"transfer-encoding: chunked\r\n" if chunked else b"")
        lines.append(b"\r\n" if kept else b"connection: close\r\n\r\n")
        ours = pool.current()
        stream = ours.stream(fd, b"".join(lines), chunked=chunked, kept=kept)
        try:
            ours.own(stream, message["take"](stream))
        except BaseException:
            ours.drop(stream)
            raise

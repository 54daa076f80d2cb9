"""The application server: Daphne, told how to end connections.

Promises that a violation of RFC 6455 ends with its own close code, and that on SIGTERM every client is told to
come back and everything submitted is stored before the process ends.
"""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any

from daphne.server import Server  # isort: skip  (installs its reactor before anything else imports one)
from channels.routing import get_default_application
from daphne.ws_protocol import WebSocketProtocol
from django.core.management.base import CommandError

from avchat.work import clock
from im import node

MAX_MESSAGE = 1024 * 1024
"""Bytes that are read of one message before it is refused with 1009; frames above 64 KiB are answered 4413."""
MAX_UNREAD = 4 * 1024 * 1024
"""Bytes that may wait for a client that does not read."""
MAX_WAITING = 64
"""Messages of one client that may wait for the application."""
RESUME_S = 0.02
"""How often it is looked whether they still do, in seconds."""
DRAIN_S = 2.0
"""How long connections get to see the close frame, and requests their answers, when the server ends, in seconds."""


class Protocol(WebSocketProtocol):
    """A WebSocket whose memory is bounded, and that may be closed with the codes that are a server's own (1012).

    What the application has not taken yet holds up reading; a client that does not read what it is sent is let
    go of. (It is a Twisted push producer: its transport says when what is written no longer fits the socket.)
    """

    full = False
    unread = 0
    paused = False

    def serverAccept(self, subprotocol: str | None = None) -> None:  # noqa: N802
        """Accepts; from now on the transport tells how the client keeps up with reading."""
        super().serverAccept(subprotocol)
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802
        """Closes with any code; Autobahn's own way out takes those of applications only."""
        self.sendCloseFrame(code=1000 if code is None else code)

    def serverSend(self, content: Any, binary: bool = False) -> None:  # noqa: N802
        """Sends a message, unless the client has long stopped reading."""
        if self.full:
            self.unread += len(content)
            if self.unread > MAX_UNREAD:
                self.transport.abortConnection()
                return
        super().serverSend(content, binary)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """Hands a message to the application, and reads no further while too many wait there."""
        super().onMessage(payload, isBinary)
        if not self.paused and self.application_queue.qsize() >= MAX_WAITING:
            self.paused = True
            self.transport.pauseProducing()
            asyncio.get_event_loop().call_later(RESUME_S, self._resume)

    def _resume(self) -> None:
        if self.application_queue.qsize() >= MAX_WAITING // 2:
            asyncio.get_event_loop().call_later(RESUME_S, self._resume)
        else:
            self.paused = False
            self.transport.resumeProducing()

    def pauseProducing(self) -> None:  # noqa: N802
        """What is written waits in this process."""
        self.full = True

    def resumeProducing(self) -> None:  # noqa: N802
        """The client has read what waited."""
        self.full, self.unread = False, 0

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is lost; Daphne hears of that by itself."""


def serve(host: str, port: int, *, ready: Callable[[], object]) -> None:
    """Serves the product until SIGTERM or SIGINT. `ready` is called when it listens.

    Raises:
        CommandError: where the address is taken or not ours.
    """
    _check_free(host, port)
    escaped = host.replace(":", r"\:")
    server = Server(
        get_default_application(),
        endpoints=[f"tcp:port={port}:interface={escaped}"],
        websocket_max_message_size=MAX_MESSAGE,
        websocket_max_frame_size=MAX_MESSAGE,
        # A login storm must not lose handshakes to a clock.
        websocket_handshake_timeout=20,
        signal_handlers=False,
        verbosity=0,
    )

    def listening() -> None:
        server.ws_factory.protocol = Protocol
        # Autobahn otherwise drops a violator's connection without a word.
        server.ws_factory.failByDrop = False
        loop = asyncio.get_event_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            # Not by a trigger of the reactor's: Daphne's own would end the connections at the same moment.
            loop.add_signal_handler(name, lambda: loop.create_task(_end(server)))
        # What hangs on the node's beginning is there before the first connection.
        loop.call_soon(node.current)
        clock.start()
        ready()

    server.ready_callable = listening
    server.run()


async def _end(server: Server) -> None:
    running = node.current()
    if not running.draining:
        # A proxy that is refused asks the next node; what has come in already is answered here.
        for listener in server.listeners:
            listener.addCallback(lambda port: port.stopListening())
        running.drain()
        await _emptied(server)
        await asyncio.to_thread(clock.stop)
        await running.close()
        server.stop()


async def _emptied(server: Server) -> None:
    """Waits until no connection and no request is under way, at most `DRAIN_S` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_S
    # Daphne tells nobody when a connection has ended, and forgets it a second later.
    while loop.time() < deadline and any("disconnected" not in each for each in server.connections.values()):  # noqa: ASYNC110
        await asyncio.sleep(RESUME_S)


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None

"""A node: one process with its router, journal, timers and sessions. Made when the first connection needs it."""

import asyncio
import random
import secrets
from functools import partial
from typing import Any

from django.conf import settings

from im import blocks, hooks
from im.errors import CLOSE_RESTART, encode
from im.events import Choice, Closing
from im.handler import Handler
from im.journal import Journal
from im.limits import (
    CONNECTION_BURST,
    CONNECTIONS_PER_SECOND,
    FAILED_HELLO_BURST,
    FAILED_HELLOS_PER_SECOND,
    Buckets,
)
from im.router import Router
from im.transaction import Blocks
from im.wheel import Wheel

DRAIN_MS = 3_000
"""Over how many milliseconds the clients of a node that ends are spread when they come back."""


class Node:
    """What the connections of one process share. Lives in one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.router = Router()
        self.journal = Journal(self.router.route)
        self.wheel = Wheel()
        self.sessions: dict[str, Handler] = {}
        self.connections = Buckets(CONNECTIONS_PER_SECOND, CONNECTION_BURST)
        self.failed_hellos = Buckets(FAILED_HELLOS_PER_SECOND, FAILED_HELLO_BURST)
        self.draining = False
        # What other parts of the product keep for this node, by its class.
        self.parts: dict[type, Any] = {}
        for hook in hooks.started:
            hook(self)

    def arrive(self, handler: Handler, choice: Choice, known: Blocks) -> None:
        """A connection was let in."""
        blocks.learn(handler.caller.id, known)
        for hook in hooks.arrived:
            hook(handler, choice)

    def depart(self, handler: Handler) -> None:
        """A connection is gone for good."""
        handler.leave()
        if self.router.logout(handler):
            blocks.forget(handler.caller.id)
        for hook in hooks.departed:
            hook(handler)

    def begin_session(self, handler: Handler, version: int) -> str:
        """Makes a connection an HTTP session that has been told all up to `version`; answers its secret id."""
        id = secrets.token_urlsafe(24)
        handler.become_session(id, version)
        self.sessions[id] = handler
        self.pause_session(id)
        return id

    def resume_session(self, id: str) -> None:
        """The session's events are being read."""
        self.wheel.cancel(("session", id))

    def pause_session(self, id: str) -> None:
        """The session's events are not being read; it ends unless they are again in time."""
        if id in self.sessions:
            self.wheel.set(("session", id), settings.SESSION_SECONDS, partial(self.end_session, id))

    def end_session(self, id: str) -> None:
        """The session is over; its id means nothing from now on."""
        handler = self.sessions.pop(id, None)
        self.wheel.cancel(("session", id))
        if handler is not None:
            if handler.port is not None:
                handler.port.close(CLOSE_RESTART, "ended")
            self.depart(handler)

    def drain(self) -> None:
        """Dismisses every connection; one that still catches up, or that nobody reads, is dismissed after that."""
        self.draining = True
        for handler in self.router.all():
            if handler.port is not None and handler.held is None:
                self.dismiss(handler)

    def dismiss(self, handler: Handler) -> None:
        """Tells a client to come back a little later, each at another time, and ends its connection."""
        handler.tell(encode(Closing(reason="restart", retry_ms=random.randint(0, DRAIN_MS))))
        handler.close(CLOSE_RESTART, "restart")


_current: Node | None = None


def current() -> Node:
    """The node of this process. Only to be called in the event loop."""
    global _current
    if _current is None or _current.loop is not asyncio.get_running_loop():
        _current = Node()
    return _current

"""Which function answers which frame, and where it runs. Apps register theirs; the client handler looks them up.

Three kinds, by what the answer has to wait for:

- `at_once`: in the event loop. `(handler, frame) -> answer`, or a coroutine where it has to wait after all.
- `stored`: in the journal, in the same commit as others. `(transaction, caller, origin, frame) -> answer`.
- `looked_up`: in a reader thread. `(caller, frame) -> answer`.

An answer is an `im.events.Ok`, or None for the plain one. A `Refusal` raised is the answer, too.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from im.protocol import Frame

Kind = Literal["at_once", "stored", "looked_up"]
Service = Callable[..., Any]


class Route(NamedTuple):
    """How a frame is answered. `wants`: for `stored`, what the journal may fetch for a batch at once."""

    kind: Kind
    service: Service
    wants: Callable[..., Any] | None = None


routes: dict[type[Frame], Route] = {}


def _register(kind: Kind, frame: type[Frame], wants: Callable[..., Any] | None = None) -> Callable[[Service], Service]:
    def decorate(service: Service) -> Service:
        routes[frame] = Route(kind, service, wants)
        return service

    return decorate


def at_once(frame: type[Frame]) -> Callable[[Service], Service]:
    """Registers a service that answers in the event loop."""
    return _register("at_once", frame)


def stored(frame: type[Frame], wants: Callable[..., Any] | None = None) -> Callable[[Service], Service]:
    """Registers a service that changes what is stored. `wants(caller, frame)` answers the (room, sent) of a `Write`."""
    return _register("stored", frame, wants)


def looked_up(frame: type[Frame]) -> Callable[[Service], Service]:
    """Registers a service that reads the database."""
    return _register("looked_up", frame)

"""The router: `login`, `logout`, `send`. Knows which connections each member has on this node.

An event is encoded once and the same bytes go to every handler. All recipients are collected before the first
byte is written, so that a handler that goes away while being written to disturbs none of the others.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from im.limits import Bucket
from im.transaction import Event

if TYPE_CHECKING:
    from im.handler import Handler


REMEMBERED = 10_000
"""Members whose rates are remembered before those are let go that have recovered."""


class Present:
    """A member who is connected to this node: its handlers, and its rates over all of them."""

    __slots__ = ("frames", "handlers", "sends", "shapes")

    def __init__(self) -> None:
        self.handlers: tuple[Handler, ...] = ()
        self.sends = Bucket()
        self.shapes = Bucket()
        self.frames = Bucket()

    @property
    def spent(self) -> bool:
        """True until the rates are as if nothing had been done."""
        return not (self.sends.full and self.shapes.full and self.frames.full)


class Router:
    """The registry member → handlers of one node. Only the event loop uses it."""

    def __init__(self) -> None:
        self._present: dict[int, Present] = {}
        # Members who left with their rates used up: coming back does not give them new ones.
        self._spent: dict[int, Present] = {}

    def login(self, handler: "Handler") -> Present:
        """Registers a handler for its member."""
        member = handler.caller.id
        present = self._present.get(member)
        if present is None:
            present = self._present[member] = self._spent.pop(member) if member in self._spent else Present()
        present.handlers = (*present.handlers, handler)
        return present

    def logout(self, handler: "Handler") -> bool:
        """Takes a handler out; True if its member has none left here."""
        present = self._present.get(handler.caller.id)
        if present is None:
            return False
        present.handlers = tuple(other for other in present.handlers if other is not handler)
        if present.handlers:
            return False
        del self._present[handler.caller.id]
        if present.spent:
            if len(self._spent) >= REMEMBERED:
                self._spent = {member: kept for member, kept in self._spent.items() if kept.spent}
            self._spent[handler.caller.id] = present
        return True

    def handlers(self, member: int) -> tuple["Handler", ...]:
        """The member's handlers on this node."""
        present = self._present.get(member)
        return present.handlers if present else ()

    def all(self) -> list["Handler"]:
        """Every handler on this node."""
        return [handler for present in self._present.values() for handler in present.handlers]

    def route(self, event: Event) -> None:
        """Writes a stored change to all that it is for, but for the connection that made it."""
        wanted = [
            (handler, data)
            for members, data in event.frames
            for member in members
            if (present := self._present.get(member))
            for handler in present.handlers
        ]
        for handler, data in wanted:
            if handler is event.origin:
                handler.skip(event.version)
            else:
                handler.deliver(event.version, data)

    def send(self, members: Iterable[int], data: bytes, origin: object | None = None) -> None:
        """Writes a frame that may be lost to the members' connections, but for the one it comes from."""
        wanted = [handler for member in members for handler in self.handlers(member) if handler is not origin]
        for handler in wanted:
            handler.tell(data)

"""The router: `login`, `logout`, `send`. Knows which connections each member has on this node.

An event is encoded once and the same bytes go to every handler. All recipients are collected before the first
byte is written, so that a handler that goes away while being written to disturbs none of the others.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from im import limits
from im.commit import Event

if TYPE_CHECKING:
    from im.handler import Handler


REMEMBERED = 10_000
"""Members whose rates are remembered before those are let go that have recovered."""


class Present:
    """A member who is connected to this node: its handlers, and its rates (`im.limits`) over all of them."""

    __slots__ = ("_frames", "_sends", "_shapes", "handlers")

    def __init__(self) -> None:
        self.handlers: tuple[Handler, ...] = ()
        self._frames = self._sends = self._shapes = limits.FULL

    def take_frame(self) -> int:
        """Takes from the rate of frames: 0, or the milliseconds to wait."""
        self._frames, wait = limits.take(self._frames, limits.FRAMES_PER_SECOND, limits.FRAME_BURST)
        return wait

    def take_send(self) -> int:
        """Takes from the rate of messages."""
        self._sends, wait = limits.take(self._sends, limits.SENDS_PER_SECOND, limits.SEND_BURST)
        return wait

    def take_shape(self) -> int:
        """Takes from the rate of what changes a conversation for each of its members."""
        self._shapes, wait = limits.take(self._shapes, limits.SHAPES_PER_SECOND, limits.SHAPE_BURST)
        return wait

    @property
    def spent(self) -> bool:
        """True until the rates are as if nothing had been done."""
        return max(self._frames, self._sends, self._shapes) > time.monotonic()


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

    def rates(self, member: int) -> Present:
        """A member's rates here, also for what it does without a handler of its own."""
        present = self._present.get(member) or self._spent.get(member)
        if present is None:
            present = Present()
            self._remember(member, present)
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
            self._remember(handler.caller.id, present)
        return True

    def _remember(self, member: int, present: Present) -> None:
        if len(self._spent) >= REMEMBERED:
            self._spent = {other: kept for other, kept in self._spent.items() if kept.spent}
        self._spent[member] = present

    def handlers(self, member: int) -> tuple["Handler", ...]:
        """The member's handlers on this node."""
        present = self._present.get(member)
        return present.handlers if present else ()

    def members(self, site_id: int) -> list[int]:
        """The members of a site who are connected to this node."""
        return [member for member, present in self._present.items() if present.handlers[0].caller.site_id == site_id]

    def everybody(self) -> list[tuple[int, int]]:
        """All members who are connected to this node, each with its site."""
        return [(member, present.handlers[0].caller.site_id) for member, present in self._present.items()]

    def all(self) -> list["Handler"]:
        """Every handler on this node."""
        return [handler for present in self._present.values() for handler in present.handlers]

    def route(self, event: Event) -> None:
        """Writes a stored change to all that it is for, but for the connection that made it."""
        wanted = [
            (handler, data)
            for members, data in event.frames
            if data is not None
            for member in members
            if (present := self._present.get(member))
            for handler in present.handlers
        ]
        for handler, data in wanted:
            if event.is_from(handler):
                handler.skip(event.version)
            else:
                handler.deliver(event.version, data)

    def send(self, members: Iterable[int], data: bytes, origin: object | None = None, session: str = "") -> None:
        """Writes a frame that may be lost to the members' connections, but for the one (or session) it comes from."""
        found = [handler for member in members for handler in self.handlers(member)]
        wanted = [each for each in found if each is not origin and (not session or each.session != session)]
        for handler in wanted:
            handler.tell(data)

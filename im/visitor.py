"""A session as the directory has it, and as it is answered away from its home."""

from typing import TYPE_CHECKING, Any

import msgspec

from im.caller import Caller
from im.handler import Handler
from im.transaction import Blocks

if TYPE_CHECKING:
    from im.node import Node


class Who(msgspec.Struct, array_like=True):
    """Whose session it is."""

    site: str
    member: int
    sub: str
    role: str
    epoch: str


class Record(msgspec.Struct):
    """A session as the directory has it.

    `told`: how those that it watches were when it was last told; `moves`: how often it was taken over.
    """

    who: Who
    version: int = 0
    home: str = ""
    moves: int = 0
    reading: bool = False
    idle: bool = False
    watching: list[str] = []
    told: dict[str, str] = {}
    own: set[int] = set()


class Visitor(Handler):
    """Answers a session's frames away from its home. What concerns its events is told to the home."""

    __slots__ = ("blocks", "home")

    def __init__(self, node: "Node", id: str, caller: Caller, record: Record, blocks: Blocks) -> None:
        super().__init__(node, caller, None, present=node.router.rates(caller.id))
        self.become_session(id, record.version)
        self.epoch = record.who.epoch
        self.idle = record.idle
        self.watching = set(record.watching)
        self.told = dict(record.told)
        self.home = record.home
        # The member need not be connected here, so that the node does not know.
        self.blocks = blocks

    def apart(self, other: int) -> bool:
        """As it was when the frames came."""
        return other in self.blocks.by or other in self.blocks.of

    def close(self, code: int, reason: str) -> None:
        """Ends the session."""
        if not self.gone:
            self.leave()
            self.node.sessions.ended_away(self)

    def tell_home(self, what: str, *args: Any) -> None:
        """Has the session's home do something with its handler."""
        self.node.link_of(self.session or "").note_to(self.home, f"session.{what}", self.session, *args)

"""A session as it is answered away from its home."""

from typing import TYPE_CHECKING

from im.caller import Caller
from im.handler import Handler
from im.records import Record
from im.transaction import Blocks

if TYPE_CHECKING:
    from im.node import Node


class Visitor(Handler):
    """Answers a session's frames away from its home, which does what they wish of its events."""

    __slots__ = ("blocks", "home")

    def __init__(self, node: "Node", id: str, caller: Caller, record: Record, blocks: Blocks) -> None:
        super().__init__(node, caller, None, present=node.router.rates(caller.id))
        self.become_session(id, record.version)
        self.epoch = record.who.epoch
        self.idle = record.idle
        self.watching = set(record.watching)
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

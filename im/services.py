"""Everything that the messenger does, imported so that each service registers the frames that it answers."""

from typing import TYPE_CHECKING

from im import conversations, messages, tabs, typing
from im.dispatch import at_once
from im.protocol import Ping

if TYPE_CHECKING:
    from im.handler import Handler

__all__ = ["conversations", "messages", "tabs", "typing"]


@at_once(Ping)
def ping(handler: "Handler", frame: Ping) -> None:
    """Answers at once."""

"""Typing: told to the others in a conversation at once, and never stored."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from im import dispatch, events, rosters
from im.errors import Refusal, encode
from im.protocol import Typing

if TYPE_CHECKING:
    from im.handler import Handler


@dispatch.at_once(Typing)
def typing(handler: "Handler", frame: Typing) -> Coroutine[Any, Any, None] | None:
    """Tells the others; waits only where the conversation's members are not in memory."""
    roster = rosters.known(frame.conversation)
    if roster is None:
        return _typing_later(handler, frame)
    _tell(handler, frame, roster)
    return None


async def _typing_later(handler: "Handler", frame: Typing) -> None:
    _tell(handler, frame, await rosters.load(handler.node, frame.conversation))


def _tell(handler: "Handler", frame: Typing, roster: rosters.Roster | None) -> None:
    me = handler.caller.id
    if roster is None or me not in roster.members:
        raise Refusal("not-found", "There is no such conversation.")
    event = events.TypingEvent(conversation=frame.conversation, member=handler.caller.sub, on=frame.on)
    others = [member for member in roster.members if member != me and not handler.apart(member)]
    handler.node.tell(handler.caller.site_id, others, encode(event), handler)

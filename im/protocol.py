"""The IM protocol, version 1: every frame that a client may send, and what is common to all.

This module is the specification: the tables of docs/protocol.md and the widget's types are generated from it
and from `im.events`. Decoding checks shape and bounds, so that the services see only what may be; it never
raises anything but `Refusal`.

A frame is one JSON object in UTF-8 of at most `MAX_FRAME` bytes. Strings are counted in Unicode code points;
NUL and lone surrogates are refused. Unknown fields are ignored.
"""

import json
from typing import Annotated, Any, ClassVar, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from im.errors import Refusal

MAX_FRAME = 64 * 1024
MAX_BODY = 10_000
MAX_STATUS = 140
MAX_WATCH = 1_000
MAX_TABS = 50
MAX_GROUP = 256

FrameId = Annotated[str, Meta(max_length=64)]
Sub = Annotated[str, Meta(min_length=1, max_length=128)]
ConversationId = Annotated[str, Meta(min_length=1, max_length=64)]
Seq = Annotated[int, Meta(ge=1, le=2**53)]
Body = Annotated[str, Meta(min_length=1, max_length=MAX_BODY)]
Key = Annotated[str, Meta(min_length=1, max_length=64)]
Emoji = Annotated[str, Meta(min_length=1, max_length=32)]
Name = Annotated[str, Meta(min_length=1, max_length=80)]
Limit = Annotated[int, Meta(ge=1, le=100)]
PageCursor = Annotated[str, Meta(max_length=400)]
Show = Literal["online", "chat", "away", "xa", "dnd", "invisible"]


class Frame(Struct, tag_field="type", kw_only=True):
    """What every frame of a client may carry: an `id`, by which its one answer is matched."""

    answer: ClassVar[str] = ""

    id: FrameId | None = None


class Guest(Struct):
    """Who comes without an account."""

    name: Name


class Hello(Frame, tag="hello"):
    """The first frame: who am I, on which site, and from where on do I want what I missed."""

    answer: ClassVar[str] = "member, cursor, time, tabs, unread, limits, presence, site; token (guests), resumed"

    site: Annotated[str, Meta(min_length=1, max_length=64)]
    token: Annotated[str, Meta(min_length=1, max_length=8192)] | None = None
    guest: Guest | None = None
    resume: Annotated[str, Meta(max_length=200)] | None = None


class Target(Struct):
    """Where a message goes: to a member, by the site's own id, or into a conversation. Exactly one of both."""

    member: Sub | None = None
    conversation: ConversationId | None = None

    def __post_init__(self) -> None:
        if (self.member is None) == (self.conversation is None):
            raise ValueError("`to` names either a member or a conversation")


class MessageSend(Frame, tag="message.send"):
    """Stores a message. Sent again with the same key: the same answer, and no second message."""

    answer: ClassVar[str] = "conversation, seq, time"

    to: Target
    body: Body
    key: Key
    reply_to: Seq | None = None
    attachments: Annotated[list[Any], Meta(max_length=0)] | None = None


class MessageEdit(Frame, tag="message.edit"):
    """Gives the caller's own message another body."""

    answer: ClassVar[str] = "edited"

    conversation: ConversationId
    seq: Seq
    body: Body


class MessageDelete(Frame, tag="message.delete"):
    """Takes the body out of the caller's own message (a moderator: of anybody's); its seq stays."""

    conversation: ConversationId
    seq: Seq


class MessageReact(Frame, tag="message.react"):
    """Puts an emoji on a message, or takes it off."""

    conversation: ConversationId
    seq: Seq
    emoji: Emoji
    on: bool


class MessageRead(Frame, tag="message.read"):
    """The caller has read all up to seq; others see `read`."""

    conversation: ConversationId
    seq: Seq


class Typing(Frame, tag="typing"):
    """The caller is typing, or no longer. Never stored."""

    conversation: ConversationId
    on: bool


class History(Frame, tag="history"):
    """The messages before a seq (or the last ones), oldest first."""

    answer: ClassVar[str] = "messages, more"

    conversation: ConversationId
    before: Seq | None = None
    limit: Limit = 50


class Conversations(Frame, tag="conversations"):
    """The caller's conversations, the latest message first; or just those of `ids`."""

    answer: ClassVar[str] = "conversations, more, cursor"

    cursor: PageCursor | None = None
    limit: Limit = 50
    ids: Annotated[list[ConversationId], Meta(max_length=100)] | None = None


class ConversationCreate(Frame, tag="conversation.create"):
    """A new group; or, with one member and no name, the conversation of two with that member."""

    answer: ClassVar[str] = "conversation"

    members: Annotated[list[Sub], Meta(min_length=1, max_length=MAX_GROUP - 1)]
    name: Name | None = None


class ConversationInvite(Frame, tag="conversation.invite"):
    """Takes members into a group; they read its whole history."""

    answer: ClassVar[str] = "conversation"

    conversation: ConversationId
    members: Annotated[list[Sub], Meta(min_length=1, max_length=MAX_GROUP - 1)]


class ConversationLeave(Frame, tag="conversation.leave"):
    """The caller is no longer in the group."""

    answer: ClassVar[str] = "conversation"

    conversation: ConversationId


class ConversationRename(Frame, tag="conversation.rename"):
    """Gives a group another name."""

    answer: ClassVar[str] = "conversation"

    conversation: ConversationId
    name: Name


class Tab(Struct):
    """A conversation's tab: open, or minimised."""

    conversation: ConversationId
    state: Literal["open", "minimized"]


class TabsSet(Frame, tag="tabs.set"):
    """Which tabs the member has, on all pages and devices."""

    tabs: Annotated[list[Tab], Meta(max_length=MAX_TABS)]


class PresenceIdle(Frame, tag="presence.idle"):
    """This page has been without input, or has it again."""

    on: bool


class PresenceSet(Frame, tag="presence.set"):
    """The member's own choice, on all pages, kept over reconnects."""

    show: Show
    status: Annotated[str, Meta(max_length=MAX_STATUS)] = ""


class PresenceWatch(Frame, tag="presence.watch"):
    """Tells the presence of members now, and whenever it changes, on this connection."""

    answer: ClassVar[str] = "presence"

    members: Annotated[list[Sub], Meta(max_length=MAX_WATCH)]


class PresenceUnwatch(Frame, tag="presence.unwatch"):
    """No longer."""

    members: Annotated[list[Sub], Meta(max_length=MAX_WATCH)]


class Members(Frame, tag="members"):
    """The site's directory: by the beginning of a word of the name, those online, or just those of `ids`."""

    answer: ClassVar[str] = "members, more, cursor, online"

    query: Annotated[str, Meta(max_length=80)] = ""
    online: bool = False
    cursor: PageCursor | None = None
    limit: Limit = 50
    ids: Annotated[list[Sub], Meta(max_length=100)] | None = None


class Contacts(Frame, tag="contacts"):
    """The members that the caller has added, and those blocked."""

    answer: ClassVar[str] = "contacts, blocked"


class ContactAdd(Frame, tag="contact.add"):
    """Adds a member to the caller's contacts."""

    member: Sub


class ContactRemove(Frame, tag="contact.remove"):
    """Takes a member out of the caller's contacts."""

    member: Sub


class BlockAdd(Frame, tag="block.add"):
    """Blocks a member, who cannot tell."""

    member: Sub


class BlockRemove(Frame, tag="block.remove"):
    """Lifts a block. What was sent while it held stays hidden."""

    member: Sub


class Report(Frame, tag="report"):
    """Brings a message to the moderators' notice."""

    conversation: ConversationId
    seq: Seq
    reason: Annotated[str, Meta(max_length=1000)] = ""


class Ping(Frame, tag="ping"):
    """Answered at once."""


ClientFrame = (
    Hello
    | MessageSend
    | MessageEdit
    | MessageDelete
    | MessageReact
    | MessageRead
    | Typing
    | History
    | Conversations
    | ConversationCreate
    | ConversationInvite
    | ConversationLeave
    | ConversationRename
    | TabsSet
    | PresenceIdle
    | PresenceSet
    | PresenceWatch
    | PresenceUnwatch
    | Members
    | Contacts
    | ContactAdd
    | ContactRemove
    | BlockAdd
    | BlockRemove
    | Report
    | Ping
)


def tag_of(cls: type[Struct]) -> str:
    """The `type` of a frame."""
    return str(cls.__struct_config__.tag)


CLIENT_FRAMES: dict[str, type[Frame]] = {tag_of(cls): cls for cls in get_args(ClientFrame)}

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(ClientFrame)
_loose = msgspec.json.Decoder()


def decode(data: bytes | str) -> Frame:
    """The frame that `data` is.

    Raises:
        Refusal: `too-large`, `unknown-type` or `bad-frame`, with the frame's `id` where that can be read.
    """
    if len(data) > MAX_FRAME or (isinstance(data, str) and len(data.encode()) > MAX_FRAME):
        raise Refusal("too-large", f"A frame has at most {MAX_FRAME} bytes.", id=_id_of(data))
    try:
        frame: Frame = _decoder.decode(data)
        # The escape is rare enough that looking for it is cheaper than looking at every string.
        if (b"\\u0000" if isinstance(data, bytes) else "\\u0000") in data and _has_nul(_loose.decode(data)):  # type: ignore[operator]
            raise Refusal("bad-frame", "NUL is not allowed in a string.", id=frame.id)
        return frame
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _classify(data, error) from None


def lenient(data: bytes | str) -> Any:
    """JSON as it is meant, lone surrogates and all: to find out which frame is at fault, and for nothing else.

    Raises:
        ValueError: where it is no JSON by any measure.
    """
    try:
        # Not left to json, which would take UTF-16 as well.
        return json.loads(data.decode() if isinstance(data, bytes) else data)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def _good_id(frame: Any) -> str | None:
    """The frame's id, if it has one that can be sent back."""
    id = frame.get("id") if isinstance(frame, dict) else None
    good = isinstance(id, str) and len(id) <= 64 and not any("\ud800" <= c <= "\udfff" for c in id)
    return id if good else None


def _id_of(data: bytes | str) -> str | None:
    try:
        return _good_id(lenient(data))
    except ValueError:
        return None


def _classify(data: bytes | str, error: Exception) -> Refusal:
    """Says what is wrong with data that is no frame, naming the frame's id and type where they can be read."""
    try:
        loose = lenient(data)
    except ValueError:
        return Refusal("bad-frame", "A frame is one JSON object in UTF-8.")
    if not isinstance(loose, dict):
        return Refusal("bad-frame", "A frame is one JSON object.")
    id = _good_id(loose)
    kind = loose.get("type")
    if isinstance(kind, str) and kind not in CLIENT_FRAMES:
        return Refusal("unknown-type", "There is no frame of this type.", id=id)
    return Refusal("bad-frame", str(error), id=id)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))

"""The frames that the server sends: answers and events. Together with `im.protocol` the whole wire contract.

An event that must not be lost carries a `cursor`: all that was the member's up to there was written to it.
The same bytes serve every recipient; what differs between recipients is another frame.
"""

from functools import lru_cache
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from im.errors import Error
from im.protocol import Show, Tab


class Member(Struct):
    """A member as others see it. Member ids are the site's own."""

    id: str
    name: str
    avatar: str | None
    role: str
    url: str | UnsetType = UNSET


class Presence(Struct):
    """How a member is, and since when (ms since 1970; offline: last seen; 0: never)."""

    show: Show | Literal["offline"]
    status: str
    since: int


class Choice(Struct, frozen=True):
    """A member's own choice of presence."""

    show: Show
    status: str


@lru_cache(maxsize=1_000)
def choice(show: Show, status: str) -> Choice:
    """A choice. Each member who is connected keeps one; those that many make are the same object."""
    return Choice(show=show, status=status)


class ReadMark(Struct):
    """Up to where, and when (ms since 1970), a member has read."""

    seq: int
    time: int


class System(Struct):
    """An entry that the service made: a member joined (brought in by another) or left."""

    kind: Literal["joined", "left"]
    member: str
    by: str | UnsetType = UNSET


class Message(Struct, kw_only=True):
    """A message. `hidden`: sent by somebody whom the reader had blocked; nothing else of it is told."""

    conversation: str
    seq: int
    from_: str | UnsetType = field(name="from", default=UNSET)
    body: str | UnsetType = UNSET
    time: int | UnsetType = UNSET
    key: str | UnsetType = UNSET
    reply_to: int | UnsetType = UNSET
    edited: int | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    system: System | UnsetType = UNSET
    reactions: dict[str, list[str]] | UnsetType = UNSET


class Conversation(Struct, kw_only=True):
    """A conversation as one of its members sees it. `left`: the reader is no longer in it."""

    conversation: str
    kind: Literal["pair", "group"]
    name: str
    seq: int
    members: list[Member]
    last: Message | None = None
    unread: int = 0
    read: dict[str, ReadMark] = {}
    left: bool | UnsetType = UNSET


class MessageEvent(Message, tag_field="type", tag="message", kw_only=True):
    """A new message. `key` only to its own sender's other pages."""

    cursor: str | UnsetType = UNSET


class MessageEdited(Struct, tag_field="type", tag="message.edited", kw_only=True):
    """A message has another body."""

    conversation: str
    seq: int
    from_: str = field(name="from")
    body: str
    edited: int
    cursor: str


class MessageDeleted(Struct, tag_field="type", tag="message.deleted", kw_only=True):
    """A message has lost its body; `from`: who took it out."""

    conversation: str
    seq: int
    from_: str | UnsetType = field(name="from", default=UNSET)
    cursor: str


class MessageReacted(Struct, tag_field="type", tag="message.reacted", kw_only=True):
    """Somebody put an emoji on a message, or took it off."""

    conversation: str
    seq: int
    from_: str = field(name="from")
    emoji: str
    on: bool
    cursor: str


class ReadEvent(Struct, tag_field="type", tag="read", kw_only=True):
    """A member has read all up to seq; also to the member's own other pages."""

    conversation: str
    member: str
    seq: int
    time: int
    cursor: str


class TypingEvent(Struct, tag_field="type", tag="typing", kw_only=True):
    """A member is typing, or no longer. May be lost."""

    conversation: str
    member: str
    on: bool


class PresenceEvent(Struct, tag_field="type", tag="presence", kw_only=True):
    """How members are: those watched, and the member itself with its own choice. May be lost."""

    members: dict[str, Presence]


class TabsEvent(Struct, tag_field="type", tag="tabs", kw_only=True):
    """The member's tabs have changed on another page or device."""

    tabs: list[Tab]
    cursor: str


class ContactsEvent(Struct, tag_field="type", tag="contacts", kw_only=True):
    """The member's contacts or blocks have changed."""

    contacts: list[Member]
    blocked: list[Member]
    cursor: str


class ConversationEvent(Conversation, tag_field="type", tag="conversation", kw_only=True):
    """A conversation is new or has changed: its name, its members, or that the reader has left it."""

    cursor: str


class Closing(Struct, tag_field="type", tag="closing", kw_only=True):
    """The server ends this connection; come back after `retry_ms` milliseconds."""

    reason: str
    retry_ms: int


class Ok(Struct, tag_field="type", tag="ok", kw_only=True):
    """The answer to a frame that took effect."""

    id: str | UnsetType = UNSET


class HelloOk(Ok, tag="ok", kw_only=True):
    """The answer to `hello`. `token`: makes the same guest again. `resumed`: false for a cursor unknown or too old."""

    member: Member
    cursor: str
    time: int
    tabs: list[Tab]
    unread: dict[str, int]
    limits: dict[str, int]
    presence: Choice
    site: dict[str, str]
    token: str | UnsetType = UNSET
    resumed: bool | UnsetType = UNSET
    session: str | UnsetType = UNSET


class SendOk(Ok, tag="ok", kw_only=True):
    """The answer to `message.send`: stored, and where."""

    conversation: str
    seq: int
    time: int


class EditOk(Ok, tag="ok", kw_only=True):
    """The answer to `message.edit`; `edited` in ms since 1970."""

    edited: int


class HistoryOk(Ok, tag="ok", kw_only=True):
    """The answer to `history`, oldest first."""

    messages: list[Message]
    more: bool


class ConversationsOk(Ok, tag="ok", kw_only=True):
    """The answer to `conversations`."""

    conversations: list[Conversation]
    more: bool
    cursor: str | UnsetType = UNSET


class ConversationOk(Ok, tag="ok", kw_only=True):
    """The answer to `conversation.create`, `.invite`, `.leave`, `.rename`."""

    conversation: str


class PresenceOk(Ok, tag="ok", kw_only=True):
    """The answer to `presence.watch`."""

    presence: dict[str, Presence]


class MembersOk(Ok, tag="ok", kw_only=True):
    """The answer to `members`. `online`: how many others the caller can see online on the site."""

    members: list[Member]
    more: bool
    online: int
    cursor: str | UnsetType = UNSET


class ContactsOk(Ok, tag="ok", kw_only=True):
    """The answer to `contacts`."""

    contacts: list[Member]
    blocked: list[Member]


ServerFrame = (
    Error
    | MessageEvent
    | MessageEdited
    | MessageDeleted
    | MessageReacted
    | ReadEvent
    | TypingEvent
    | PresenceEvent
    | TabsEvent
    | ContactsEvent
    | ConversationEvent
    | Closing
)

"""Conversations: entered, listed, made, and changed in name and members."""

from collections.abc import Iterable, Set

from msgspec import UNSET

from im import dispatch, events, members, shelves, views
from im.caller import Caller
from im.commit import Event
from im.errors import Refusal, encode
from im.models import Block, Conversation, Message, Participant
from im.protocol import (
    MAX_GROUP,
    ConversationCreate,
    ConversationInvite,
    ConversationLeave,
    ConversationRename,
    Conversations,
)
from im.tabs import close_tab
from im.transaction import Room, Transaction, pair_of


def enter(tx: Transaction, caller: Caller, key: str) -> Room:
    """The conversation, locked, if the caller is in it.

    Raises:
        Refusal: `not-found` where there is none on the caller's site, or the caller is not in it.
    """
    room = tx.room(caller.site_id, key)
    if room is None or caller.id not in room.members:
        raise Refusal("not-found", "There is no such conversation.")
    return room


def find_readable(caller: Caller, key: str) -> Conversation:
    """The conversation as stored, if the caller is in it; else `not-found`."""
    inside = Participant.objects.filter(site=caller.site_id, member=caller.id, left=0, conversation__key=key)
    row = Conversation.objects.filter(site=caller.site_id, id__in=inside.values("conversation")).first()
    if row is None:
        raise Refusal("not-found", "There is no such conversation.")
    return row


def pair_with(tx: Transaction, caller: Caller, sub: str) -> Room:
    """The conversation of two with a member, made if there is none.

    Raises:
        Refusal: `not-found` for a member that the site does not know, `forbidden` with oneself.
    """
    ((other, _),) = members.resolve(caller.site_id, [sub]).items()
    if other == caller.id:
        raise Refusal("forbidden", "A conversation needs somebody else.")
    room = tx.pair(caller.site_id, caller.id, other)
    if room is None:
        people = {caller.id: caller.sub, other: sub}
        room = tx.open_room(caller.site_id, people, pair=pair_of(caller.id, other))
    return room


def introduce(tx: Transaction, room: Room, to: Set[int]) -> None:
    """Shows a conversation of two to members, before the first message that they see in it."""
    tx.touch(room, shape=True)
    Participant.objects.filter(conversation=room.id, member__in=to).update(shown=True)
    room.unshown -= to
    tell(tx, room, to)


@dispatch.looked_up(Conversations)
def listed(caller: Caller, frame: Conversations) -> events.ConversationsOk:
    """The caller's conversations by their last message; or those of `ids`, as far as they are the caller's."""
    inside = Participant.objects.filter(site=caller.site_id, member=caller.id, left=0)
    if frame.ids is not None:
        named = inside.filter(conversation__key__in=frame.ids)
        rows = list(Conversation.objects.filter(site=caller.site_id, id__in=named.values("conversation")))
        return events.ConversationsOk(conversations=shelves.conversations(caller.site_id, caller.id, rows), more=False)
    # A conversation of two begins with its first message; until then only the pages of who opened it know it.
    shown = inside.filter(shown=True)
    mine = Conversation.objects.filter(site=caller.site_id, id__in=shown.values("conversation")).order_by("-latest")
    if frame.cursor:
        mine = mine.filter(latest__lt=_page(frame.cursor))
    rows = list(mine[: frame.limit + 1])
    more = len(rows) > frame.limit
    rows = rows[: frame.limit]
    return events.ConversationsOk(
        conversations=shelves.conversations(caller.site_id, caller.id, rows),
        more=more,
        cursor=str(rows[-1].latest) if more else UNSET,
    )


def _page(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise Refusal("bad-frame", "This cursor is not one of a page of conversations.")
    return int(cursor)


@dispatch.stored(ConversationCreate)
def create(tx: Transaction, caller: Caller, origin: object, frame: ConversationCreate) -> events.ConversationOk:
    """A new group; or the conversation of two with the one member named, if the group is given no name."""
    others = members.resolve(caller.site_id, frame.members)
    others.pop(caller.id, None)
    if not others:
        raise Refusal("forbidden", "A conversation needs somebody else.")
    if len(others) == 1 and frame.name is None:
        room = pair_with(tx, caller, next(iter(others.values())))
        if caller.id in room.unshown:
            tell(tx, room, [caller.id])
        return events.ConversationOk(conversation=room.key)
    name = frame.name or ""
    room = tx.open_room(caller.site_id, {caller.id: caller.sub, **others}, name=name)
    tell(tx, room, room.members)
    return events.ConversationOk(conversation=room.key)


@dispatch.stored(ConversationInvite)
def invite(tx: Transaction, caller: Caller, origin: object, frame: ConversationInvite) -> events.ConversationOk:
    """Takes members into a group; who is in it already stays."""
    room = _group(tx, caller, frame.conversation)
    invited = members.resolve(caller.site_id, frame.members)
    fresh = {id: sub for id, sub in invited.items() if id not in room.members}
    if len(room.members) + len(fresh) > MAX_GROUP:
        raise Refusal("forbidden", f"A group has at most {MAX_GROUP} members.")
    if fresh:
        tx.touch(room, shape=True)
        for id in fresh:
            Participant.objects.update_or_create(
                site_id=caller.site_id,
                conversation_id=room.id,
                member_id=id,
                defaults={"left": 0, "joined": room.version, "read_seq": room.seq, "told_seq": 0},
            )
            _hide_what_was_blocked(tx, room, id)
        room.members = {**room.members, **fresh}
        tell(tx, room, room.members)
    for sub in fresh.values():
        _note(tx, room, events.System(kind="joined", member=sub, by=caller.sub))
    return events.ConversationOk(conversation=room.key)


@dispatch.stored(ConversationLeave)
def leave(tx: Transaction, caller: Caller, origin: object, frame: ConversationLeave) -> events.ConversationOk:
    """Takes the caller out of a group."""
    room = _group(tx, caller, frame.conversation)
    version = tx.touch(room, shape=True)
    Participant.objects.filter(conversation=room.id, member=caller.id).update(left=version)
    room.members = {id: sub for id, sub in room.members.items() if id != caller.id}
    tell(tx, room, [*room.members, caller.id])
    _note(tx, room, events.System(kind="left", member=caller.sub))
    close_tab(tx, caller, room.key)
    return events.ConversationOk(conversation=room.key)


@dispatch.stored(ConversationRename)
def rename(tx: Transaction, caller: Caller, origin: object, frame: ConversationRename) -> events.ConversationOk:
    """Gives a group another name."""
    room = _group(tx, caller, frame.conversation)
    if room.name != frame.name:
        tx.rename(room, frame.name)
        tx.touch(room, shape=True)
        tell(tx, room, room.members)
    return events.ConversationOk(conversation=room.key)


def tell(tx: Transaction, room: Room, to: Iterable[int]) -> None:
    """Shows each of these members the conversation as it now is."""
    to = list(to)
    cursor = tx.cursor(room.site_id, room.version)
    frames: list[tuple[list[int], bytes | None]]
    if not room.seq and room.members.keys() >= set(to):
        # Nothing was said yet, and so it looks the same to all.
        view = views.silent_conversation(room.site_id, room.key, room.name, room.members, pair=room.pair)
        frames = [(to, encode(as_event(view, cursor)))]
    else:
        tx.flush()
        row = Conversation.objects.get(id=room.id)
        each = views.conversation_for_each(room.site_id, row, to)
        frames = [([member], encode(as_event(view, cursor))) for member, view in each.items()]
    tx.emit(Event(room.site_id, room.version, frames, None))


def as_event(view: events.Conversation, cursor: str) -> events.ConversationEvent:
    """The event that shows a conversation."""
    return events.ConversationEvent(**{name: getattr(view, name) for name in view.__struct_fields__}, cursor=cursor)


def _group(tx: Transaction, caller: Caller, key: str) -> Room:
    room = enter(tx, caller, key)
    if room.pair:
        raise Refusal("forbidden", "A conversation of two stays as it is.")
    return room


def _hide_what_was_blocked(tx: Transaction, room: Room, member: int) -> None:
    """What others wrote while the newcomer had blocked them stays hidden from it."""
    for block in Block.objects.filter(site=room.site_id, owner=member):
        said = Message.objects.filter(conversation=room.id, sender=block.member_id, born__gt=block.version)
        for seq in said.values_list("seq", flat=True):
            tx.hide(room, seq, [member])


def _note(tx: Transaction, room: Room, system: events.System) -> None:
    """Adds an entry of the service's own to a conversation."""
    seq, version = tx.add_message(room, sender=None, system=encode(system).decode())
    event = events.MessageEvent(
        conversation=room.key, seq=seq, time=tx.now, system=system, cursor=tx.cursor(room.site_id, version)
    )
    tx.emit(Event(room.site_id, version, [(room.members.keys(), encode(event))], None))

"""Messages: sent, edited, deleted, reacted to, read, reported, and read again in the history.

A blocked member cannot tell: what it sends is stored and answered as ever, but hidden for good from those who
have blocked it. What it does to a message that they could see (an edit) hides that message too.
"""

from msgspec import UNSET, structs

from im import dispatch, events, views
from im.caller import Caller
from im.commit import Event
from im.conversations import enter, find_readable, introduce, pair_with
from im.errors import Refusal, encode
from im.models import Hidden, Message, Participant, Reaction
from im.models import Report as ReportRow
from im.protocol import History, MessageDelete, MessageEdit, MessageReact, MessageRead, MessageSend, Report
from im.transaction import Room, Transaction

MAX_REACTIONS = 20
"""Different emoji of one member on one message."""


def wants(caller: Caller, frame: MessageSend) -> tuple[tuple[int, str | None, str | None] | None, tuple[int, str]]:
    """What a send will ask the journal's transaction for."""
    key = frame.to.conversation
    return ((caller.site_id, key, None) if key is not None else None), (caller.id, frame.key)


@dispatch.stored(MessageSend, wants)
def send(tx: Transaction, caller: Caller, origin: object, frame: MessageSend) -> events.SendOk:
    """Stores a message in a conversation, or in the one with a member (made with the first message)."""
    if before := tx.sent(caller.id, frame.key):
        return events.SendOk(conversation=before[0], seq=before[1], time=before[2])
    if frame.to.conversation is not None:
        room = enter(tx, caller, frame.to.conversation)
    else:
        room = pair_with(tx, caller, frame.to.member or "")
    blocks = tx.blocks(caller.site_id, caller.id)
    others = room.members.keys() - {caller.id}
    if room.pair and others & blocks.of:
        raise Refusal("forbidden", "You have blocked this member.")
    if frame.reply_to is not None and frame.reply_to > room.seq:
        raise Refusal("not-found", "There is no such message to reply to.")
    hidden = others & blocks.by
    if room.unshown - hidden:
        introduce(tx, room, room.unshown - hidden)
    seq, version = tx.add_message(
        room,
        sender=caller.id,
        body=frame.body,
        key=frame.key,
        reply_to=frame.reply_to,
        veiled=bool(room.pair and hidden),
    )
    view = events.MessageEvent(
        conversation=room.key,
        seq=seq,
        from_=caller.sub,
        body=frame.body,
        time=tx.now,
        reply_to=frame.reply_to or UNSET,
        cursor=tx.cursor(caller.site_id, version),
    )
    if hidden:
        tx.hide(room, seq, hidden)
    frames = [(others - hidden, encode(view)), ((caller.id,), encode(structs.replace(view, key=frame.key)))]
    if hidden and not room.pair:
        veiled = events.MessageEvent(conversation=room.key, seq=seq, hidden=True, cursor=view.cursor)
        frames.append((hidden, encode(veiled)))
    tx.emit(Event(caller.site_id, version, frames, origin))
    return events.SendOk(conversation=room.key, seq=seq, time=tx.now)


@dispatch.stored(MessageEdit)
def edit(tx: Transaction, caller: Caller, origin: object, frame: MessageEdit) -> events.EditOk:
    """Gives the caller's own message another body."""
    room = enter(tx, caller, frame.conversation)
    row = _visible(tx, caller, room, frame.seq)
    if row.sender_id != caller.id or row.system:
        raise Refusal("forbidden", "Only the sender edits a message.")
    if row.deleted:
        raise Refusal("conflict", "The message is deleted.")
    version = tx.touch(room)
    _change(row, body=frame.body, edited=tx.now, version=version)
    # New words must not reach those who have blocked the caller through an old message.
    unseen = _hidden_from(room, frame.seq) | (room.members.keys() & tx.blocks(caller.site_id, caller.id).by)
    tx.hide(room, frame.seq, unseen)
    event = events.MessageEdited(
        conversation=room.key,
        seq=frame.seq,
        from_=caller.sub,
        body=frame.body,
        edited=tx.now,
        cursor=tx.cursor(caller.site_id, version),
    )
    tx.emit(Event(caller.site_id, version, [(room.members.keys() - unseen, encode(event))], origin))
    return events.EditOk(edited=tx.now)


@dispatch.stored(MessageDelete)
def delete(tx: Transaction, caller: Caller, origin: object, frame: MessageDelete) -> None:
    """Takes the body out of the caller's own message; a moderator's reach is everybody's in its conversations."""
    room = enter(tx, caller, frame.conversation)
    row = _visible(tx, caller, room, frame.seq)
    if row.system or (row.sender_id != caller.id and not caller.moderator):
        raise Refusal("forbidden", "Only the sender or a moderator deletes a message.")
    if row.deleted:
        return
    version = tx.touch(room)
    _change(row, body="", deleted=True, version=version)
    Reaction.objects.filter(conversation=room.id, seq=frame.seq).delete()
    event = events.MessageDeleted(
        conversation=room.key, seq=frame.seq, from_=caller.sub, cursor=tx.cursor(caller.site_id, version)
    )
    unseen = _hidden_from(room, frame.seq)
    tx.emit(Event(caller.site_id, version, [(room.members.keys() - unseen, encode(event))], origin))


@dispatch.stored(MessageReact)
def react(tx: Transaction, caller: Caller, origin: object, frame: MessageReact) -> None:
    """Puts an emoji on a message, or takes it off; doing it twice changes nothing."""
    room = enter(tx, caller, frame.conversation)
    row = _visible(tx, caller, room, frame.seq)
    if row.deleted or row.system:
        raise Refusal("conflict", "There is nothing to react to.")
    mine = Reaction.objects.filter(conversation=room.id, seq=frame.seq, member=caller.id)
    before = mine.filter(emoji=frame.emoji).first()
    if (before is not None and before.on) == frame.on:
        return
    if frame.on and mine.filter(on=True).count() >= MAX_REACTIONS:
        raise Refusal("forbidden", f"At most {MAX_REACTIONS} reactions on one message.")
    version = tx.touch(room)
    Reaction.objects.update_or_create(
        site_id=caller.site_id,
        conversation_id=room.id,
        seq=frame.seq,
        member_id=caller.id,
        emoji=frame.emoji,
        defaults={"on": frame.on, "version": version},
    )
    event = events.MessageReacted(
        conversation=room.key,
        seq=frame.seq,
        from_=caller.sub,
        emoji=frame.emoji,
        on=frame.on,
        cursor=tx.cursor(caller.site_id, version),
    )
    unseen = _hidden_from(room, frame.seq) | _apart(tx, caller)
    tx.emit(Event(caller.site_id, version, [(room.members.keys() - unseen, encode(event))], origin))


@dispatch.stored(MessageRead)
def read(tx: Transaction, caller: Caller, origin: object, frame: MessageRead) -> None:
    """Marks all up to seq as read. Going back changes nothing."""
    room = enter(tx, caller, frame.conversation)
    if frame.seq > room.seq:
        raise Refusal("not-found", "There is no such message.")
    mine = Participant.objects.filter(conversation=room.id, member=caller.id, read_seq__lt=frame.seq)
    if not mine.exists():
        return
    version = tx.touch(room)
    apart = _apart(tx, caller) & room.members.keys() if room.pair else frozenset()
    told = {} if apart else {"told_seq": frame.seq, "read_time": tx.now}
    mine.update(read_seq=frame.seq, read_version=version, **told)
    event = events.ReadEvent(
        conversation=room.key,
        member=caller.sub,
        seq=frame.seq,
        time=tx.now,
        cursor=tx.cursor(caller.site_id, version),
    )
    tx.emit(Event(caller.site_id, version, [(room.members.keys() - apart, encode(event))], origin))


@dispatch.looked_up(History)
def history(caller: Caller, frame: History) -> events.HistoryOk:
    """A page of a conversation's messages, oldest first."""
    room = find_readable(caller, frame.conversation)
    rows = Message.objects.filter(conversation=room.id)
    if frame.before is not None:
        rows = rows.filter(seq__lt=frame.before)
    page = list(rows.order_by("-seq").values(*views.ROW)[: frame.limit + 1])
    more = len(page) > frame.limit
    page = page[: frame.limit][::-1]
    return events.HistoryOk(messages=views.messages(caller.site_id, caller.id, page), more=more)


@dispatch.stored(Report)
def report(tx: Transaction, caller: Caller, origin: object, frame: Report) -> None:
    """Keeps a message as it is now for the moderators; reporting it twice changes the reason."""
    room = enter(tx, caller, frame.conversation)
    row = _visible(tx, caller, room, frame.seq)
    ReportRow.objects.update_or_create(
        site_id=caller.site_id,
        reporter_id=caller.id,
        conversation_id=room.id,
        seq=frame.seq,
        defaults={"reason": frame.reason, "body": row.body, "created": tx.now},
    )


def _visible(tx: Transaction, caller: Caller, room: Room, seq: int) -> Message:
    """The message, unless there is none or it is hidden from the caller."""
    tx.flush()
    row = Message.objects.filter(conversation=room.id, seq=seq).first()
    if row is None or caller.id in _hidden_from(room, seq):
        raise Refusal("not-found", "There is no such message.")
    return row


def _change(row: Message, **fields: object) -> None:
    Message.objects.filter(conversation=row.conversation_id, seq=row.seq).update(**fields)


def _hidden_from(room: Room, seq: int) -> set[int]:
    return set(Hidden.objects.filter(conversation=room.id, seq=seq).values_list("member", flat=True))


def _apart(tx: Transaction, caller: Caller) -> frozenset[int]:
    """Those to whom nothing of the caller passes: either has blocked the other."""
    blocks = tx.blocks(caller.site_id, caller.id)
    return blocks.by | blocks.of

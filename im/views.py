"""Messages and conversations as one member sees them: what is hidden stays hidden, what is deleted has no body."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from django.db.models import F, Q
from msgspec import UNSET

from im import events
from im.members import ENTRY, entry
from im.models import Conversation, Hidden, Message, Participant, Reaction
from im.transaction import read_blocks

ROW: tuple[str, ...] = ("conversation_id", "conversation__key", "seq", "sender_id", "sender__sub", "body", "time")
ROW += ("key", "reply_to", "edited", "deleted", "system", "born", "version")


def messages(site_id: int, viewer: int, rows: Iterable[dict[str, Any]]) -> list[events.Message]:
    """Rows of `ROW` as the member `viewer` sees them, in the same order."""
    rows = list(rows)
    if not rows:
        return []
    spots = defaultdict(set)
    for row in rows:
        spots[row["conversation_id"]].add(row["seq"])
    hidden = hidden_spots(site_id, viewer, spots)
    reactions = _reactions(site_id, viewer, spots)
    return [
        message(
            row,
            own=row["sender_id"] == viewer,
            hidden=(row["conversation_id"], row["seq"]) in hidden,
            reactions=reactions.get((row["conversation_id"], row["seq"])),
        )
        for row in rows
    ]


def message(
    row: dict[str, Any], *, own: bool, hidden: bool, reactions: dict[str, list[str]] | None = None
) -> events.Message:
    """One row of `ROW` as a member sees it."""
    if hidden:
        return events.Message(conversation=row["conversation__key"], seq=row["seq"], hidden=True)
    view = events.Message(
        conversation=row["conversation__key"], seq=row["seq"], from_=row["sender__sub"] or UNSET, time=row["time"]
    )
    if row["deleted"]:
        view.deleted = True
        return view
    if row["system"]:
        view.system = msgspec.convert(row["system"], events.System)
    else:
        view.body = row["body"]
    if own and row["key"]:
        view.key = row["key"]
    if row["reply_to"]:
        view.reply_to = row["reply_to"]
    if row["edited"]:
        view.edited = row["edited"]
    if reactions:
        view.reactions = reactions
    return view


def hidden_spots(site_id: int, viewer: int, spots: dict[int, set[int]]) -> set[tuple[int, int]]:
    """Which of these (conversation, seq) the member does not see."""
    found: set[tuple[int, int]] = set()
    for conversation, seqs in spots.items():
        rows = Hidden.objects.filter(
            site=site_id, conversation=conversation, member=viewer, seq__gte=min(seqs), seq__lte=max(seqs)
        )
        found.update((conversation, seq) for seq in rows.values_list("seq", flat=True))
    return found


def conversations(site_id: int, viewer: int, rows: Sequence[Conversation]) -> list[events.Conversation]:
    """Conversations as the member `viewer` sees them, in the same order."""
    ids = [row.id for row in rows]
    inside: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    people = Participant.objects.filter(site=site_id, conversation__in=ids, left=False).order_by("conversation", "id")
    names = [f"member__{name}" for name in ENTRY]
    for conversation, *person in people.values_list("conversation_id", "member_id", "read_seq", "read_time", *names):
        inside[conversation].append(tuple(person))
    last = _last(site_id, viewer, ids)
    unread = unread_counts(site_id, viewer, ids)
    views = []
    for row in rows:
        people_here = inside[row.id]
        view = events.Conversation(
            conversation=row.key,
            kind="pair" if row.pair else "group",
            name=row.name,
            seq=row.seq,
            members=[entry(*person[3:]) for person in people_here],
            last=last.get(row.id),
            unread=unread.get(row.id, 0),
            read={p[3]: events.ReadMark(seq=p[1], time=p[2]) for p in people_here if p[1]},
        )
        if all(person[0] != viewer for person in people_here):
            view = events.Conversation(
                conversation=row.key, kind=view.kind, name=row.name, seq=0, members=[], left=True
            )
        views.append(view)
    return views


def unread_counts(site_id: int, viewer: int, ids: Iterable[int] | None = None) -> dict[int, int]:
    """How many messages the member has not read, per conversation: others' words, neither hidden nor deleted."""
    mine = Participant.objects.filter(site=site_id, member=viewer, left=False, conversation__seq__gt=F("read_seq"))
    if ids is not None:
        mine = mine.filter(conversation__in=ids)
    counts = {}
    for conversation, read_seq in mine.values_list("conversation_id", "read_seq"):
        behind = Message.objects.filter(conversation=conversation, seq__gt=read_seq, deleted=False, system__isnull=True)
        count = behind.exclude(sender=viewer).count()
        if count:
            count -= _hidden_behind(site_id, viewer, conversation, read_seq)
        if count > 0:
            counts[conversation] = count
    return counts


def keyed(site_id: int, counts: dict[int, int]) -> dict[str, int]:
    """Counts by the conversations' ids as clients know them."""
    keys = dict(Conversation.objects.filter(site=site_id, id__in=counts).values_list("id", "key"))
    return {keys[conversation]: count for conversation, count in counts.items()}


def _hidden_behind(site_id: int, viewer: int, conversation: int, read_seq: int) -> int:
    seqs = Hidden.objects.filter(site=site_id, conversation=conversation, member=viewer, seq__gt=read_seq)
    return Message.objects.filter(
        conversation=conversation, seq__in=seqs.values("seq"), deleted=False, system__isnull=True
    ).count()


def _last(site_id: int, viewer: int, ids: list[int]) -> dict[int, events.Message]:
    """The last message of each conversation that the member may see."""
    rows = []
    for conversation in ids:
        hidden = Hidden.objects.filter(site=site_id, conversation=conversation, member=viewer)
        visible = Message.objects.filter(conversation=conversation).exclude(seq__in=hidden.values("seq"))
        if row := visible.order_by("-seq").values(*ROW).first():
            rows.append(row)
    return dict(zip((row["conversation_id"] for row in rows), messages(site_id, viewer, rows), strict=True))


def _reactions(site_id: int, viewer: int, spots: dict[int, set[int]]) -> dict[tuple[int, int], dict[str, list[str]]]:
    where = Q()
    for conversation, seqs in spots.items():
        where |= Q(conversation=conversation, seq__gte=min(seqs), seq__lte=max(seqs))
    blocks = read_blocks(site_id, viewer)
    rows = (
        Reaction.objects.filter(where, site=site_id, on=True).exclude(member__in=blocks.of | blocks.by).order_by("id")
    )
    found: dict[tuple[int, int], dict[str, list[str]]] = {}
    for conversation, seq, emoji, sub in rows.values_list("conversation_id", "seq", "emoji", "member__sub"):
        found.setdefault((conversation, seq), {}).setdefault(emoji, []).append(sub)
    return found

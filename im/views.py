"""Messages and conversations as one member sees them: what is hidden stays hidden, what is deleted has no body."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, Literal, NamedTuple

import msgspec
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from msgspec import UNSET

from im import events
from im.members import ENTRY, entries, entry
from im.models import Block, Conversation, Hidden, Message, Participant, Reaction

TAIL = 500
"""Messages that are counted in memory where many members' unread counts are asked for at once."""

TOGETHER = 100
"""Conversations that one query asks about."""

ROW: tuple[str, ...] = ("conversation_id", "seq", "sender_id", "sender__sub", "body", "time")
ROW += ("key", "reply_to", "edited", "deleted", "system", "born", "version")


def messages(
    site_id: int, viewer: int, rows: Iterable[dict[str, Any]], keys: Mapping[int, str]
) -> list[events.Message]:
    """Rows of `ROW` as the member `viewer` sees them, in the same order. `keys`: those of the conversations."""
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
            keys[row["conversation_id"]],
            own=row["sender_id"] == viewer,
            hidden=(row["conversation_id"], row["seq"]) in hidden,
            reactions=reactions.get((row["conversation_id"], row["seq"])),
        )
        for row in rows
    ]


def message(
    row: dict[str, Any], room: str, *, own: bool, hidden: bool, reactions: dict[str, list[str]] | None = None
) -> events.Message:
    """One row of `ROW`, of the conversation with the key `room`, as a member sees it."""
    if hidden:
        return events.Message(conversation=room, seq=row["seq"], hidden=True)
    view = events.Message(conversation=room, seq=row["seq"], from_=row["sender__sub"] or UNSET, time=row["time"])
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


def hidden_spots(site_id: int, viewer: int, spots: Mapping[int, Collection[int]]) -> set[tuple[int, int]]:
    """Which of these (conversation, seq) the member does not see."""
    found: set[tuple[int, int]] = set()
    for where in _spans(spots):
        rows = Hidden.objects.filter(where, member=viewer, site=site_id)
        found.update(rows.values_list("conversation", "seq"))
    return {(conversation, seq) for conversation, seq in found if seq in spots[conversation]}


def conversations(site_id: int, viewer: int, rows: Sequence[Conversation]) -> list[events.Conversation]:
    """Conversations as the member `viewer` sees them, in the same order."""
    ids = [row.id for row in rows]
    people = _people(site_id, ids)
    last = _last(site_id, viewer, rows)
    unread = unread_counts(site_id, viewer, ids)
    return [
        _conversation(row, viewer, people[row.id], last=last.get(row.id), unread=unread.get(row.id, 0)) for row in rows
    ]


def conversation_for_each(site_id: int, row: Conversation, viewers: Iterable[int]) -> dict[int, events.Conversation]:
    """One conversation as each of several members sees it. What is the same for most is read once for all."""
    people = _people(site_id, [row.id])[row.id]
    tail = list(_words().filter(conversation=row.id).order_by("-seq").values_list("seq", "sender_id")[:TAIL])
    newest = Message.objects.filter(conversation=row.id).order_by("-seq").values(*ROW).first()
    # Hidden messages and blocks make the difference; so does what was written by oneself.
    apart = set(Hidden.objects.filter(site=site_id, conversation=row.id).values_list("member", flat=True))
    for pair in Block.objects.filter(site=site_id, owner__in=[p.member for p in people]).values_list("owner", "member"):
        apart.update(pair)
    if newest:
        apart.add(newest["sender_id"])
    read = {person.member: person.read_seq for person in people}
    plain = next((viewer for viewer in viewers if viewer not in apart), 0)
    common = messages(site_id, plain, [newest], {row.id: row.key})[0] if newest else None
    views = {}
    for viewer in viewers:
        since = read.get(viewer, row.seq)
        if viewer in apart or (len(tail) == TAIL and since < tail[-1][0]):
            (views[viewer],) = conversations(site_id, viewer, [row])
        else:
            unread = sum(seq > since and sender != viewer for seq, sender in tail)
            views[viewer] = _conversation(row, viewer, people, last=common, unread=unread)
    return views


def silent_conversation(site_id: int, key: str, name: str, ids: Collection[int], *, pair: bool) -> events.Conversation:
    """A conversation in which nothing was said yet, as each of its members sees it; `ids` in the order they came."""
    people = entries(site_id, ids)
    kind: Literal["pair", "group"] = "pair" if pair else "group"
    return events.Conversation(
        conversation=key,
        kind=kind,
        name=name,
        seq=0,
        members=[people[id] for id in ids],
    )


class _Person(NamedTuple):
    member: int
    read_seq: int
    told_seq: int
    read_time: int
    entry: events.Member


def _people(site_id: int, ids: list[int]) -> dict[int, list[_Person]]:
    """Who is in these conversations, in the order in which they came."""
    inside: dict[int, list[_Person]] = defaultdict(list)
    rows = Participant.objects.filter(site=site_id, conversation__in=ids, left=0).order_by("conversation", "id")
    names = [f"member__{name}" for name in ENTRY]
    for row in rows.values_list("conversation_id", "member_id", "read_seq", "told_seq", "read_time", *names):
        inside[row[0]].append(_Person(row[1], row[2], row[3], row[4], entry(*row[5:])))
    return inside


def _conversation(
    row: Conversation, viewer: int, people: list[_Person], *, last: events.Message | None, unread: int
) -> events.Conversation:
    kind: Literal["pair", "group"] = "pair" if row.pair else "group"
    if all(person.member != viewer for person in people):
        # Who has left is told that, and nothing of what it is now.
        return events.Conversation(conversation=row.key, kind=kind, name="", seq=0, members=[], left=True)
    marks = {}
    for person in people:
        if seq := person.read_seq if person.member == viewer else person.told_seq:
            marks[person.entry.id] = events.ReadMark(seq=seq, time=person.read_time)
    return events.Conversation(
        conversation=row.key,
        kind=kind,
        name=row.name,
        seq=row.seq,
        members=[person.entry for person in people],
        last=last,
        unread=unread,
        read=marks,
    )


def unread_counts(site_id: int, viewer: int, ids: Iterable[int] | None = None) -> dict[int, int]:
    """How many messages the member has not read, per conversation: others' words, neither hidden nor deleted."""
    mine = Participant.objects.filter(site=site_id, member=viewer, left=0, conversation__seq__gt=F("read_seq"))
    if ids is not None:
        mine = mine.filter(conversation__in=ids)
    behind = [Q(conversation=id, seq__gt=read) for id, read in mine.values_list("conversation_id", "read_seq")]
    counts: dict[int, int] = {}
    for where in _chunks(behind):
        seen = _words().filter(where, ~Exists(_hidden_from(viewer))).exclude(sender=viewer)
        counts.update(seen.values_list("conversation").annotate(count=Count("seq")).order_by())
    return counts


def _words() -> QuerySet[Message]:
    """What counts as unread: members' words that are still there."""
    return Message.objects.filter(deleted=False, system__isnull=True)


def _hidden_from(viewer: int) -> QuerySet[Hidden]:
    """For a query of messages: that one is hidden from the member."""
    return Hidden.objects.filter(conversation=OuterRef("conversation"), member=viewer, seq=OuterRef("seq"))


def _last(site_id: int, viewer: int, rooms: Sequence[Conversation]) -> dict[int, events.Message]:
    """The last message of each conversation that the member may see."""
    spots = {id: [seq] for id, seq in _last_seqs(site_id, viewer, rooms).items()}
    rows = [row for where in _spans(spots) for row in Message.objects.filter(where).values(*ROW)]
    views = messages(site_id, viewer, rows, {room.id: room.key for room in rooms})
    return dict(zip((row["conversation_id"] for row in rows), views, strict=True))


def _last_seqs(site_id: int, viewer: int, rooms: Sequence[Conversation]) -> dict[int, int]:
    """Where it is: the very last, for most; else below what is hidden, looked for in ever longer steps."""
    found: dict[int, int] = {}
    above = {room.id: room.seq for room in rooms if room.seq}
    step = 1
    while above:
        spans = {id: range(max(1, seq - step + 1), seq + 1) for id, seq in above.items()}
        hidden = hidden_spots(site_id, viewer, spans)
        above = {}
        for id, span in spans.items():
            seq = next((seq for seq in reversed(span) if (id, seq) not in hidden), None)
            if seq is not None:
                found[id] = seq
            elif span.start > 1:
                above[id] = span.start - 1
        step *= 10
    return found


def _reactions(site_id: int, viewer: int, spots: dict[int, set[int]]) -> dict[tuple[int, int], dict[str, list[str]]]:
    found: dict[tuple[int, int], dict[str, list[str]]] = {}
    apart = unwanted(site_id, viewer)
    for where in _spans(spots):
        rows = Reaction.objects.filter(where, site=site_id, on=True).exclude(apart).order_by("id")
        for conversation, seq, emoji, sub in rows.values_list("conversation_id", "seq", "emoji", "member__sub"):
            found.setdefault((conversation, seq), {}).setdefault(emoji, []).append(sub)
    return found


def _spans(spots: Mapping[int, Collection[int]]) -> Iterator[Q]:
    """From the first to the last seq in each conversation, several conversations at a time."""
    return _chunks([Q(conversation=id, seq__gte=min(seqs), seq__lte=max(seqs)) for id, seqs in spots.items()])


def _chunks(parts: list[Q]) -> Iterator[Q]:
    """Any of these conditions, as many in one query as databases look up one by one in their indexes."""
    for begin in range(0, len(parts), TOGETHER):
        yield reduce(or_, parts[begin : begin + TOGETHER])


def unwanted(site_id: int, viewer: int) -> Q:
    """The reactions that do not pass to the member: made while one of both had blocked the other."""
    found = Q(pk__in=[])
    for block in Block.objects.filter(Q(owner=viewer) | Q(member=viewer), site=site_id):
        other = block.member_id if block.owner_id == viewer else block.owner_id
        found |= Q(member=other, version__gt=block.version)
    return found

"""What a member missed: its changes since a version, in the order of versions, as ordinary events.

Told from the rows as they are now, not from a log: what was edited twice comes once, with its last words, and
what was deleted is gone. Each event carries the cursor of its own version, so that a client that is cut off in
the middle goes on from there. An event at version v means that all changes up to v were told.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from django.db.models import Q

from im import events, members, views
from im.conversations import as_event
from im.cursor import cursor
from im.errors import encode
from im.models import Block, Contact, Conversation, Member, Message, Participant, Reaction, SiteVersion
from im.protocol import Tab

Change = tuple[int, bytes]

MAX_CHANGES = 20_000
"""Messages in one replay; a client that missed more loads afresh."""

CHUNK = 1_000
"""Members that are asked for at once."""


class TooMuch(Exception):
    """More was missed than is worth repeating."""


class Elsewhere(Exception):
    """The site has another history than the one that is to be gone on from."""


class Position(NamedTuple):
    """Where a site's changes have got to; `blocks`: the version of the last change of its blocks."""

    epoch: str
    version: int
    blocks: int


def position(site_id: int) -> Position:
    """The site's last version, as stored. There is one as soon as the site has a member."""
    row = SiteVersion.objects.get(site=site_id)
    return Position(row.epoch, row.version, row.blocks)


def since(site_id: int, member: int, version: int, epoch: str) -> list[Change]:
    """All changes after `version` that are the member's, as (version, frame). To be called inside a snapshot.

    Raises:
        TooMuch: where more than `MAX_CHANGES` messages were missed.
    """
    changes = _own(site_id, member, version, epoch)
    mine = Participant.objects.filter(site=site_id, member=member, shown=True)
    inside = mine.filter(left=0, conversation__version__gt=version).select_related("conversation")
    joined = {row.conversation_id: row.joined for row in inside}
    rows = {row.conversation_id: row.conversation for row in inside}
    left = {row.conversation: row.left for row in mine.filter(left__gt=version).select_related("conversation")}
    reshaped = [row for row in rows.values() if row.shape > version]
    for row, view in zip(reshaped, views.conversations(site_id, member, reshaped), strict=True):
        # One that is new to the member is shown before what was said in it, and again where it has changed since.
        for at in {row.shape} | ({joined[row.id]} if joined[row.id] > version else set()):
            changes.append((at, encode(as_event(view, cursor(epoch, at)))))
    gone = views.conversations(site_id, member, list(left))
    for at, view in zip(left.values(), gone, strict=True):
        changes.append((at, encode(as_event(view, cursor(epoch, at)))))
    if rows:
        changes += _messages(site_id, member, version, epoch, rows, joined)
        changes += _reactions(site_id, member, version, epoch, rows)
        changes += _reads(site_id, member, version, epoch, rows)
    # A version is of one change, so that a client which is cut off after any event goes on with the next.
    return sorted(changes, key=lambda change: change[0])


class Touched(NamedTuple):
    """Whom changes concern: `members` to be told, conversations `reshaped`, and whether `blocks` were changed."""

    members: list[int]
    reshaped: list[str]
    blocks: bool


def touched(site_id: int, version: int, among: Set[int]) -> Touched:
    """Which of these members the site's changes since `version` concern. To be called inside a snapshot."""
    later = Conversation.objects.filter(site=site_id, version__gt=version)
    found: set[int] = set()
    reshaped = []
    for id, key, shape in later.values_list("id", "key", "shape"):
        inside = Participant.objects.filter(Q(left=0) | Q(left__gt=version), conversation=id)
        found.update(inside.values_list("member", flat=True))
        if shape > version:
            reshaped.append(key)
    for some in batched(among, CHUNK):
        later_own = Q(tabs_version__gt=version) | Q(lists_version__gt=version) | Q(choice_version__gt=version)
        own = Member.objects.filter(later_own, id__in=some)
        found.update(own.values_list("id", flat=True))
    blocks = SiteVersion.objects.get(site=site_id).blocks > version
    return Touched(sorted(found & among), reshaped, blocks)


def concerned(site_id: int, version: int, among: Set[int]) -> set[int]:
    """Which of a few members, all of whom begin at `version`, have missed anything. To be called inside a snapshot."""
    mine = Participant.objects.filter(Q(left=0) | Q(left__gt=version), site=site_id, member__in=among)
    own = Member.objects.filter(Q(tabs_version__gt=version) | Q(lists_version__gt=version), site=site_id, id__in=among)
    return {
        *mine.filter(conversation__version__gt=version).values_list("member", flat=True).distinct(),
        *own.values_list("id", flat=True),
    }


def choices(touched: Iterable[int], version: int) -> list[tuple[int, int, str, str]]:
    """Which of these members have chosen how they look since `version`: (member, version, show, status)."""
    found: list[tuple[int, int, str, str]] = []
    for some in batched(touched, CHUNK):
        chosen = Member.objects.filter(id__in=some, choice_version__gt=version)
        found += chosen.values_list("id", "choice_version", "show", "status")
    return found


def batched(ids: Iterable[int], size: int) -> Iterator[list[int]]:
    """The ids in lists of at most `size`."""
    rest = iter(ids)
    while some := list(islice(rest, size)):
        yield some


def _own(site_id: int, member: int, version: int, epoch: str) -> list[Change]:
    """The member's own tabs and lists."""
    row = Member.objects.get(site=site_id, id=member)
    changes = []
    if row.tabs_version > version:
        tabs = events.TabsEvent(tabs=tabs_of(row), cursor=cursor(epoch, row.tabs_version))
        changes.append((row.tabs_version, encode(tabs)))
    if row.lists_version > version:
        lists = contacts_event(site_id, member, cursor(epoch, row.lists_version))
        changes.append((row.lists_version, encode(lists)))
    return changes


def tabs_of(row: Member) -> list[Tab]:
    """A member's tabs as stored."""
    return msgspec.convert(row.tabs, list[Tab])


def contacts_of(site_id: int, member: int) -> tuple[list[events.Member], list[events.Member]]:
    """A member's contacts, and those whom it has blocked; each by name."""
    lists: list[list[events.Member]] = []
    for model in (Contact, Block):
        rows = model.objects.filter(site=site_id, owner=member).order_by("member__sort", "member")
        names = [f"member__{name}" for name in members.ENTRY]
        lists.append([members.entry(*row) for row in rows.values_list(*names)])
    return lists[0], lists[1]


def contacts_event(site_id: int, member: int, at: str) -> events.ContactsEvent:
    """The event that shows a member its contacts and blocks."""
    contacts, blocked = contacts_of(site_id, member)
    return events.ContactsEvent(contacts=contacts, blocked=blocked, cursor=at)


def _messages(
    site_id: int, member: int, version: int, epoch: str, rows: dict[int, Conversation], joined: dict[int, int]
) -> list[Change]:
    changed = Message.objects.filter(site=site_id, conversation__in=rows, version__gt=version)
    found = list(changed.order_by("version").values(*views.ROW)[: MAX_CHANGES + 1])
    if len(found) > MAX_CHANGES:
        raise TooMuch
    changes: list[Change] = []
    keys = {room.id: room.key for room in rows.values()}
    for row, view in zip(found, views.messages(site_id, member, found, keys), strict=True):
        # What was said before the member came is history, not news; what is changed in it is.
        new = row["born"] > max(version, joined[row["conversation_id"]])
        if new and not (view.hidden and rows[row["conversation_id"]].pair):
            event = events.MessageEvent(**_fields(view), cursor=cursor(epoch, row["born"]))
            changes.append((row["born"], encode(event)))
        if row["version"] > row["born"] and not view.hidden:
            changes.append((row["version"], _changed(row, view.conversation, cursor(epoch, row["version"]))))
    return changes


def _changed(row: dict[str, Any], room: str, at: str) -> bytes:
    """How a message's last change is told."""
    where = {"conversation": room, "seq": row["seq"]}
    if row["deleted"]:
        return encode(events.MessageDeleted(**where, cursor=at))
    edited = {"from_": row["sender__sub"], "body": row["body"], "edited": row["edited"]}
    return encode(events.MessageEdited(**where, **edited, cursor=at))


def _reactions(site_id: int, member: int, version: int, epoch: str, rows: dict[int, Conversation]) -> list[Change]:
    found = Reaction.objects.filter(site=site_id, conversation__in=rows, version__gt=version)
    found = found.exclude(views.unwanted(site_id, member))
    hidden = _hidden(site_id, member, found)
    changes = []
    values = found.values_list("conversation_id", "seq", "member__sub", "emoji", "on", "version")
    for conversation, seq, sub, emoji, on, at in values:
        if seq in hidden[conversation]:
            continue
        event = events.MessageReacted(
            conversation=rows[conversation].key, seq=seq, from_=sub, emoji=emoji, on=on, cursor=cursor(epoch, at)
        )
        changes.append((at, encode(event)))
    return changes


def _hidden(site_id: int, member: int, reactions: Any) -> dict[int, set[int]]:
    spots: dict[int, set[int]] = defaultdict(set)
    for conversation, seq in reactions.values_list("conversation_id", "seq"):
        spots[conversation].add(seq)
    hidden: dict[int, set[int]] = defaultdict(set)
    for conversation, seq in views.hidden_spots(site_id, member, spots):
        hidden[conversation].add(seq)
    return hidden


def _reads(site_id: int, member: int, version: int, epoch: str, rows: dict[int, Conversation]) -> list[Change]:
    marks = Participant.objects.filter(site=site_id, conversation__in=rows, left=0, read_version__gt=version)
    changes = []
    names = ("read_seq", "told_seq", "read_time", "read_version")
    for conversation, reader, sub, read_seq, told_seq, time, at in marks.values_list(
        "conversation_id", "member_id", "member__sub", *names
    ):
        if seq := read_seq if reader == member else told_seq:
            event = events.ReadEvent(
                conversation=rows[conversation].key, member=sub, seq=seq, time=time, cursor=cursor(epoch, at)
            )
            changes.append((at, encode(event)))
    return changes


def _fields(view: events.Message) -> dict[str, Any]:
    return {name: getattr(view, name) for name in view.__struct_fields__}

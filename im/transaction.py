"""What a write sees while the journal commits it together with others.

A `Transaction` gives out versions and seqs, stages new messages for one multi-row insert, and collects the
events that are routed once all of it is stored. Sites are locked first, then conversations, each in the order
of their ids, so that two nodes never wait for each other.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from im import database, statements
from im.commit import Event
from im.cursor import cursor
from im.models import Block, Conversation, Hidden, Message, Participant, SiteVersion, new_epoch
from im.nodes import names
from im.notes import Note
from im.statements import NewMessage, RoomRow

NOBODY: frozenset[int] = frozenset()
"""What stands for no members wherever that is kept: another empty set would take 216 bytes."""


class Blocks(NamedTuple):
    """Who has blocked a member, and whom the member has blocked (ids of members)."""

    by: frozenset[int]
    of: frozenset[int]

    @classmethod
    def between(cls, by: Iterable[int], of: Iterable[int]) -> "Blocks":
        """The blocks by some and of some. Nearly every member has none, and all of those share them."""
        blocks = cls(frozenset(by), frozenset(of))
        return blocks if blocks.by or blocks.of else _NONE


_NONE = Blocks(NOBODY, NOBODY)


@dataclass(slots=True)
class Room:
    """A locked conversation. `members`: ids to subs of those who are in it; `unshown`: those who do not know of it.

    Both are to be replaced, never changed in place.
    """

    id: int
    site_id: int
    key: str
    pair: bool
    name: str
    seq: int
    shape: int
    members: dict[int, str]
    unshown: frozenset[int] = NOBODY
    version: int = 0
    latest: int = 0


class SiteState:
    """A locked site: gives out its versions."""

    __slots__ = ("blocks", "epoch", "stored", "version")

    def __init__(self, row: SiteVersion) -> None:
        self.epoch = row.epoch
        self.version = self.stored = row.version
        self.blocks = row.blocks


# What a commit learned and a later one may use, because the locked rows tell whether it still holds.
_members: dict[int, tuple[int, dict[int, str], frozenset[int]]] = {}
_blocks: dict[int, tuple[int, Blocks]] = {}
# The site and the id of a conversation, by its key: they never change.
_ids: dict[str, tuple[int, int]] = {}
# The epochs in which these versions are.
_epochs: dict[int, str] = {}
CACHED = 100_000


@dataclass(slots=True)
class Transaction:
    """The writes of one commit. Not for keeping: it is over when the commit is."""

    now: int = field(default_factory=database.now_ms)
    events: list[Event] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    _sites: dict[int, SiteState] = field(default_factory=dict)
    _rooms: dict[str, Room] = field(default_factory=dict)
    _pairs: dict[tuple[int, str], Room] = field(default_factory=dict)
    _inside: dict[int, tuple[int, dict[int, str], frozenset[int]]] = field(default_factory=dict)
    _dirty: dict[int, Room] = field(default_factory=dict)
    _messages: list[NewMessage] = field(default_factory=list)
    _sent: dict[tuple[int, str], tuple[str, int, int] | None] = field(default_factory=dict)
    _read_blocks: dict[int, tuple[int, Blocks]] = field(default_factory=dict)

    def lock_sites(self, site_ids: Iterable[int]) -> None:
        """Locks the sites' versions, in order. Nothing else may be locked before."""
        wanted = sorted(set(site_ids))
        locked = SiteVersion.objects.select_for_update().filter(site__in=wanted).order_by("site")
        rows = {row.site_id: row for row in locked}
        for site_id in wanted:
            row = rows.get(site_id)
            if row is None:
                row, _ = SiteVersion.objects.get_or_create(site_id=site_id)
                row = SiteVersion.objects.select_for_update().get(site=row.site_id)
            self._sites[site_id] = SiteState(row)
            if _epochs.setdefault(site_id, row.epoch) != row.epoch:
                # Another history gives the same versions to other things.
                _epochs[site_id] = row.epoch
                _members.clear()
                _blocks.clear()

    def leave_epoch(self, site_id: int, epoch: str) -> None:
        """Gives a site whose database was put back a new epoch, unless it has another than this one already."""
        site = self._sites[site_id]
        if site.epoch == epoch:
            site.epoch = new_epoch()
            SiteVersion.objects.filter(site=site_id).update(epoch=site.epoch)

    def next_version(self, site_id: int) -> int:
        """The version of the next change of the site."""
        site = self._sites[site_id]
        site.version += 1
        return site.version

    def version(self, site_id: int) -> int:
        """The version of the last change of the site, in this transaction or before."""
        return self._sites[site_id].version

    def cursor(self, site_id: int, version: int) -> str:
        """The cursor of a version of this transaction."""
        return cursor(self._sites[site_id].epoch, version)

    def emit(self, event: Event) -> None:
        """Has an event routed once the transaction is stored. To be called in the order of versions."""
        self.events.append(event)

    def note(self, note: Note) -> None:
        """Has a note heard, here and on other nodes, once the transaction is stored; of a change with a version."""
        self.notes.append(note)

    # conversations

    def prefetch(
        self,
        rooms: Iterable[tuple[int, str | None, str | None]],
        keys: Iterable[tuple[int, str]],
        *,
        ask: bool = True,
    ) -> None:
        """Locks and reads at once what the writes of a batch will ask for: (site, key, pair) and (sender, key).

        Unless it is to `ask` for the keys, messages are taken to be new; one that is not fails in `flush`.
        """
        wanted = list(rooms)
        room_keys = {key for _, key, _ in wanted if key}
        pairs = {pair for _, _, pair in wanted if pair}
        if room_keys or pairs:
            # Of these sites alone: they are locked, and no conversation of another may be.
            sites = {site for site, _, _ in wanted}
            known = {key: id for key in room_keys if key in _ids for site, id in (_ids[key],) if site in sites}
            ids = set(known.values())
            inside = Conversation.objects.filter(site__in=sites)
            if unknown := room_keys - known.keys():
                ids.update(inside.filter(key__in=unknown).values_list("id", flat=True))
            if pairs:
                ids.update(inside.filter(pair__in=pairs).values_list("id", flat=True))
            locked = statements.lock_rooms(ids) if ids else []
            self._learn(locked)
            for row in locked:
                self._admit(row)
        if senders := list(keys):
            self._sent.update(dict.fromkeys(senders))
            for sender, key, room_key, seq, time in statements.find_sent(senders) if ask else ():
                self._sent[sender, key] = (room_key, seq, time)

    def room(self, site_id: int, key: str) -> Room | None:
        """The site's conversation of this key, locked; None where there is none."""
        room = self._rooms.get(key)
        if room is None:
            room = self._lock(site_id, key=key)
        return room if room and room.site_id == site_id else None

    def pair(self, site_id: int, one: int, other: int) -> Room | None:
        """The conversation of two members, locked; None where there is none yet."""
        pair = pair_of(one, other)
        room = self._pairs.get((site_id, pair))
        if room is None:
            room = self._lock(site_id, pair=pair)
        return room

    def open_room(self, site_id: int, members: dict[int, str], *, name: str = "", pair: str | None = None) -> Room:
        """A new conversation of these members."""
        version = self.next_version(site_id)
        row = Conversation.objects.create(
            site_id=site_id, name=name, pair=pair, version=version, shape=version, latest=version, created=self.now
        )
        Participant.objects.bulk_create(
            Participant(site_id=site_id, conversation=row, member_id=member, joined=version, shown=pair is None)
            for member in members
        )
        self._inside[row.id] = (version, dict(members), frozenset(members) if pair else NOBODY)
        return self._admit(RoomRow(*(getattr(row, name) for name in RoomRow._fields)))

    def rename(self, room: Room, name: str) -> None:
        """Gives a conversation another name. Its shape is touched besides."""
        room.name = name
        Conversation.objects.filter(id=room.id).update(name=name)

    def touch(self, room: Room, *, shape: bool = False) -> int:
        """The version of a change in a conversation; `shape`: its name or members change."""
        room.version = self.next_version(room.site_id)
        if shape:
            room.shape = room.version
            self.note(Note("roster", (room.key,), (names.site(room.site_id),)))
        self._dirty[room.id] = room
        return room.version

    def add_message(
        self,
        room: Room,
        *,
        sender: int | None,
        body: str = "",
        key: str | None = None,
        reply_to: int | None = None,
        system: str | None = None,
        veiled: bool = False,
    ) -> tuple[int, int]:
        """Stages a message and answers its (seq, version). `veiled`: nobody else's list of conversations moves."""
        version = self.touch(room)
        if not veiled:
            room.latest = version
        room.seq += 1
        self._messages.append(
            NewMessage(room.id, room.seq, room.site_id, sender, key, body, self.now, reply_to, system, version)
        )
        if sender and key:
            self._sent[sender, key] = (room.key, room.seq, self.now)
        return room.seq, version

    def sent(self, sender: int, key: str) -> tuple[str, int, int] | None:
        """Where and when a sender's message of this key was stored: (conversation, seq, time)."""
        if (sender, key) not in self._sent:
            row = Message.objects.filter(sender=sender, key=key).values_list("conversation__key", "seq", "time").first()
            self._sent[sender, key] = row
        return self._sent[sender, key]

    def recall(self, sender: int, key: str) -> bool:
        """Whether a message that was taken to be new is stored after all."""
        if self._sent.get((sender, key)) is None:
            self._sent.pop((sender, key), None)
        return self.sent(sender, key) is not None

    # blocks

    def blocks(self, site_id: int, member: int) -> Blocks:
        """The blocks that concern a member."""
        known = self._known_blocks(site_id, member)
        if known is None:
            self.prefetch_blocks([(site_id, member)])
            known = self._read_blocks[member][1]
        return known

    def prefetch_blocks(self, members: Iterable[tuple[int, int]]) -> None:
        """Reads at once the blocks that concern these (site, member), as far as they are not known."""
        unknown: dict[int, set[int]] = {}
        for site_id, member in members:
            if self._known_blocks(site_id, member) is None:
                unknown.setdefault(site_id, set()).add(member)
        for site_id, asked in unknown.items():
            for member, blocks in read_blocks(site_id, asked).items():
                self._read_blocks[member] = (self._sites[site_id].blocks, blocks)

    def _known_blocks(self, site_id: int, member: int) -> Blocks | None:
        known = self._read_blocks.get(member) or _blocks.get(member)
        return known[1] if known is not None and known[0] == self._sites[site_id].blocks else None

    def blocks_changed(self, site_id: int, version: int) -> None:
        """Has all that is known of the site's blocks read anew."""
        self._sites[site_id].blocks = version

    def hide(self, room: Room, seq: int, members: Iterable[int]) -> None:
        """Hides a message from members for good."""
        Hidden.objects.bulk_create(
            (Hidden(site_id=room.site_id, member_id=member, conversation_id=room.id, seq=seq) for member in members),
            ignore_conflicts=True,
        )

    # writing

    def flush(self) -> None:
        """Writes what is staged, so that the database can be asked about it.

        Raises:
            IntegrityError: a message was taken to be new, and is stored already.
        """
        if self._messages:
            statements.insert_messages(self._messages)
            self._messages.clear()
        if self._dirty:
            statements.update_rooms([(r.seq, r.version, r.latest, r.shape, r.id) for r in self._dirty.values()])
            self._dirty.clear()

    def finish(self) -> None:
        """The last step before the commit."""
        self.flush()
        for site_id, site in self._sites.items():
            if site.version != site.stored:
                SiteVersion.objects.filter(site=site_id).update(version=site.version, blocks=site.blocks)

    def remember(self) -> None:
        """Keeps what was learned. Only after the commit: what was rolled back never was."""
        for cache in (_members, _blocks, _ids):
            if len(cache) >= CACHED:
                cache.clear()
        _members.update((room.id, (room.shape, room.members, room.unshown or NOBODY)) for room in self._rooms.values())
        _blocks.update(self._read_blocks)
        _ids.update((room.key, (room.site_id, room.id)) for room in self._rooms.values())

    def _learn(self, rows: Iterable[RoomRow]) -> None:
        """Reads at once who is in these conversations, as far as it is not known."""
        unknown = {}
        for row in rows:
            known = self._inside.get(row.id) or _members.get(row.id)
            if known is None or known[0] != row.shape:
                unknown[row.id] = row.shape
        if not unknown:
            return
        people: dict[int, list[tuple[int, str, bool]]] = {id: [] for id in unknown}
        inside = Participant.objects.filter(conversation__in=unknown, left=0).order_by("conversation", "id")
        for id, member, sub, shown in inside.values_list("conversation_id", "member_id", "member__sub", "shown"):
            people[id].append((member, sub, shown))
        for id, shape in unknown.items():
            unshown = frozenset(member for member, _, shown in people[id] if not shown) or NOBODY
            self._inside[id] = (shape, {member: sub for member, sub, _ in people[id]}, unshown)

    def _lock(self, site_id: int, **by: str) -> Room | None:
        ids = list(Conversation.objects.filter(site=site_id, **by).values_list("id", flat=True))
        rows = statements.lock_rooms(ids) if ids else []
        return self._admit(rows[0]) if rows else None

    def _admit(self, row: RoomRow) -> Room:
        if row.key in self._rooms:
            return self._rooms[row.key]
        self._learn([row])
        _, members, unshown = self._inside.get(row.id) or _members[row.id]
        room = Room(
            id=row.id,
            site_id=row.site_id,
            key=row.key,
            pair=row.pair is not None,
            name=row.name,
            seq=row.seq,
            shape=row.shape,
            members=members,
            unshown=unshown,
            version=row.version,
            latest=row.latest,
        )
        self._rooms[row.key] = room
        if row.pair:
            self._pairs[row.site_id, row.pair] = room
        return room


def pair_of(one: int, other: int) -> str:
    """The name under which the conversation of two members is stored."""
    return f"{min(one, other)}-{max(one, other)}"


def read_blocks(site_id: int, members: Collection[int]) -> dict[int, Blocks]:
    """The blocks that concern each of these members, as the database has them."""
    inside = Block.objects.filter(site=site_id)
    by: dict[int, set[int]] = {member: set() for member in members}
    of: dict[int, set[int]] = {member: set() for member in members}
    for owner, member in inside.filter(member__in=by).values_list("owner", "member"):
        by[member].add(owner)
    for owner, member in inside.filter(owner__in=of).values_list("owner", "member"):
        of[owner].add(member)
    return {member: Blocks.between(by[member], of[member]) for member in members}

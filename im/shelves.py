"""What members ask for again and again, kept in memcached: their conversations, unread counts and blocks.

Nothing here has to be forgotten when it changes, because its name carries the version of what it shows: a
conversation's, and the site's version of blocks, which make conversations look different to different members. A
version is given out once in an epoch, so that a restored database (with an epoch of its own) meets none of the old
values. Each name ends with the member whose view it is, and what a member may see is asked of the database first:
a view is fetched only for rows that were found to be the member's.

A version is read before the value that is stored under it, so that the value may be newer than its name (then
nobody asks for that name any more), never older. Profiles are none of a conversation's versions: they are put in
when the view is taken off the shelf. Rows of a conversation that are changed past the journal have to move its
version, too; where they do not, it is seen `SECONDS` later.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from django.db.models import F
from msgspec import Struct, structs

from avchat.cache import Shelf
from im import events, members, views
from im.models import Conversation, Participant, SiteVersion
from im.transaction import Blocks, read_blocks

SECONDS = 3600


class _View(Struct, frozen=True):
    """A conversation as one of its members sees it, with `subs` in place of its members."""

    conversation: events.Conversation
    subs: list[str]


class _Blocks(Struct, frozen=True):
    by: list[int]
    of: list[int]


_views = Shelf("view", _View, seconds=SECONDS)
_unread = Shelf("unread", int, seconds=SECONDS)
_blocks = Shelf("blocks", _Blocks, seconds=SECONDS)


def conversations(site_id: int, viewer: int, rows: Sequence[Conversation]) -> list[events.Conversation]:
    """As `views.conversations`: these rows, of conversations that the member `viewer` is in, as it sees them."""
    if not rows:
        return []
    epoch, blocks = SiteVersion.objects.values_list("epoch", "blocks").get(site=site_id)
    by_id = {row.id: row for row in rows}
    fresh: dict[int, events.Conversation] = {}

    def load(ids: list[int]) -> dict[int, _View]:
        seen = views.conversations(site_id, viewer, [by_id[id] for id in ids])
        fresh.update(zip(ids, seen, strict=True))
        return {id: _without_profiles(view) for id, view in fresh.items()}

    wanted = {f"{site_id}.{epoch}.{row.id}.{row.version}.{blocks}.{viewer}": row.id for row in rows}
    found = _views.fetch(wanted, load)
    taken = {id: view for id, view in found.items() if id not in fresh}
    people = members.profiles(site_id, {sub for view in taken.values() for sub in view.subs})
    for id, view in taken.items():
        entries = [people[sub].entry for sub in view.subs if sub in people]
        fresh[id] = structs.replace(view.conversation, members=entries)
    return [fresh[row.id] for row in rows]


def unread(site_id: int, viewers: Collection[int], epoch: str) -> dict[int, dict[str, int]]:
    """How many messages each member has not read, by the conversations' ids as clients know them."""
    theirs = Participant.objects.filter(site=site_id, member__in=viewers, left=0, conversation__seq__gt=F("read_seq"))
    rows = theirs.values_list("member_id", "conversation_id", "conversation__key", "conversation__version")
    keys: dict[tuple[int, int], str] = {}
    wanted: dict[str, tuple[int, int]] = {}
    for viewer, id, key, version in rows:
        keys[viewer, id] = key
        wanted[f"{site_id}.{epoch}.{id}.{version}.{viewer}"] = (viewer, id)

    def load(missing: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
        ids: dict[int, list[int]] = defaultdict(list)
        for viewer, id in missing:
            ids[viewer].append(id)
        loaded = dict.fromkeys(missing, 0)
        for viewer, some in ids.items():
            loaded.update({(viewer, id): n for id, n in views.unread_counts(site_id, viewer, some).items()})
        return loaded

    counts = _unread.fetch(wanted, load)
    found: dict[int, dict[str, int]] = {viewer: {} for viewer in viewers}
    for (viewer, id), key in keys.items():
        if count := counts[viewer, id]:
            found[viewer][key] = count
    return found


def blocks(site_id: int, members: Collection[int], epoch: str, version: int) -> dict[int, Blocks]:
    """The blocks that concern each member. `version`: of the last change of its site's blocks."""

    def load(ids: list[int]) -> dict[int, _Blocks]:
        read = read_blocks(site_id, ids)
        return {id: _Blocks(sorted(each.by), sorted(each.of)) for id, each in read.items()}

    found = _blocks.fetch({f"{site_id}.{epoch}.{version}.{member}": member for member in members}, load)
    return {member: Blocks.between(each.by, each.of) for member, each in found.items()}


def _without_profiles(view: events.Conversation) -> _View:
    return _View(structs.replace(view, members=[]), [member.id for member in view.members])

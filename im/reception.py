"""The reception: what hellos ask of the database, for all that come at once.

A community that comes back comes at once. What one hello asks is asked for all that wait (`database.Batch`): who the
tokens name, in one look-up; and how the members' sites stand, what they missed and what they have not read, in one
snapshot, with a query of each kind.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from avchat.tenants import directory, tokens
from avchat.tenants.directory import SiteInfo
from im import cursor, database, hooks, members, protocol, replay, shelves
from im.blocks import Known
from im.caller import Caller
from im.errors import Refusal
from im.models import Member
from im.protocol import Hello
from im.transaction import Transaction

if TYPE_CHECKING:
    from im.journal import Journal
    from im.node import Node


class Proof(NamedTuple):
    """Whom a hello has shown to be there; `member` as memcached or the database had it, if it is as the token says.

    `token`: made for a new guest.
    """

    site: SiteInfo
    claims: tokens.Claims
    token: str | None
    member: members.Profile | None


class OutOfDate(Exception):
    """What memcached has of a member is not what the database has."""


class Wanted(NamedTuple):
    """Whose state is asked for. `resume`: a cursor; `claims`: the member has to be stored as they say."""

    caller: Caller
    resume: str | None
    claims: tokens.Claims | None


class State(NamedTuple):
    """All that a hello is answered with, as of one position."""

    position: replay.Position
    member: members.Profile
    tabs: list[protocol.Tab]
    chosen: members.Chosen
    blocks: Known
    unread: dict[str, int]
    resumed: bool | None
    changes: list[replay.Change]


class Reception:
    """One node's. `proofs` and `members` may be refused; `states` may be `OutOfDate`."""

    def __init__(self, journal: "Journal") -> None:
        self._journal = journal
        self.proofs: database.Batch[tuple[Hello, str | None], Proof] = database.Batch(
            lambda asked: database.read(_prove, asked)
        )
        self.members = database.Batch(self._enroll)
        self.states: database.Batch[Wanted, State] = database.Batch(lambda asked: database.read(_look, asked))

    async def _enroll(self, asked: list[Proof]) -> list[Member | Exception]:
        """The members who are not yet as their tokens say, stored as they say."""
        by_site: dict[int, list[tokens.Claims]] = defaultdict(list)
        for proof in asked:
            by_site[proof.site.id].append(proof.claims)
        found: dict[int, dict[str, Member] | Refusal] = {}
        for site_id, described in by_site.items():
            try:
                found[site_id] = await self._journal.write(site_id, partial(_enroll, site_id, described))
            except Refusal as refusal:
                found[site_id] = refusal
        told = ((found[proof.site.id], proof.claims.sub) for proof in asked)
        return [members if isinstance(members, Refusal) else members[sub] for members, sub in told]


def of(node: "Node") -> Reception:
    """The reception of a node."""
    reception: Reception = node.parts[Reception]
    return reception


@hooks.started.append
def _start(node: "Node") -> None:
    node.parts[Reception] = Reception(node.journal)


def _enroll(site_id: int, described: list[tokens.Claims], tx: "Transaction") -> dict[str, Member]:
    return members.enroll(tx, site_id, described)


def _prove(asked: list[tuple[Hello, str | None]]) -> list[Proof | Exception]:
    """Who they are, each with the origin of its page."""
    found: list[Proof | Exception] = []
    subs: dict[int, set[str]] = defaultdict(set)
    for frame, origin in asked:
        try:
            proof = _admit(frame, origin)
            subs[proof.site.id].add(proof.claims.sub)
            found.append(proof)
        except Refusal as refusal:
            found.append(refusal)
    known = {site_id: members.profiles(site_id, wanted) for site_id, wanted in subs.items()}
    return [_recognised(proof, known) if isinstance(proof, Proof) else proof for proof in found]


def _admit(frame: Hello, origin: str | None) -> Proof:
    site = directory.site(frame.site)
    if site is None or site.suspended:
        raise Refusal("unauthorized", "There is no such site.")
    if not site.admits(origin):
        raise Refusal("forbidden", "Pages of this origin may not open this site's chat.")
    token = None
    try:
        if frame.token is not None:
            claims = tokens.verify(site.key, frame.token)
        elif frame.guest is None:
            raise Refusal("unauthorized", "A hello needs a member token.")
        elif not site.guests:
            raise Refusal("unauthorized", "This site does not let guests in.")
        else:
            token, claims = tokens.mint_guest(site, frame.guest.name)
    except tokens.TokenError as error:
        raise Refusal("unauthorized", str(error)) from None
    return Proof(site, structs.replace(claims, origin=origin or ""), token, None)


def _recognised(proof: Proof, known: dict[int, dict[str, members.Profile]]) -> Proof:
    member = known[proof.site.id].get(proof.claims.sub)
    return proof._replace(member=member) if member and members.agrees(member, proof.claims) else proof


def _look(asked: list[Wanted]) -> list[State | Exception]:
    """How those stand who are let in."""
    by_site: dict[int, dict[int, Wanted]] = defaultdict(dict)
    for number, wanted in enumerate(asked):
        by_site[wanted.caller.site_id][number] = wanted
    found: dict[int, State | Exception] = {}
    with database.snapshot():
        for site_id, some in by_site.items():
            found.update(zip(some, _states(site_id, list(some.values())), strict=True))
    return [found[number] for number in range(len(asked))]


def _states(site_id: int, asked: list[Wanted]) -> list[State | Exception]:
    """Those of one site. To be called inside a snapshot."""
    position = replay.position(site_id)
    rows = Member.objects.filter(site=site_id).in_bulk({wanted.caller.id for wanted in asked})
    blocks = shelves.blocks(site_id, rows, position.epoch, position.blocks)
    unread = shelves.unread(site_id, rows, position.epoch)
    missed = _missed(site_id, position, asked)
    found: list[State | Exception] = []
    for wanted in asked:
        row = rows.get(wanted.caller.id)
        if row is None or (wanted.claims is not None and not members.agrees(row, wanted.claims)):
            found.append(OutOfDate())
            continue
        changes = missed.get((row.id, wanted.resume))
        found.append(
            State(
                position,
                members.profile(row),
                replay.tabs_of(row),
                members.chosen(row),
                Known(position.blocks, blocks[row.id]),
                unread[row.id],
                None if wanted.resume is None else changes is not None,
                changes or [],
            )
        )
    return found


def _missed(
    site_id: int, position: replay.Position, asked: Iterable[Wanted]
) -> dict[tuple[int, str | None], list[replay.Change]]:
    """What those missed who can be told, by member and cursor."""
    since: dict[tuple[int, str | None], int] = {}
    for wanted in asked:
        at = cursor.parse(wanted.resume) if wanted.resume is not None else None
        if at and at.epoch == position.epoch and at.version <= position.version and not at.expired:
            since[wanted.caller.id, wanted.resume] = at.version
    behind = {member for (member, _), version in since.items() if version < position.version}
    concerned = replay.concerned(site_id, min(since.values()), behind) if behind else frozenset()
    missed: dict[tuple[int, str | None], list[replay.Change]] = {}
    for (member, resume), version in since.items():
        try:
            told = replay.since(site_id, member, version, position.epoch) if member in concerned else []
        except replay.TooMuch:
            continue
        missed[member, resume] = told
    return missed

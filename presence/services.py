"""What members ask of presence: to look as they choose, to idle, to watch others and to watch them no longer."""

from typing import TYPE_CHECKING

from django.db.models import Q

from im import database, notes
from im.dispatch import at_once, stored
from im.errors import Refusal
from im.events import Presence, PresenceOk, choice
from im.members import Chosen
from im.models import Block, Member
from im.nodes import names
from im.notes import Note
from im.protocol import MAX_WATCH, PresenceIdle, PresenceSet, PresenceUnwatch, PresenceWatch, Show
from im.visitor import Visitor
from presence.board import Place
from presence.monitor import digest, of
from presence.nodes import Contributions

if TYPE_CHECKING:
    from im.caller import Caller
    from im.handler import Handler
    from im.node import Node
    from im.transaction import Transaction


@stored(PresenceSet)
def set_presence(tx: "Transaction", caller: "Caller", origin: "Handler", frame: PresenceSet) -> None:
    """Keeps the member's choice and shows it to others and to its own pages."""
    version = tx.next_version(caller.site_id)
    mine = Member.objects.filter(site=caller.site_id, id=caller.id)
    mine.update(show=frame.show, status=frame.status, choice_version=version)
    tx.note(Note("choice", (caller.id, version, frame.show, frame.status), (names.member(caller.id),)))


@notes.on("choice")
def _chosen(node: "Node", member: int, version: int, show: Show, status: str) -> None:
    of(node).choose(member, Chosen(choice(show, status), version))


@at_once(PresenceIdle)
def set_idle(handler: "Handler", frame: PresenceIdle) -> None:
    """Notes whether a page has input."""
    if isinstance(handler, Visitor):
        handler.idle = frame.on
    else:
        of(handler.node).idle(handler, frame.on)
    handler.node.sessions.wishes.keep(handler, idle=frame.on)


@at_once(PresenceWatch)
async def watch(handler: "Handler", frame: PresenceWatch) -> PresenceOk:
    """Tells how members are, and has the connection told of every change.

    Raises:
        Refusal: `forbidden` where a connection would watch more than `MAX_WATCH` members.
    """
    monitor = of(handler.node)
    site_id = handler.caller.site_id
    subs = dict.fromkeys(frame.members)
    if len(subs.keys() | (handler.watching or set())) > MAX_WATCH:
        raise Refusal("forbidden", f"A connection watches at most {MAX_WATCH} members.")
    others: dict[Place, Contributions] = {}
    if isinstance(handler, Visitor):
        handler.watching = {*(handler.watching or ()), *subs}
        others = await monitor.elsewhere.look((site_id, sub) for sub in subs)
    else:
        await monitor.watch(handler, subs)
    seen = await database.read(_seen, site_id, handler.caller.id, list(subs))
    presence = {}
    for sub in subs:
        away = Presence(show="offline", status="", since=seen.get(sub, 0))
        theirs = others[site_id, sub].values() if (site_id, sub) in others else None
        presence[sub] = monitor.seen_by(handler, sub, theirs) or away
    handler.node.sessions.wishes.keep(handler, watching={sub: digest(seen) for sub, seen in presence.items()})
    return PresenceOk(presence=presence)


@at_once(PresenceUnwatch)
def unwatch(handler: "Handler", frame: PresenceUnwatch) -> None:
    """Has the connection no longer told."""
    if isinstance(handler, Visitor):
        handler.watching = (handler.watching or set()) - set(frame.members)
    else:
        of(handler.node).unwatch(handler, frame.members)
    handler.node.sessions.wishes.keep(handler, watching=dict.fromkeys(frame.members))


def _seen(site_id: int, viewer: int, subs: list[str]) -> dict[str, int]:
    """When members were last seen; for those from whom the viewer is set apart, as it was when that began."""
    rows = Member.objects.filter(site=site_id, sub__in=subs).values_list("id", "sub", "seen")
    apart = Block.objects.filter(Q(owner=viewer) | Q(member=viewer), site=site_id)
    values = apart.values_list("owner", "member", "time")
    since = {(member if owner == viewer else owner): time for owner, member, time in values}
    return {sub: min(seen, since.get(member, seen)) or since.get(member, 0) for member, sub, seen in rows}

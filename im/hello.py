"""The hello: who is it, is it let in, and what does it need to know to begin.

The same for every transport. From the moment the handler is registered, what is told to it is held back; the
state is read after that, in one snapshot. So nothing falls between the answer and the first event.
"""

import asyncio
import contextlib
import logging
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from avchat.tenants import services, tokens
from avchat.tenants.directory import SiteInfo
from im import cursor, database, events, limits, members, protocol, reception, replay
from im.blocks import Known
from im.caller import Caller
from im.errors import Refusal
from im.handler import Handler, Port
from im.models import Member
from im.protocol import Hello
from im.reception import OutOfDate, State, Wanted

if TYPE_CHECKING:
    from im.node import Node

logger = logging.getLogger(__name__)

NOTE_S = 30.0
"""How often a site's last connection is noted, in seconds."""

_noted: dict[int, float] = {}


class Welcome(NamedTuple):
    """A hello that was let in: its handler, the answer, and what the member missed up to `up_to`."""

    handler: Handler
    reply: events.HelloOk
    changes: list[replay.Change]
    up_to: int


async def welcome(node: "Node", data: bytes | str, *, origin: str | None, address: str, port: Port | None) -> Welcome:
    """Lets a connection in by its first frame.

    Args:
        origin: the page's, as the browser names it.
        address: the client's, for its rates.
        port: where a connection writes to; None for a session, whose port comes later.

    Raises:
        Refusal: what the hello is answered with.
    """
    if wait := await node.rates.failed_hellos.empty(address):
        raise Refusal("rate-limited", "Too many refused hellos from your address.", retry_ms=wait)
    frame: protocol.Frame | None = None
    try:
        frame = protocol.decode(data)
        if not isinstance(frame, Hello):
            raise Refusal("unauthorized", "The first frame is a hello.")
        return await _let_in(node, frame, origin, port)
    except Refusal as refusal:
        if refusal.code not in ("unavailable", "rate-limited"):
            await node.rates.failed_hellos.take(address)
        refusal.id = refusal.id or (frame.id if frame else None)
        raise
    except Exception:
        logger.exception("A hello could not be answered")
        id = frame.id if frame else None
        raise Refusal("unavailable", "The service does not answer; try again.", retry_ms=1000, id=id) from None


async def _let_in(node: "Node", frame: Hello, origin: str | None, port: Port | None) -> Welcome:
    proof = await reception.of(node).proofs.ask((frame, origin))
    site, entered = proof.site, None
    if wait := site.limited and await node.rates.site_hellos.take(site.key):
        raise Refusal("rate-limited", "Too many members of this site come at once.", retry_ms=wait)
    if proof.member is not None:
        with contextlib.suppress(OutOfDate):
            entered = await _enter(node, site, proof.member, port, frame.resume, proof.claims)
    if entered is None:
        member = await reception.of(node).members.ask(proof)
        entered = await _enter(node, site, member, port, frame.resume, None)
    handler, state, known = entered
    _note(site, origin, proof.claims)
    at = frame.resume if state.resumed and frame.resume else cursor.cursor(state.position.epoch, state.position.version)
    handler.epoch = sys.intern(state.position.epoch)
    reply = events.HelloOk(
        id=frame.id or UNSET,
        member=state.member.entry,
        cursor=at,
        time=database.now_ms(),
        tabs=state.tabs,
        unread=state.unread,
        limits=told_limits(site),
        presence=state.chosen.choice,
        site={"name": site.name},
        token=proof.token or UNSET,
        resumed=UNSET if state.resumed is None else state.resumed,
    )
    node.arrive(handler, state.position.version, state.chosen, known)
    return Welcome(handler, reply, state.changes, state.position.version)


async def _enter(
    node: "Node",
    site: SiteInfo,
    member: Member | members.Profile,
    port: Port | None,
    resume: str | None,
    claims: tokens.Claims | None,
) -> tuple[Handler, State, Known]:
    """Registers a member's connection and reads its state. With `claims`, the member has to be stored as they say."""
    # The few roles that there are stand once each, not once per connection; likewise below, the epoch.
    handler = Handler(node, Caller(site, member.id, member.sub, sys.intern(member.role)), port)
    desk = reception.of(node)
    try:
        # What is stored from now on is told to this node by the others, too.
        await node.link(site.id).settled()
        while True:
            seen = node.blocks.changes
            state = await desk.states.ask(Wanted(handler.caller, resume, claims))
            known = await node.blocks.settled(seen, handler.caller, state.blocks)
            # Meanwhile another connection's hello may have had the feed begin with what is not in this state yet.
            if state.position.version >= node.feeds[site.id].begun:
                break
    except BaseException:
        # Cut off or refused: as if it had never been here.
        node.logout(handler)
        raise
    return handler, state, known


def told_limits(site: SiteInfo) -> dict[str, int]:
    """The limits of a site, as hello tells them."""
    told = {
        "frame": protocol.MAX_FRAME,
        "body": protocol.MAX_BODY,
        "status": protocol.MAX_STATUS,
        "watch": protocol.MAX_WATCH,
        "tabs": protocol.MAX_TABS,
    }
    if site.limited:
        told |= {"sends_per_second": int(limits.SENDS_PER_SECOND), "burst": limits.SEND_BURST}
    return told


def _note(site: SiteInfo, origin: str | None, claims: tokens.Claims) -> None:
    """Has the site's owner see that members connect; now and then, and nobody waits for it."""
    now = time.monotonic()
    if now - _noted.get(site.id, -NOTE_S) < NOTE_S:
        return
    _noted[site.id] = now
    note = partial(services.note_connection, site.id, origin or "", claims.kid)
    asyncio.get_running_loop().create_task(database.read(note)).add_done_callback(lambda task: task.exception())

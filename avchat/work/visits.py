"""Visits: when the members whom mail may reach come and go, as far as the mail needs to know.

Only of sites that mail. A member's coming is noted once, not with every page: as long as it is here, it stays noted.
A member that leaves one node and is on another is not gone; that one will note it. A node that dies cannot say that
its members are gone, and one that cannot ask the others does not; so a coming is good for a day, and is noted again
after half of one.
"""

from typing import TYPE_CHECKING

from avchat.work.models import Subscriber
from im import database, hooks
from im.models import Member
from im.nodes import names
from im.nodes.directory import Unreachable

if TYPE_CHECKING:
    from im.handler import Handler
    from im.members import Chosen
    from im.node import Node
    from im.transaction import Transaction

GOOD_MS = 24 * 3600 * 1000


class Visits(dict[int, int]):
    """The members noted to be here by this node, and when (ms since 1970)."""


def listen() -> None:
    """From now on, comings and goings are noted."""
    hooks.arrived.append(_arrived)
    hooks.gone.append(_gone)
    hooks.departed.append(_departed)


def _arrived(handler: "Handler", chosen: "Chosen") -> None:
    caller, now = handler.caller, database.now_ms()
    visits = _of(handler.node)
    if not caller.site.digest or caller.role == "guest" or now - visits.get(caller.id, 0) < GOOD_MS // 2:
        return
    visits[caller.id] = now

    def note(tx: "Transaction") -> None:
        if Member.objects.filter(site=caller.site_id, id=caller.id, email__gt="").exists():
            Subscriber.objects.update_or_create(member_id=caller.id, site_id=caller.site_id, defaults={"came": now})

    handler.node.journal.note(caller.site_id, note)


def _departed(handler: "Handler") -> None:
    # A node that ends does not wait for grace times: who comes back elsewhere is noted there.
    if handler.node.draining and not handler.node.router.handlers(handler.caller.id):
        _gone(handler.node, handler.caller.site_id, handler.caller.id)


def _gone(node: "Node", site_id: int, member: int) -> None:
    if _of(node).pop(member, None) is not None:
        node.spawn(_note_gone(node, site_id, member))


async def _note_gone(node: "Node", site_id: int, member: int) -> None:
    link = node.link(site_id)
    try:
        located = await link.directory.locate([names.member(member)], link.others)
    except Unreachable:
        return
    if any(located.values()):
        return
    now = database.now_ms()

    def note(tx: "Transaction") -> None:
        Subscriber.objects.filter(site=site_id, member=member).update(went=now)

    node.journal.note(site_id, note)


def _of(node: "Node") -> Visits:
    visits: Visits = node.parts.setdefault(Visits, Visits())
    return visits

"""Tabs: which conversations a member has open or minimised, the same on every page and device."""

import msgspec

from im import dispatch, events
from im.caller import Caller
from im.commit import Event
from im.errors import Refusal, encode
from im.models import Member, Participant
from im.protocol import Tab, TabsSet
from im.transaction import Transaction


@dispatch.stored(TabsSet)
def set_tabs(tx: Transaction, caller: Caller, origin: object, frame: TabsSet) -> None:
    """Keeps the member's tabs and tells its other pages.

    Raises:
        Refusal: `bad-frame` where a conversation comes twice, `not-found` where the caller is not in one.
    """
    wanted = {tab.conversation for tab in frame.tabs}
    if len(wanted) != len(frame.tabs):
        raise Refusal("bad-frame", "A conversation has one tab.")
    tx.flush()
    inside = Participant.objects.filter(site=caller.site_id, member=caller.id, left=0, conversation__key__in=wanted)
    if inside.count() != len(wanted):
        raise Refusal("not-found", "There is no such conversation.")
    _keep(tx, caller, frame.tabs, origin)


def close_tab(tx: Transaction, caller: Caller, conversation: str) -> None:
    """Takes away the tab of a conversation that the caller has left."""
    tabs = msgspec.convert(Member.objects.get(id=caller.id).tabs, list[Tab])
    left = [tab for tab in tabs if tab.conversation != conversation]
    if left != tabs:
        _keep(tx, caller, left, None)


def _keep(tx: Transaction, caller: Caller, tabs: list[Tab], origin: object) -> None:
    version = tx.next_version(caller.site_id)
    Member.objects.filter(id=caller.id).update(tabs=msgspec.to_builtins(tabs), tabs_version=version)
    event = events.TabsEvent(tabs=tabs, cursor=tx.cursor(caller.site_id, version))
    tx.emit(Event(caller.site_id, version, [((caller.id,), encode(event))], origin))

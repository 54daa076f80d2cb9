"""Tabs: which conversations a member has open or minimised, the same on every page and device."""

from msgspec import to_builtins

from im import dispatch, events
from im.caller import Caller
from im.errors import Refusal, encode
from im.models import Member, Participant
from im.protocol import TabsSet
from im.transaction import Event, Transaction


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
    inside = Participant.objects.filter(site=caller.site_id, member=caller.id, left=False, conversation__key__in=wanted)
    if inside.count() != len(wanted):
        raise Refusal("not-found", "There is no such conversation.")
    version = tx.next_version(caller.site_id)
    Member.objects.filter(id=caller.id).update(tabs=to_builtins(frame.tabs), tabs_version=version)
    event = events.TabsEvent(tabs=frame.tabs, cursor=tx.cursor(caller.site_id, version))
    tx.emit(Event(caller.site_id, version, [((caller.id,), encode(event))], origin))

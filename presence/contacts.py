"""Contacts and blocks: whom a member has added to its own list, and whom it does not want to hear."""

from im import blocks, dispatch, events, members
from im.caller import Caller
from im.commit import Event
from im.errors import Refusal, encode
from im.handler import Handler
from im.models import Block, Contact, Member
from im.protocol import BlockAdd, BlockRemove, ContactAdd, ContactRemove, Contacts
from im.replay import contacts_event, contacts_of
from im.transaction import Transaction

MAX_LIST = 1_000
"""Contacts, and blocks, of one member."""


@dispatch.looked_up(Contacts)
def listed(caller: Caller, frame: Contacts) -> events.ContactsOk:
    """The caller's contacts, and those whom it has blocked."""
    contacts, blocked = contacts_of(caller.site_id, caller.id)
    return events.ContactsOk(contacts=contacts, blocked=blocked)


@dispatch.stored(ContactAdd)
def add(tx: Transaction, caller: Caller, origin: Handler, frame: ContactAdd) -> None:
    """Adds a member to the caller's contacts."""
    other = _other(caller, frame.member)
    if _may_add(Contact, caller, other):
        Contact.objects.create(site_id=caller.site_id, owner_id=caller.id, member_id=other)
        _tell(tx, caller, tx.next_version(caller.site_id), origin)


@dispatch.stored(ContactRemove)
def remove(tx: Transaction, caller: Caller, origin: Handler, frame: ContactRemove) -> None:
    """Takes a member out of the caller's contacts."""
    other = _other(caller, frame.member)
    if Contact.objects.filter(site=caller.site_id, owner=caller.id, member=other).delete()[0]:
        _tell(tx, caller, tx.next_version(caller.site_id), origin)


@dispatch.stored(BlockAdd)
def block(tx: Transaction, caller: Caller, origin: Handler, frame: BlockAdd) -> None:
    """Blocks a member, who cannot tell."""
    other = _other(caller, frame.member)
    if _may_add(Block, caller, other):
        version = tx.next_version(caller.site_id)
        Block.objects.create(site_id=caller.site_id, owner_id=caller.id, member_id=other, version=version, time=tx.now)
        _tell(tx, caller, version, origin)
        _blocks_changed(tx, caller, other, version)


@dispatch.stored(BlockRemove)
def unblock(tx: Transaction, caller: Caller, origin: Handler, frame: BlockRemove) -> None:
    """Lifts a block."""
    other = _other(caller, frame.member)
    if Block.objects.filter(site=caller.site_id, owner=caller.id, member=other).delete()[0]:
        version = tx.next_version(caller.site_id)
        _tell(tx, caller, version, origin)
        _blocks_changed(tx, caller, other, version)


def _other(caller: Caller, sub: str) -> int:
    (other,) = members.resolve(caller.site_id, [sub])
    if other == caller.id:
        raise Refusal("forbidden", "That is you.")
    return other


def _may_add(model: type[Contact] | type[Block], caller: Caller, other: int) -> bool:
    """Whether a member is not on the caller's list yet; `forbidden` where the list is full."""
    mine = model._default_manager.filter(site=caller.site_id, owner=caller.id)
    if mine.filter(member=other).exists():
        return False
    if mine.count() >= MAX_LIST:
        raise Refusal("forbidden", f"The list has at most {MAX_LIST} members.")
    return True


def _tell(tx: Transaction, caller: Caller, version: int, origin: Handler) -> None:
    Member.objects.filter(site=caller.site_id, id=caller.id).update(lists_version=version)
    event = contacts_event(caller.site_id, caller.id, tx.cursor(caller.site_id, version))
    tx.emit(Event(caller.site_id, version, [((caller.id,), encode(event))], origin))


def _blocks_changed(tx: Transaction, caller: Caller, other: int, version: int) -> None:
    tx.blocks_changed(caller.site_id, version)
    blocks.changed(tx, caller.site_id, version, caller.id, other)

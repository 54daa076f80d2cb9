"""Puts the demo's members and what they said in place, through the messenger's own services.

Promises that it is all there or nothing of it, and that a second time does nothing.
"""

import time
from itertools import accumulate

from django.db import transaction

from avchat.demo import site as demo
from avchat.demo.people import PEOPLE, Person
from avchat.demo.talk import TALKS, Said, Talk, lobby
from avchat.tenants import directory, tokens
from avchat.tenants.directory import SiteInfo
from im import conversations, members, messages, tabs
from im.caller import Caller
from im.models import Conversation, Member
from im.protocol import (
    ConversationCreate,
    MessageDelete,
    MessageEdit,
    MessageReact,
    MessageRead,
    MessageSend,
    Tab,
    TabsSet,
    Target,
)
from im.transaction import Transaction

MINUTE_MS = 60_000
# Minutes since those who are not here were last seen.
GONE = {"minh-anh": 180, "farah": 1300, "chloe": 2690, "dmitri": 1500}


def put_in_place() -> bool:
    """Fills the demo site; False where it was filled before."""
    site = directory.site(demo.KEY)
    if site is None:
        raise LookupError("The demo site is not set up.")
    with transaction.atomic():
        if Conversation.objects.filter(site=site.id).exists():
            return False
        History(site).write()
    return True


class History:
    """Writes the past of a site, each message at its own time."""

    def __init__(self, site: SiteInfo) -> None:
        self.site = site
        self.now = time.time_ns() // 1_000_000
        self.callers: dict[str, Caller] = {}
        self.made = 0

    def write(self) -> None:
        """Members first, then conversations, the one that was quiet the longest first."""
        for person in PEOPLE:
            self._enroll(person)
        names = [person.id for person in PEOPLE]
        talks = sorted([*TALKS, lobby(names)], key=lambda talk: -talk.ago)
        rooms = [(self._talk(talk), talk.tab) for talk in talks]
        tx = self._begin(self.now)
        frame = TabsSet(tabs=[Tab(conversation=room, state=state) for room, state in rooms if state])
        tabs.set_tabs(tx, self.callers[names[0]], None, frame)
        tx.finish()

    def _begin(self, now: int) -> Transaction:
        tx = Transaction(now=now)
        tx.lock_sites([self.site.id])
        return tx

    def _enroll(self, person: Person) -> None:
        tx = self._begin(self.now)
        claims = tokens.verify(self.site.key, demo.token(person))
        member = members.enroll(tx, self.site.id, [claims])[claims.sub]
        show = "online" if person.show == "offline" else person.show
        seen = self.now - int(GONE.get(person.id, 0) * MINUTE_MS) if person.id in GONE else 0
        Member.objects.filter(pk=member.pk).update(show=show, status=person.status, seen=seen)
        tx.finish()
        self.callers[person.id] = Caller(self.site, member.pk, member.sub, member.role)

    def _talk(self, talk: Talk) -> str:
        """Writes a conversation; its id."""
        times = self._times(talk)
        first, *others = talk.members
        tx = self._begin(times[0])
        frame = ConversationCreate(members=list(others), name=talk.name or None)
        room: str = conversations.create(tx, self.callers[first], None, frame).conversation
        tx.finish()
        for number, (said, at) in enumerate(zip(talk.said, times, strict=True), start=1):
            self._say(room, said, number, at)
        last = len(talk.said)
        readers = {name: last if name in talk.also_read or not talk.name else last - 1 for name in others}
        readers[first] = last - talk.unread
        for name, seq in readers.items():
            tx = self._begin(times[seq - 1] + MINUTE_MS // 4)
            messages.read(tx, self.callers[name], None, MessageRead(conversation=room, seq=seq))
            tx.finish()
        return room

    def _times(self, talk: Talk) -> list[int]:
        """When each was said, in milliseconds; the last one `talk.ago` minutes before now."""
        since_first = list(accumulate(said.minutes for said in talk.said))
        end = self.now - talk.ago * MINUTE_MS
        return [int(end - (since_first[-1] - minutes) * MINUTE_MS) for minutes in since_first]

    def _say(self, room: str, said: Said, seq: int, at: int) -> None:
        caller = self.callers[said.by]
        self.made += 1
        tx = self._begin(at)
        frame = MessageSend(
            to=Target(conversation=room),
            body=said.edited_from or said.text,
            key=f"demo-{self.made}",
            reply_to=seq - said.reply if said.reply else None,
        )
        messages.send(tx, caller, None, frame)
        tx.finish()
        later = self._begin(at + MINUTE_MS // 6)
        if said.edited_from:
            messages.edit(later, caller, None, MessageEdit(conversation=room, seq=seq, body=said.text))
        if said.deleted:
            messages.delete(later, caller, None, MessageDelete(conversation=room, seq=seq))
        for name, emoji in said.reactions:
            reaction = MessageReact(conversation=room, seq=seq, emoji=emoji, on=True)
            messages.react(later, self.callers[name], None, reaction)
        later.finish()

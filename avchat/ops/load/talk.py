"""What members say to each other, and whether it arrives: in conversations of `size` neighbours, at a given rate.

All members of a conversation are of one process, so that it knows what was sent and what has come; the server's
processes are dealt out by the server. A message's body says which one it is and when it was due, by the machine's own
clock: a sender that is late, or a server that does not take more, makes the latency longer and not the rate lower.
"""

import random
import time

import msgspec

from avchat.ops.load.member import Crowd, Member, Told
from avchat.ops.load.pace import Pace
from avchat.ops.load.presence import PresenceTalk
from avchat.ops.load.record import Record

OPENINGS = 32
"""Conversations that a process begins at once."""
MAX_WAITING_S = 20.0
"""Nothing more is sent while so many seconds' worth of messages wait for their answers."""
UNAVAILABLE_MS = 1000

_quote = msgspec.json.encode


class Conversation:
    """Members who talk; `first` and `last` are the first and last known `seq` of this run."""

    __slots__ = ("first", "key", "last", "members", "number", "records")

    def __init__(self, number: int, members: list[Member]) -> None:
        self.number = number
        self.members = members
        self.records: dict[int, Record] = {}
        self.key = ""
        self.first = self.last = 0


class Talk:
    """The conversations of a process.

    Args:
        run: the same word in all that is said in this run, and in nothing else.
        rate: messages a second, of this process.
        size: bytes of a body, at least.
    """

    def __init__(
        self,
        crowd: Crowd,
        members: list[Member],
        *,
        run: str,
        rate: float,
        presence_rate: float,
        group: int,
        size: int,
    ) -> None:
        self._crowd = crowd
        self._counts = crowd.counts
        self._run = run
        self._rate = rate
        self._size = size
        groups = [members[at : at + group] for at in range(0, len(members), group)]
        # Who is left over at the end has nobody to talk to.
        groups = [each for each in groups if len(each) > 1]
        self._conversations = [Conversation(at, each) for at, each in enumerate(groups)]
        self._pace = Pace(crowd.loop, rate if groups else 0.0, self._say_something)
        self._presence = PresenceTalk(crowd, groups, run=run, rate=presence_rate)
        # By the id of what was asked: which conversation it is about, and when it was due (0: not timed).
        self._asked: dict[str, tuple[Conversation, float]] = {}
        self._repeated: set[str] = set()
        self._sent = 0
        self._unopened = list(reversed(self._conversations)) if rate else []
        self._opening = 0
        self._open: list[Conversation] = []

    # what is said

    def open(self) -> None:
        """Begins the conversations, each with a message that is not measured."""
        while self._unopened and self._opening < OPENINGS:
            conversation = self._unopened.pop()
            if any(member.never for member in conversation.members):
                continue
            self._opening += 1
            if len(conversation.members) == 2:
                self._say(conversation, conversation.members[0], 0.0)
            else:
                self._create(conversation)

    @property
    def opened(self) -> bool:
        """Whether all of them have begun, and everybody watches whom it watches."""
        return not self._unopened and not self._opening and not self._presence.asked

    def begin(self) -> None:
        """Has members talk from now on."""
        self._pace.begin()
        self._presence.begin()

    def end(self) -> None:
        """Has them listen."""
        self._pace.end()
        self._presence.end()

    @property
    def waiting(self) -> int:
        """How much is not answered yet, or not heard by all."""
        return self.unanswered + self.lost() + self._presence.lost()

    @property
    def unanswered(self) -> int:
        """How many frames were not answered yet."""
        return len(self._asked) + self._presence.asked

    @property
    def presence_lost(self) -> int:
        """How many watchers have not seen the last change, over all whom they watch."""
        return self._presence.lost()

    def lost(self) -> int:
        """How many messages were not told to a member who is to be told."""
        total = 0
        for each in self._conversations:
            if each.first:
                known = [each.records.get(member.number) for member in each.members]
                total += sum(record.lost(each.last) if record else each.last - each.first + 1 for record in known)
        return total

    def _say_something(self, due: float) -> None:
        if len(self._asked) > self._rate * MAX_WAITING_S:
            # The server takes no more: what is due is left out, and counted.
            self._counts["held_back"] += 1
            return
        if not self._open:
            return
        conversation = random.choice(self._open)
        self._say(conversation, random.choice(conversation.members), due)

    def _say(self, conversation: Conversation, member: Member, due: float) -> None:
        self._sent += 1
        id = f"{self._run}-{self._sent:x}"
        body = f"{self._run} {conversation.number} {member.number} {int(due * 1e9)} ".ljust(self._size, ".")
        if conversation.key:
            to = b'{"conversation":' + _quote(conversation.key) + b"}"
        else:
            to = b'{"member":' + _quote(conversation.members[1].sub) + b"}"
        self._asked[id] = conversation, due
        if due:
            self._counts["sent"] += 1
        quoted = _quote(id)
        frame = b'{"type":"message.send","id":%b,"key":%b,"to":%b,"body":%b}' % (quoted, quoted, to, _quote(body))
        member.send(id, frame)

    def _create(self, conversation: Conversation) -> None:
        self._sent += 1
        id = f"{self._run}-{self._sent:x}"
        self._asked[id] = conversation, 0.0
        others = _quote([member.sub for member in conversation.members[1:]])
        frame = b'{"type":"conversation.create","id":%b,"members":%b,"name":"Load"}' % (_quote(id), others)
        conversation.members[0].send(id, frame)

    # what is heard

    def came(self, member: Member) -> None:
        """A member is connected."""
        self._presence.came(member)

    def heard(self, member: Member, told: Told) -> None:
        """Takes an event or an answer."""
        if told.type == "message":
            self._message(member, told)
        elif told.type == "ok":
            if not self._presence.answered(member, told):
                self._answered(member, told)
        elif told.type == "presence":
            self._presence.heard(member, told)
        elif told.type == "error":
            self._refused(member, told)

    def _message(self, member: Member, told: Told) -> None:
        if not told.body.startswith(self._run):
            self._counts["others"] += 1
            return
        now = time.monotonic_ns()
        _, number, sender, due, _ = told.body.split(" ", 4)
        conversation = self._conversations[int(number)]
        if not conversation.members[0].number <= member.number <= conversation.members[-1].number:
            self._note("strayed", member, told)
            return
        record = conversation.records.get(member.number)
        if record is None:
            record = conversation.records[member.number] = Record(conversation.first or told.seq)
        own = int(sender) == member.number and member.returns > 0
        self._note(record.heard(told.seq, own=own), member, told)
        conversation.last = max(conversation.last, told.seq)
        if due != "0" and int(sender) != member.number:
            self._counts["delivered"] += 1
            self._crowd.figures.times["delivery"].add((now - int(due)) / 1e9)

    def _answered(self, member: Member, told: Told) -> None:
        frame = member.answered(told.id)
        asked = self._asked.pop(told.id, None)
        again = told.id in self._repeated or member.returns > 0
        self._repeated.discard(told.id)
        if asked is None or frame is None:
            if not again:
                self._counts["doubled"] += 1
            return
        conversation, due = asked
        if not told.seq:
            # A group was made; its first message is not seq 1, because who came in was told before.
            conversation.key = told.conversation
            self._say(conversation, member, 0.0)
            return
        if not conversation.first:
            conversation.key = told.conversation
            conversation.first = told.seq
            self._open.append(conversation)
            self._counts["opened"] += 1
            self._next()
        record = conversation.records.get(member.number)
        if record is None:
            record = conversation.records[member.number] = Record(conversation.first)
        self._note(record.answered(told.seq, again=again), member, told)
        conversation.last = max(conversation.last, told.seq)
        if due:
            self._counts["answered"] += 1
            self._crowd.figures.times["answer"].add(time.monotonic() - due)

    def _refused(self, member: Member, told: Told) -> None:
        self._counts[f"error: {told.code}"] += 1
        if told.id not in self._asked:
            return
        if told.retry_ms or told.code == "unavailable":
            self._repeated.add(told.id)
            member.repeat(told.id, (told.retry_ms or UNAVAILABLE_MS) / 1000)
        else:
            # It is not taken, and not waited for any more.
            member.answered(told.id)
            conversation, _ = self._asked.pop(told.id)
            self._counts["not_taken"] += 1
            if not conversation.first:
                self._next()

    def _next(self) -> None:
        """A conversation has begun, or never will."""
        self._opening -= 1
        self.open()
        self._crowd.moved()

    def _note(self, fault: str | None, member: Member, told: Told) -> None:
        if fault is not None:
            self._crowd.fault(fault, member, f"{told.conversation}, seq {told.seq}")

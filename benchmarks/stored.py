"""Messages that a node stores and delivers in a second, from end to end: `python -m benchmarks.stored`.

A database of its own with durable commits, `manage.py serve`, and `--members` members over WebSocket, who were stored
beforehand. They talk two by two; each has `--flight` sends on their way, and sends the next one when one is answered.
Prints JSON: rates, times from a send to its answer and to its delivery, and the processor time that each process
took for a message. Afterwards the database is asked: each answer has its one row, and no seq is missing.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from array import array
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from avchat.ops.load.machine import usage
from avchat.ops.load.wire import frame
from benchmarks.crowd import Crowd
from tests.support.server import BASE, Server

WORDS = "How is the harbour this morning? The boats are late."
WARM = 3
"""Messages that each member sends before anything is measured."""
END_S = 20.0
"""How long what is under way in the end gets, in seconds."""


class Talk:
    """A conversation of each two members of a crowd; `rooms` are the members' in their order."""

    def __init__(self, crowd: Crowd, rooms: list[str]) -> None:
        self._crowd = crowd
        self._rooms = dict(zip(crowd.sockets, rooms, strict=True))
        self._rest: dict[int, bytes] = {}
        self.talking = True
        # By the message's number: when it was sent, answered and delivered, and how often.
        self.sent, self.answered, self.delivered = array("d"), array("d"), array("d")
        self.oks, self.deliveries = bytearray(), bytearray()
        self.others = 0

    def say(self, fd: int) -> None:
        """Has a member send its next message."""
        number = f"{len(self.sent):09}"
        self.sent.append(time.monotonic())
        self.answered.append(0)
        self.delivered.append(0)
        self.oks.append(0)
        self.deliveries.append(0)
        text = f'{{"type":"message.send","id":"{number}","to":{{"conversation":"{self._rooms[fd]}"}},'
        text += f'"body":"{number} {WORDS}","key":"{number}"}}'
        os.write(fd, frame(text.encode()))

    def go_on(self, seconds: float) -> None:
        """Goes on talking, or listening where nobody talks any more."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end and (self.talking or self.waiting):
            for fd, data in self._crowd.heard(min(1.0, end - now)):
                self._take(fd, data)

    @property
    def waiting(self) -> bool:
        """Whether anything is yet to come."""
        return 0 in self.oks or 0 in self.deliveries

    def _take(self, fd: int, data: bytes) -> None:
        if rest := self._rest.pop(fd, None):
            data = rest + data
        at, end, now = 0, len(data), time.monotonic()
        while end - at >= 2:
            start, size = at + 2, data[at + 1]
            if size == 126:
                start, size = at + 4, int.from_bytes(data[at + 2 : at + 4])
            stop = start + size
            if stop > end:
                break
            self._hear(fd, data[start:stop], now)
            at = stop
        if at < end:
            self._rest[fd] = data[at:]

    def _hear(self, fd: int, text: bytes, now: float) -> None:
        if text.startswith(b'{"type":"ok"'):
            number = _number(text, b'"id":"')
            self.oks[number] += 1
            self.answered[number] = now
            if self.talking:
                self.say(fd)
        elif text.startswith(b'{"type":"message"'):
            number = _number(text, b'"body":"')
            self.deliveries[number] += 1
            self.delivered[number] = now
        else:
            self.others += 1


def _number(text: bytes, before: bytes) -> int:
    at = text.index(before) + len(before)
    return int(text[at : at + 9])


def prepare(server: Server, members: int) -> tuple[dict[str, str], list[str]]:
    """A site with stored members `m0` … in conversations of two: the site, and each member's conversation."""
    os.environ |= {name: value for name, value in server.environment.items() if name.startswith("AVCHAT_")}
    os.environ["DJANGO_SETTINGS_MODULE"] = "avchat.settings"
    site: dict[str, str] = json.loads(server.command("create_site", "Harbour", "--limits", "none", "--json"))
    import django

    django.setup()
    from django.db import transaction

    from avchat.tenants import directory
    from avchat.tenants.tokens import Claims
    from im.members import enroll
    from im.models import Participant
    from im.transaction import Transaction, pair_of

    info = directory.site(site["key"])
    assert info is not None
    rooms = []
    with transaction.atomic():
        tx = Transaction()
        tx.lock_sites([info.id])
        blank: dict[str, Any] = {"avatar": "", "url": "", "role": "member", "groups": (), "guest": False, "kid": ""}
        enrolled = enroll(tx, info.id, [Claims(sub=f"m{n}", name=f"Member {n}", **blank) for n in range(members)])
        people = [enrolled[f"m{n}"] for n in range(members)]
        for one, other in zip(people[::2], people[1::2], strict=True):
            pair = {one.id: one.sub, other.id: other.sub}
            rooms += [tx.open_room(info.id, pair, pair=pair_of(*pair)).key] * 2
        # They know of their conversations: no first message is measured.
        Participant.objects.update(shown=True)
        tx.finish()
    return site, rooms


def stored() -> dict[str, Any]:
    """What the database has: its rows by their number, and the conversations whose seqs are not 1, 2, 3 …"""
    from django.db.models import Count, F, Max, Q

    from im.models import Conversation, Message

    numbers = bytearray()
    for key in Message.objects.values_list("key", flat=True).iterator(10_000):
        number = int(key or 0)
        numbers.extend(bytes(max(0, number + 1 - len(numbers))))
        numbers[number] += 1
    counted = Conversation.objects.annotate(rows=Count("messages"), last=Max("messages__seq"))
    wrong = counted.filter(~Q(seq=F("rows")) | ~Q(seq=F("last"))).filter(seq__gt=0)
    return {"numbers": numbers, "gaps": wrong.count()}


def commits() -> int:
    """Commits of the journal so far."""
    from im.models import JournalMark

    return sum(JournalMark.objects.values_list("batch", flat=True))


def measure(server: Server, database: int | None, options: argparse.Namespace) -> dict[str, Any]:
    """Has them talk, and finds out what came of it."""
    site, rooms = prepare(server, options.members)
    server.start()
    crowd = Crowd(server.port, site["key"], site["secret"], options.members)
    coming = crowd.come(50)
    talk = Talk(crowd, rooms)
    for fd in crowd.sockets:
        for _ in range(options.flight):
            talk.say(fd)
    while len(talk.sent) < WARM * options.members:
        talk.go_on(0.5)
    pids = {"server": server.pid, "clients": os.getpid()} | ({"database": database} if database else {})
    before = {name: usage([pid]).cpu_s for name, pid in pids.items()}
    committed, begin = commits(), time.monotonic()
    talk.go_on(options.seconds)
    end = time.monotonic()
    used = {name: usage([pid]).cpu_s - before[name] for name, pid in pids.items()}
    committed = commits() - committed
    load = os.getloadavg()[0]
    talk.talking = False
    talk.go_on(END_S)
    crowd.leave()
    server.terminate()
    answers = sorted(at - since for since, at in zip(talk.sent, talk.answered, strict=True) if begin < at <= end)
    deliveries = sorted(at - since for since, at in zip(talk.sent, talk.delivered, strict=True) if begin < at <= end)
    found = stored()
    rows: bytearray = found["numbers"] + bytes(len(talk.oks) - len(found["numbers"]))
    return {
        "stored_per_second": round(len(answers) / (end - begin)),
        "delivered_per_second": round(len(deliveries) / (end - begin)),
        "answer_ms": _percentiles(answers),
        "delivery_ms": _percentiles(deliveries),
        "processor_us_per_message": {name: round(took / len(answers) * 1e6) for name, took in used.items()},
        "processors_used": {name: round(took / (end - begin), 2) for name, took in used.items()},
        "messages_per_commit": round(len(answers) / max(1, committed)),
        "sent": len(talk.sent),
        "never_answered": talk.oks.count(0),
        "answered_twice": sum(count > 1 for count in talk.oks),
        "lost": talk.deliveries.count(0),
        "delivered_twice": sum(count > 1 for count in talk.deliveries),
        "answered_but_not_stored_once": sum(ok > 0 and row != 1 for ok, row in zip(talk.oks, rows, strict=True)),
        "conversations_with_gaps": found["gaps"],
        "other_frames": talk.others,
        "members_coming_per_second": round(options.members / coming),
        "load": round(load, 1),
    }


def _percentiles(times: list[float]) -> dict[str, int]:
    return {f"p{part}": round(times[len(times) * part // 100] * 1000) for part in (50, 99)}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=2000, help="an even number")
    parser.add_argument("--seconds", type=float, default=20, help="how long is measured")
    parser.add_argument("--flight", type=int, default=1, help="sends of a member that are on their way")
    parser.add_argument("--database", choices=["mariadb", "sqlite"], default="mariadb")
    options = parser.parse_args()
    os.chdir(BASE)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="avchat-benchmark-")))
        url, pid = f"sqlite:///{directory / 'db.sqlite3'}", None
        if options.database == "mariadb":
            from tests.support.mariadb import MariaDB

            database = MariaDB(directory)
            stack.callback(database.stop)
            url, pid = database.start().create(), database.pid
        server = Server(directory / "server", AVCHAT_DATABASE_URL=url)
        stack.callback(server.stop)
        print(json.dumps(measure(server, pid, options), indent=2))


if __name__ == "__main__":
    sys.exit(main())

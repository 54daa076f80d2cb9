"""A load run that knows what every client sent, what it was told `ok`, and what it received; and checks all of it.

Clients do as the contract says: they come back with `resume` when their connection is lost, after `closing` when they
were told to, and ask again with the same key for what was not answered. Whatever happens to the servers meanwhile,
afterwards every message that was answered `ok` is stored once, every conversation's `seq` runs 1, 2, 3 …, every client
was given every message once and in order, and those who are gone are offline.
"""

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable

import httpx
from websockets.exceptions import WebSocketException

from tests.support.client import Connection, Ended, Frame
from tests.support.site import Site

REPLY_SECONDS = 5.0
"""After how long an answer, or a hello's reply, is not waited for any longer."""
SETTLE_SECONDS = 60.0
"""Within how long all clients have everything, once nothing is wrong any more."""
GOING = 8
"""How many members go at the end."""
AGAIN_SECONDS = (0.1, 0.5)
"""What lies between two attempts to come back."""
LOST = (Ended, OSError, TimeoutError, httpx.HTTPError, WebSocketException)
"""How a connection, or an attempt at one, may fail."""

STORED = """
import json
from im.models import Message
rows = Message.objects.filter(conversation__key__in=json.loads({rooms!r}))
print(json.dumps(list(rows.order_by("conversation_id", "seq").values_list("conversation__key", "seq", "body"))))
"""


class Client:
    """A member with one connection at a time.

    `seen`: per conversation, the body of each `seq` that it knows of; `closings`: the `closing` that it was told.
    """

    def __init__(self, site: Site, sub: str, transport: str, *, repeats: int = 1) -> None:
        self.site = site
        self.sub = sub
        self.transport = transport
        self.repeats = repeats
        self.rooms: list[str] = []
        self.sent: set[str] = set()
        self.stored: dict[str, tuple[str, int]] = {}
        self.seen: dict[str, dict[int, str]] = {}
        self.closings: list[Frame] = []
        self.problems: list[str] = []
        self.connections = 0
        self._last: Counter[str] = Counter()
        self._connection: Connection | None = None
        self._here = asyncio.Event()
        self._cursor: str | None = None
        self._ids = itertools.count(1)
        self._task: asyncio.Task[None] | None = None

    def come(self) -> None:
        """Connects, and does so again whenever the connection is lost, until it is told to `go`."""
        self._task = asyncio.create_task(self._stay())

    async def go(self) -> None:
        """Leaves without a word, for good."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def broken(self) -> BaseException | None:
        """What ended the client itself, if anything did."""
        return self._task.exception() if self._task and self._task.done() and not self._task.cancelled() else None

    async def deliver(self, room: str, key: str) -> None:
        """Sends a message until it is answered `ok`. Its body is its key."""
        self.sent.add(key)
        frame: Frame = {"type": "message.send", "to": {"conversation": room}, "body": key, "key": key}
        while key not in self.stored:
            await self._here.wait()
            connection = self._connection
            assert connection is not None
            frames = [{**frame, "id": f"c{next(self._ids)}"} for _ in range(self.repeats)]
            try:
                async with asyncio.timeout(REPLY_SECONDS):
                    replies = await connection.batch(*frames)
            except LOST:
                await connection.drop()
                await self._again()
                continue
            for reply in replies:
                await self._answered(room, key, reply)

    async def ask(self, type: str, **fields: object) -> Frame:
        """Sends a frame that may be sent again, until it is answered."""
        while True:
            await self._here.wait()
            connection = self._connection
            assert connection is not None
            try:
                async with asyncio.timeout(REPLY_SECONDS):
                    [reply] = await connection.batch({"type": type, "id": f"c{next(self._ids)}", **fields})
            except LOST:
                await connection.drop()
                await self._again()
                continue
            if reply["type"] == "ok":
                return reply
            assert reply["code"] == "unavailable", reply
            await asyncio.sleep(reply["retry_ms"] / 1000)

    async def _answered(self, room: str, key: str, reply: Frame) -> None:
        if reply["type"] == "ok":
            at = (reply["conversation"], reply["seq"])
            if at[0] != room or self.stored.setdefault(key, at) != at:
                self.problems.append(f"{self.sub}: {key} was stored as {at} and {self.stored.get(key)}")
            self._keep(room, reply["seq"], key)
        elif reply["code"] == "unavailable":
            await asyncio.sleep(reply["retry_ms"] / 1000)
        else:
            self.problems.append(f"{self.sub}: {key} was answered {reply}")

    def _keep(self, room: str, seq: int, body: str) -> None:
        if self.seen.setdefault(room, {}).setdefault(seq, body) != body:
            self.problems.append(f"{self.sub}: {seq} of {room} is {body} and {self.seen[room][seq]}")

    async def _stay(self) -> None:
        while True:
            try:
                async with asyncio.timeout(REPLY_SECONDS):
                    fields = {"resume": self._cursor} if self._cursor else {}
                    token = self.site.token(self.sub)
                    connection = await self.site.hello({"token": token, **fields}, transport=self.transport)
            except LOST:
                await self._again()
                continue
            if connection.hello.get("resumed") is False:
                self.problems.append(f"{self.sub} could not resume from {self._cursor}")
            self.connections += 1
            self._connection = connection
            self._here.set()
            try:
                await self._listen(connection)
            finally:
                self._here.clear()
                self._cursor = connection.cursor
                with contextlib.suppress(*LOST):
                    await connection.drop()
                self.site.forget(connection)
            closing = connection.unseen("closing")
            await (asyncio.sleep(closing[0]["retry_ms"] / 1000) if closing else self._again())

    async def _listen(self, connection: Connection) -> None:
        """Notes what comes, until the connection is lost."""
        with contextlib.suppress(*LOST):
            for number in itertools.count():
                event = await connection.nth(number)
                if event["type"] == "message":
                    self._received(event)
                elif event["type"] == "closing":
                    self.closings.append(event)

    def _received(self, event: Frame) -> None:
        room, seq = event["conversation"], event["seq"]
        if seq <= self._last[room]:
            self.problems.append(f"{self.sub} was given {seq} of {room} after {self._last[room]}")
        self._last[room] = seq
        self._keep(room, seq, event.get("body", ""))

    async def _again(self) -> None:
        await asyncio.sleep(random.uniform(*AGAIN_SECONDS))


class Checker:
    """Clients of one site in conversations of a few. The site has no limits and a short grace time."""

    def __init__(self, site: Site, *, members: int = 24, size: int = 4, repeats: int = 1) -> None:
        self.site = site
        kinds = itertools.cycle(("ws", "ws", "sse", "ws", "poll", "ws", "ndjson"))
        self.clients = [Client(site, f"m{n}", next(kinds), repeats=repeats) for n in range(members)]
        self.gone: list[Client] = []
        self.size = size
        self.rooms: list[str] = []

    async def begin(self) -> "Checker":
        """Has everybody come, and makes the conversations: each member is in two of them."""
        for client in self.clients:
            client.come()
        await asyncio.gather(*(client.ask("ping") for client in self.clients))
        for start in range(0, len(self.clients), self.size // 2):
            inside = [self.clients[(start + n) % len(self.clients)] for n in range(self.size)]
            subs = [client.sub for client in inside[1:]]
            reply = await inside[0].ask("conversation.create", members=subs, name=f"Room {start}")
            self.rooms.append(reply["conversation"])
            for client in inside:
                client.rooms.append(reply["conversation"])
        return self

    @property
    def stored(self) -> int:
        """How many messages were answered `ok`."""
        return sum(len(client.stored) for client in self.clients + self.gone)

    @contextlib.asynccontextmanager
    async def talking(self, per_second: float = 4.0) -> AsyncIterator[None]:
        """Has everybody send about so many messages a second; at the end, what was sent is answered."""
        ending = asyncio.Event()

        async def talk(client: Client) -> None:
            while not ending.is_set():
                await client.deliver(random.choice(client.rooms), f"{client.sub}-{len(client.sent)}")
                await asyncio.sleep(random.uniform(0.5, 1.5) / per_second)

        talkers = [asyncio.create_task(talk(client)) for client in self.clients]
        try:
            yield
            ending.set()
            async with asyncio.timeout(SETTLE_SECONDS):
                await asyncio.gather(*talkers)
        finally:
            for talker in talkers:
                talker.cancel()

    async def flow(self, messages: int) -> None:
        """Waits until so many more messages were answered `ok`."""
        goal = self.stored + messages
        await self._until(lambda: self.stored >= goal, lambda: f"only {goal - messages} to {self.stored} were stored")

    async def stuck(self, for_s: float = 3.0) -> None:
        """Waits until nothing has been stored for so many seconds."""
        deadline = time.monotonic() + SETTLE_SECONDS
        stored, since = self.stored, time.monotonic()
        while time.monotonic() - since < for_s:
            assert time.monotonic() < deadline, "messages are still stored"
            await asyncio.sleep(0.1)
            if self.stored != stored:
                stored, since = self.stored, time.monotonic()

    async def verify(self) -> None:
        """Waits until everybody has everything, and checks all that the contract promises; some members go for that.

        Who is still here is online, and who went before or goes now is offline.
        """
        stored = await asyncio.to_thread(self._stored)
        await self._until(lambda: self._missing(stored) == [], lambda: f"missing: {self._missing(stored)[:10]}")
        problems = [problem for client in self.clients for problem in client.problems]
        for room in self.rooms:
            seqs = [seq for seq, _ in stored[room]]
            if seqs != list(range(1, len(seqs) + 1)):
                problems.append(f"{room} has gaps: {seqs}")
        bodies = Counter(body for room in self.rooms for _, body in stored[room] if body)
        problems += [f"{body} is stored {count} times" for body, count in bodies.items() if count > 1]
        for client in self.clients:
            for key, (room, seq) in client.stored.items():
                if (seq, key) not in stored[room]:
                    problems.append(f"{key} was answered ok as {seq} of {room}, and is not stored so")
            problems += [f"{client.sub} broke: {client.broken!r}"] if client.broken else []
        problems += await self._history_differs(stored)
        assert problems == [], "\n".join(map(str, problems[:20]))
        assert bodies.total() == sum(len(client.sent) for client in self.clients + self.gone)
        await self.part(GOING)
        await self.shown([client.sub for client in self.clients], "online")
        await self.shown([client.sub for client in self.gone], "offline")

    async def leave(self) -> None:
        """Has everybody go."""
        await asyncio.gather(*(client.go() for client in self.clients))
        await self.site.leave()

    async def part(self, count: int) -> list[str]:
        """Has so many members go for good; answers who."""
        gone, self.clients = self.clients[:count], self.clients[count:]
        self.gone += gone
        await asyncio.gather(*(client.go() for client in gone))
        return [client.sub for client in gone]

    async def shown(self, subs: Iterable[str], show: str) -> None:
        """Checks that members are shown so, or get so, to a member who watches them."""
        watcher = await self.site.join("watcher", transport="ws")
        members = dict.fromkeys(subs, "offline")

        def note(entries: dict[str, Frame]) -> None:
            members.update((sub, entry["show"]) for sub, entry in entries.items() if sub in members)

        note((await watcher.ok("presence.watch", members=[*members]))["presence"])
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                for number in itertools.count():
                    if set(members.values()) == {show}:
                        break
                    event = await watcher.nth(number)
                    if event["type"] == "presence":
                        note(event["members"])
        except TimeoutError:
            raise AssertionError(f"not {show}: {members}") from None
        await watcher.close()

    def _stored(self) -> dict[str, list[tuple[int, str]]]:
        """What the database has of every conversation."""
        code = STORED.format(rooms=json.dumps(self.rooms))
        rows = json.loads(self.site.server.manage("shell", "--verbosity", "0", "--command", code))
        found: dict[str, list[tuple[int, str]]] = {room: [] for room in self.rooms}
        for room, seq, body in rows:
            found[room].append((seq, body))
        return found

    def _missing(self, stored: dict[str, list[tuple[int, str]]]) -> list[str]:
        return [
            f"{client.sub} ({client.transport}) has {len(client.seen.get(room, {}))} of {len(stored[room])} in {room}"
            for client in self.clients
            for room in client.rooms
            if sorted(client.seen.get(room, {}).items()) != stored[room]
        ]

    async def _history_differs(self, stored: dict[str, list[tuple[int, str]]]) -> list[str]:
        problems = []
        for room in self.rooms:
            reader = next((client for client in self.clients if room in client.rooms), None)
            if reader is None:
                continue
            found: list[tuple[int, str]] = []
            before: dict[str, int] = {}
            while True:
                page = await reader.ask("history", conversation=room, limit=100, **before)
                found = [(each["seq"], each.get("body", "")) for each in page["messages"]] + found
                if not page["more"]:
                    break
                before = {"before": found[0][0]}
            if found != stored[room]:
                problems.append(f"the history of {room} is not what is stored")
        return problems

    async def _until(self, holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, otherwise()
            await asyncio.sleep(0.1)

"""Pages are worked on by a few threads: who waits, who is sent away, and who keeps a thread from others."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from avchat import pages
from avchat.pages import Message, Pages, Receive, Send


class App:
    """As Django does, it works in a thread, and tells a client that leaves by ending with its thread's work."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.working = 0
        self.most = 0
        self.asked: list[bytes] = []
        self._lock = threading.Lock()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        message = await receive()
        self.asked.append(message["body"])
        await sync_to_async(self._work)()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    def _work(self) -> None:
        with self._lock:
            self.working += 1
            self.most = max(self.most, self.working)
        self.go.wait(60)
        with self._lock:
            self.working -= 1


class Client:
    """A request, and its answer as far as the client reads it."""

    def __init__(self, app: Pages, *body: bytes, reads: bool = True) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._reads = asyncio.Event()
        if reads:
            self._reads.set()
        self.start: Message | None = None
        for part in body:
            self.say(part, more=True)
        self.task = asyncio.ensure_future(app({"type": "http"}, self._messages.get, self._send))

    def say(self, body: bytes = b"", *, more: bool = False) -> "Client":
        self._messages.put_nowait({"type": "http.request", "body": body, "more_body": more})
        return self

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})

    def read(self) -> None:
        self._reads.set()

    async def over(self) -> None:
        async with asyncio.timeout(60):
            await self.task

    async def status(self) -> int:
        await self.over()
        assert self.start is not None
        return int(self.start["status"])

    async def _send(self, message: Message) -> None:
        self.start = self.start or message
        await self._reads.wait()


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setattr(pages, "THREADS", 2)
    monkeypatch.setattr(pages, "WAITING", 3)
    return App()


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in a thread)
            await asyncio.sleep(0.01)


async def test_as_many_as_there_are_threads_are_worked_on_and_some_wait_and_the_others_are_sent_away(app: App) -> None:
    site = Pages(app)
    clients = [Client(site).say() for _ in range(20)]
    refused = clients[5:]
    assert [await client.status() for client in refused] == [503] * 15
    for client in refused:
        assert client.start is not None
        assert (b"retry-after", b"2") in client.start["headers"]
    await until(lambda: app.working == 2)
    app.go.set()
    assert [await client.status() for client in clients[:5]] == [200] * 5
    assert app.most == 2
    assert await Client(site).say().status() == 200


async def test_who_leaves_while_waiting_leaves_the_line(app: App) -> None:
    site = Pages(app)
    clients = [Client(site).say() for _ in range(5)]
    await until(lambda: app.working == 2)
    assert await Client(site).say().status() == 503
    for client in clients[2:]:
        client.leave()
        await client.over()
        assert client.start is None
    waiting = [Client(site).say() for _ in range(3)]
    await asyncio.sleep(0)
    app.go.set()
    assert [await client.status() for client in (*clients[:2], *waiting)] == [200] * 5
    assert len(app.asked) == 5


async def test_a_thread_that_was_given_to_somebody_who_is_cut_off_is_not_lost(app: App) -> None:
    site = Pages(app)
    app.go.set()
    for steps in range(20):
        client = Client(site).say()
        # It is cut off one step later each time.
        for _ in range(steps):
            await asyncio.sleep(0)
        client.task.cancel()
        await asyncio.wait([client.task])
    app.go.clear()
    both = [Client(site).say() for _ in range(2)]
    await until(lambda: app.working == 2)
    app.go.set()
    assert [await client.status() for client in both] == [200, 200]


async def test_who_reads_or_sends_slowly_keeps_no_thread_from_others(app: App) -> None:
    site = Pages(app)
    app.go.set()
    readers = [Client(site, reads=False).say() for _ in range(5)]
    senders = [Client(site, b"first ") for _ in range(5)]
    await until(lambda: all(reader.start for reader in readers))
    assert await Client(site).say().status() == 200
    for reader in readers:
        reader.read()
    for sender in senders:
        sender.say(b"second")
    assert [await client.status() for client in (*readers, *senders)] == [200] * 10
    assert app.asked[-1] == b"first second"


async def test_a_request_of_more_than_is_taken_is_not_read_to_its_end(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_BODY", 10)
    assert await Client(Pages(app), b"0123456789", b"0").status() == 413
    assert app.asked == []


async def test_who_leaves_before_all_is_said_asks_nothing(app: App) -> None:
    client = Client(Pages(app), b"first ")
    client.leave()
    await client.over()
    assert (client.start, app.asked) == (None, [])

"""Django's pages under ASGI: worked on by a few threads that stay, however many are asked for.

Promises that the pages of a process never have more connections of the database than `THREADS`; that who sends or
reads slowly keeps no thread from others; and that who goes away while waiting for a thread leaves the line.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext

THREADS = 8
"""Pages that are worked on at the same time, each with a thread, and so a connection, of its own."""
WAITING = 200
"""Requests that wait for a thread, at the most; the next ones are answered 503."""
MAX_BODY = 1024 * 1024
"""Bytes of a request."""
RETRY_S = 2
"""When those had better come again, in seconds."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class Pages:
    """`app`, which is Django's ASGI application, with a bound on what it works on at the same time."""

    def __init__(self, app: App) -> None:
        self._app = app
        # The one that was used last is taken first: few requests need few threads.
        self._free: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
        for _ in range(THREADS):
            self._free.put_nowait(ThreadPoolExecutor(max_workers=1, thread_name_prefix="page"))
        self._waiting = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answers a request."""
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY:
                await _refuse(send, 413, "That is more than is taken here.")
                return
        if self._waiting >= WAITING + self._free.qsize():
            await _refuse(send, 503, "Too much is asked for at once. Try again in a moment.")
            return
        leaving = asyncio.ensure_future(receive())
        try:
            thread = await self._thread(leaving)
            if thread is not None:
                await self._work(thread, scope, bytes(body), leaving, send)
        finally:
            leaving.cancel()

    async def _thread(self, leaving: asyncio.Future[Message]) -> ThreadPoolExecutor | None:
        """A free thread, as soon as it is this request's turn; None where the client left before."""
        taking = asyncio.ensure_future(self._free.get())
        self._waiting += 1
        try:
            await asyncio.wait((taking, leaving), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._abandon(taking)
            raise
        finally:
            self._waiting -= 1
        if taking.done():
            return taking.result()
        self._abandon(taking)
        return None

    def _abandon(self, taking: asyncio.Future[ThreadPoolExecutor]) -> None:
        if taking.done():
            self._free.put_nowait(taking.result())
        else:
            taking.cancel()

    async def _work(
        self,
        thread: ThreadPoolExecutor,
        scope: dict[str, Any],
        body: bytes,
        leaving: asyncio.Future[Message],
        send: Send,
    ) -> None:
        asked: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        held = [thread]

        async def receiving() -> Message:
            return asked.pop() if asked else await leaving

        async def sending(message: Message) -> None:
            # What is left is sent as slowly as the client reads; the thread is needed only for a last word.
            if held:
                self._free.put_nowait(held.pop())
            await send(message)

        try:
            # Django ends a request that the client has left only when the thread is done with it.
            async with ThreadSensitiveContext(executor=thread):
                await self._app(scope, receiving, sending)
        finally:
            if held:
                self._free.put_nowait(held.pop())


async def _refuse(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == 503:
        headers.append((b"retry-after", str(RETRY_S).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

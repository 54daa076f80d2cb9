"""The contract's client over an HTTP session: server-sent events, chunked stream, long poll."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx

from tests.support.client import PATIENCE, Connection, Ended, Frame, HelloRefused, decode, encode

ACCEPT = {"sse": "text/event-stream", "ndjson": "application/x-ndjson", "poll": "application/json"}
POLL_SECONDS = 25


def http_client(base: str, source: str = "127.0.0.1", origin: str | None = None) -> httpx.AsyncClient:
    """A plain HTTP client of the service at `base`, from the address `source`."""
    return httpx.AsyncClient(
        base_url=base,
        headers={"Origin": origin} if origin else {},
        timeout=httpx.Timeout(PATIENCE, read=POLL_SECONDS + PATIENCE),
        # There is no TLS here, and its certificates take longest to load.
        transport=httpx.AsyncHTTPTransport(local_address=source, verify=False),
        trust_env=False,
    )


async def lines(answer: httpx.Response) -> AsyncIterator[str]:
    """The lines of a stream. Only a line feed ends one: JSON may hold other separators as they are."""
    rest = b""
    async for data in answer.aiter_bytes():
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode()


async def server_sent(answer: httpx.Response) -> AsyncIterator[Frame]:
    """The frames of a stream of server-sent events; checks that a cursor stands as the event's `id`."""
    data: list[str] = []
    id: str | None = None
    async for line in lines(answer):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith("id:"):
            id = line[3:].removeprefix(" ")
        elif not line and data:
            frame = decode("\n".join(data))
            assert frame.get("cursor") == id, f"the event's id is {id!r}: {frame}"
            yield frame
            data, id = [], None


class HttpConnection(Connection):
    """A session: its events over one of three kinds of answer, its frames by POST, one POST at a time."""

    def __init__(self, client: httpx.AsyncClient, kind: str) -> None:
        super().__init__()
        self.client = client
        self.kind = kind
        self.path = ""
        self._posting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, base: str, hello: Frame, kind: str, source: str = "127.0.0.1", origin: str | None = None
    ) -> "HttpConnection":
        """Makes a session and listens.

        Raises:
            HelloRefused: the hello was answered with an error; its `code` is the HTTP status.
        """
        self = cls(http_client(base, source, origin), kind)
        try:
            answer = await self.client.post("/im/v1/sessions", content=encode(hello))
            reply = decode(answer.content)
        except BaseException:
            await self.client.aclose()
            raise
        if reply["type"] == "error":
            await self.client.aclose()
            raise HelloRefused(answer.status_code, reply)
        assert answer.status_code == 200, answer
        self.path = f"/im/v1/sessions/{reply['session']}"
        return self._welcomed(reply).listen()

    def listen(self, **query: str) -> "HttpConnection":
        """Opens the events, from where the last answer ended or as `query` (`cursor`) says."""
        self._reader = asyncio.create_task(self._read(query))
        return self

    async def deafen(self) -> None:
        """Cuts the events off; the session stays."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    async def batch(self, *frames: Frame) -> list[Frame]:
        answer = await self._post(b"[" + b",".join(map(encode, frames)) + b"]")
        assert answer.status_code == 200, answer.text
        replies = [decode(json.dumps(reply)) for reply in answer.json()]
        expected = [frame["id"] for frame in frames if "id" in frame]
        if len(replies) < len(expected):
            # Only a session that ended on the way leaves frames unanswered.
            await self._post(b"[]")
        assert [reply.get("id") for reply in replies] == expected
        return replies

    async def raw(self, data: bytes) -> Frame:
        answer = await self._post(b"[" + data + b"]")
        if answer.status_code == 200:
            [reply] = answer.json()
            return decode(json.dumps(reply))
        assert answer.status_code in (400, 413), answer
        return decode(answer.content)

    async def close(self) -> None:
        await self.deafen()
        with contextlib.suppress(httpx.HTTPError):
            await self.client.delete(self.path)
        await self.client.aclose()

    async def drop(self) -> None:
        await self.deafen()
        await self._over(None)
        await self.client.aclose()

    async def _post(self, body: bytes) -> httpx.Response:
        async with self._posting:
            if self.client.is_closed:
                raise Ended(None)
            try:
                answer = await self.client.post(
                    f"{self.path}/frames", content=body, headers={"Content-Type": "application/json"}
                )
            except httpx.TransportError:
                raise Ended(None) from None
        if answer.status_code == 404:
            await self._over(404)
            raise Ended(404)
        if answer.status_code >= 500:
            raise Ended(answer.status_code)
        return answer

    async def _read(self, query: dict[str, str]) -> None:
        try:
            while self._end is None:
                await (self._poll(query) if self.kind == "poll" else self._stream(query))
                query = {}
        except httpx.TransportError:
            await self._over(None)
        except AssertionError:
            # Told when the connection is dropped; nobody has to wait for it until then.
            await self._over(None)
            raise

    async def _poll(self, query: dict[str, str]) -> None:
        answer = await self.client.get(
            f"{self.path}/events", params={"wait": POLL_SECONDS, **query}, headers={"Accept": ACCEPT["poll"]}
        )
        if answer.status_code != 200:
            await self._over(answer.status_code)
            return
        for frame in answer.json():
            await self._arrived(decode(json.dumps(frame)))

    async def _stream(self, query: dict[str, str]) -> None:
        async with self.client.stream(
            "GET", f"{self.path}/events", params=query, headers={"Accept": ACCEPT[self.kind]}
        ) as answer:
            if answer.status_code != 200:
                await self._over(answer.status_code)
                return
            if self.kind == "sse":
                async for frame in server_sent(answer):
                    await self._arrived(frame)
            else:
                async for line in lines(answer):
                    if line:
                        await self._arrived(decode(line))

"""A plain client of the wire contract, with one interface over all four transports.

Written from the contract alone: it shares no code with the server. A connection keeps every event in the order in
which it came (`log`), and hands each out once (`event`).
"""

import asyncio
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

PATIENCE = 15.0
"""How long, in seconds, a client waits for what must come. Generous: it only delays failures."""

Frame = dict[str, Any]


class Ended(Exception):
    """The connection is over. `code`: the WebSocket's close code, or the HTTP status that said so (None: cut off)."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"the connection ended with {code}")
        self.code = code


class HelloRefused(Ended):
    """The hello was answered with `error`, and the connection closed with `code`."""

    def __init__(self, code: int | None, error: Frame) -> None:
        super().__init__(code)
        self.error = error


class Connection(ABC):
    """A member's connection. `hello` is the reply to the hello, `cursor` the position of the last event that came."""

    def __init__(self) -> None:
        self.hello: Frame = {}
        self.cursor: str = ""
        self.log: list[Frame] = []
        self._unseen: list[Frame] = []
        self._loose_errors: list[Frame] = []
        self._changed = asyncio.Condition()
        self._ids = itertools.count(2)
        self._end: Ended | None = None

    @abstractmethod
    async def batch(self, *frames: Frame) -> list[Frame]:
        """Sends frames in order, at once; answers the replies to those that have an `id`, in order."""

    @abstractmethod
    async def raw(self, data: bytes) -> Frame:
        """Sends bytes that need not be a frame; answers the error that they get."""

    @abstractmethod
    async def close(self) -> None:
        """Leaves as a well-behaved client does."""

    @abstractmethod
    async def drop(self) -> None:
        """Is gone without a word, as when a network is lost."""

    async def request(self, type: str, **fields: Any) -> Frame:
        """Sends one frame and answers its reply, `ok` or `error`."""
        [reply] = await self.batch({"type": type, "id": str(next(self._ids)), **fields})
        return reply

    async def ok(self, type: str, **fields: Any) -> Frame:
        """Sends one frame, which must be answered `ok`."""
        reply = await self.request(type, **fields)
        assert reply["type"] == "ok", reply
        return reply

    async def refused(self, type: str, **fields: Any) -> str:
        """Sends one frame, which must be answered `error`; answers the code."""
        reply = await self.request(type, **fields)
        assert reply["type"] == "error", reply
        assert isinstance(reply["message"], str)
        assert reply["message"]
        code: str = reply["code"]
        return code

    async def send(self, to: str, body: str, key: str | None = None, **fields: Any) -> Frame:
        """Sends a message to a member, which must be answered `ok`."""
        return await self.ok(
            "message.send", to={"member": to}, body=body, key=key or f"{body[:40]}-{id(self)}", **fields
        )

    async def say(self, conversation: str, body: str, key: str | None = None, **fields: Any) -> Frame:
        """Sends a message into a conversation, which must be answered `ok`."""
        to = {"conversation": conversation}
        return await self.ok("message.send", to=to, body=body, key=key or f"{body[:40]}-{id(self)}", **fields)

    async def tell(self, type: str, **fields: Any) -> None:
        """Sends one frame that is not answered."""
        assert await self.batch({"type": type, **fields}) == []

    async def event(self, type: str, where: Callable[[Frame], bool] | None = None, **fields: Any) -> Frame:
        """Waits for the first event, not yet handed out, of this type with these fields for which `where` holds.

        Raises:
            Ended: the connection is over, and no such event came.
            AssertionError: none came in `PATIENCE` seconds.
        """

        def matches(frame: Frame) -> bool:
            fits = frame["type"] == type and all(frame.get(name) == value for name, value in fields.items())
            return fits and (where is None or where(frame))

        def look() -> Frame | None:
            return next(filter(matches, self._unseen), None)

        try:
            async with asyncio.timeout(PATIENCE), self._changed:
                await self._changed.wait_for(lambda: look() is not None or self._end is not None)
        except TimeoutError:
            raise AssertionError(f"no {type} {fields} came, but {self._unseen}") from None
        if (found := look()) is None:
            assert self._end is not None
            raise self._end
        self._unseen.remove(found)
        return found

    async def sees(self, member: str, show: str) -> Frame:
        """Waits until a `presence` event shows the member so; answers its entry."""
        event = await self.event("presence", lambda frame: frame["members"].get(member, {}).get("show") == show)
        entry: Frame = event["members"][member]
        return entry

    async def nth(self, number: int) -> Frame:
        """Waits, however long, for the event of this number, counted from 0.

        Raises:
            Ended: the connection is over, and no such event came.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.log) > number or self._end is not None)
        if len(self.log) <= number:
            assert self._end is not None
            raise self._end
        return self.log[number]

    def shown(self, member: str) -> list[str]:
        """What every `presence` event so far showed of the member, in order."""
        events = (frame["members"] for frame in self.log if frame["type"] == "presence")
        return [members[member]["show"] for members in events if member in members]

    def unseen(self, *types: str) -> list[Frame]:
        """The events of these types (none: of all) that came and were not yet handed out."""
        return [frame for frame in self._unseen if not types or frame["type"] in types]

    def messages(self, conversation: str | None = None) -> list[Frame]:
        """Every `message` event that came, in order."""
        return [
            frame for frame in self.log if frame["type"] == "message" and conversation in (None, frame["conversation"])
        ]

    async def ended(self) -> int | None:
        """Waits until the other side has ended the connection; answers with what code."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self._end is not None)
        assert self._end is not None
        return self._end.code

    async def _arrived(self, frame: Frame) -> None:
        async with self._changed:
            if "cursor" in frame:
                self.cursor = frame["cursor"]
            self.log.append(frame)
            self._unseen.append(frame)
            self._changed.notify_all()

    async def _over(self, code: int | None) -> None:
        async with self._changed:
            if self._end is None:
                self._end = Ended(code)
            self._changed.notify_all()

    def _welcomed(self, reply: Frame) -> Self:
        self.hello = reply
        self.cursor = reply["cursor"]
        return self


def encode(frame: Frame) -> bytes:
    """The frame as JSON in UTF-8; what UTF-8 cannot hold is escaped."""
    try:
        return json.dumps(frame, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(frame).encode()


def decode(data: str | bytes) -> Frame:
    """The frame that the server sent: one JSON object with a `type`."""
    frame = json.loads(data)
    assert isinstance(frame, dict)
    assert isinstance(frame["type"], str)
    return frame

"""The directory in memory, for the nodes of one process: the embedded default, where there is one."""

import time
from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from im.limits import Buckets
from im.nodes.directory import OWN, Kept, Pulse, Session


class _Kept:
    __slots__ = ("fields", "own", "watching")

    def __init__(self) -> None:
        self.fields: dict[str, bytes] = {}
        self.own: deque[int] = deque(maxlen=OWN)
        self.watching: dict[str, bytes] = {}

    def moved(self, fields: Mapping[str, bytes]) -> bool:
        """Whether it is no more as whoever writes these fields believes."""
        if "moves" not in self.fields or "moves" not in fields:
            return False
        before, now = (msgspec.msgpack.decode(each["moves"]) for each in (self.fields, fields))
        return bool(before > now or (before == now and self.fields["home"] != fields["home"]))


class Hub:
    """What the directories of one process share."""

    def __init__(self) -> None:
        self.names: dict[str, set[str]] = {}
        self.books: dict[str, dict[str, dict[str, bytes]]] = {}
        self.sessions: dict[str, _Kept] = {}
        self.ended: dict[str, float] = {}
        self.buckets: dict[tuple[float, int], Buckets] = {}


class MemoryDirectory:
    """`im.nodes.directory.Directory` in memory. A node alone keeps no names and books: nobody asks for them."""

    def __init__(self, node: str, hub: Hub | None = None) -> None:
        self._node = node
        self.shared = hub is not None
        self._hub = hub or Hub()

    async def beat(self) -> Pulse:
        """Never lost, and never late."""
        forgotten = self._node not in self._hub.names
        self._hub.names.setdefault(self._node, set())
        return Pulse(await self.others(), forgotten)

    async def others(self) -> frozenset[str]:
        """Those that have begun and not left."""
        return frozenset(self._hub.names) - {self._node}

    async def leave(self) -> None:
        """Forgets the node."""
        self._hub.names.pop(self._node, None)
        for book in self._hub.books.values():
            book.pop(self._node, None)

    async def change(self, enter: Iterable[str], leave: Iterable[str], *, afresh: bool = False) -> None:
        """Keeps the names, if anybody could ask for them."""
        if self.shared:
            mine = self._hub.names.setdefault(self._node, set())
            if afresh:
                mine.clear()
            mine.update(enter)
            mine.difference_update(leave)

    async def locate(self, names: list[str], nodes: Iterable[str]) -> dict[str, set[str]]:
        """Looks the names up."""
        return {node: self._hub.names.get(node, set()).intersection(names) for node in nodes}

    async def names_of(self, node: str) -> list[str]:
        """Of a node that is there; one that left is forgotten at once."""
        return sorted(self._hub.names.get(node, ()))

    async def write(self, book: str, fields: Mapping[str, bytes | None]) -> None:
        """Keeps the values, if anybody could ask for them."""
        if self.shared:
            mine = self._hub.books.setdefault(book, {}).setdefault(self._node, {})
            for field, value in fields.items():
                if value is None:
                    mine.pop(field, None)
                else:
                    mine[field] = value

    async def read(self, book: str, fields: list[str], nodes: Iterable[str]) -> dict[str, dict[str, bytes]]:
        """Looks the fields up."""
        found: dict[str, dict[str, bytes]] = {}
        for node in nodes:
            values = self._hub.books.get(book, {}).get(node, {})
            for field in fields:
                if field in values:
                    found.setdefault(field, {})[node] = values[field]
        return found

    async def scan(self, book: str, most: int, nodes: Iterable[str]) -> tuple[int, list[bytes]]:
        """Goes through what there is."""
        pages = [self._hub.books.get(book, {}).get(node, {}) for node in nodes]
        return sum(map(len, pages)), [value for page in pages for value in list(page.values())[:most]]

    async def put_session(self, id: str, fields: Mapping[str, bytes], seconds: float) -> Kept:
        """Keeps the fields; the node at which the session is ends it in time."""
        if id in self._hub.ended:
            return Kept.ENDED
        kept = self._hub.sessions.setdefault(id, _Kept())
        if kept.moved(fields):
            return Kept.MOVED
        kept.fields.update(fields)
        return Kept.YES

    async def watch(
        self, id: str, changes: Mapping[str, bytes | None], seconds: float, *, afresh: bool = False
    ) -> None:
        """Keeps them."""
        if (kept := self._hub.sessions.get(id)) is not None:
            before = {} if afresh else kept.watching
            kept.watching = {sub: how for sub, how in {**before, **changes}.items() if how is not None}

    async def add_own(self, id: str, version: int) -> None:
        """Keeps the version."""
        if id in self._hub.sessions:
            self._hub.sessions[id].own.append(version)

    async def session(self, id: str) -> Session | None:
        """Looks the session up."""
        kept = self._hub.sessions.get(id)
        return Session(dict(kept.fields), set(kept.own), dict(kept.watching)) if kept else None

    async def end_session(self, id: str, fields: Mapping[str, bytes], seconds: float) -> bool:
        """Forgets all but that it has ended."""
        kept = self._hub.sessions.get(id)
        if kept is not None and kept.moved(fields):
            return False
        self._hub.sessions.pop(id, None)
        now = time.monotonic()
        ended = self._hub.ended
        while ended and next(iter(ended.values())) <= now:
            del ended[next(iter(ended))]
        ended[id] = now + seconds
        return True

    async def take(self, name: str, rate: float, burst: int, tokens: int = 1) -> int:
        """Takes from the process's own buckets."""
        buckets = self._hub.buckets.setdefault((rate, burst), Buckets(rate, burst))
        return buckets.take(name) if tokens else buckets.empty(name)

    async def close(self) -> None:
        """Nothing is open."""

"""The directory: which nodes there are, and what each of them has. What both twins promise.

- **Nodes**: one that has not beaten for `LIFE_S` is gone, and so is all that it had.
- **Names** (`im.nodes.names`): short strings, of which a node says that it has them.
- **Books**: values by field, of each node its own; a book is read over all other nodes.
- **Sessions**: fields of HTTP sessions, which belong to no node; whom each watches; which versions it made itself.
- **Rates**: token buckets that all nodes share.

Whatever does not answer raises `Unreachable`; nothing here is the only copy of anything, so that nodes register
again what they have when a directory has lost it.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple, Protocol

LIFE_S = 5.0
"""How long a node that does not beat is still taken for alive, in seconds."""

BOOK_LIFE_S = 120
"""How long what a node has is kept after its last beat, in seconds: the others may still ask what it was."""

OWN = 1000
"""Versions of its own that are remembered of one session."""


class Unreachable(Exception):
    """The directory, or the bus, does not answer just now."""


class Pulse(NamedTuple):
    """What a beat learns. `forgotten`: the directory did not know this node (any more)."""

    others: frozenset[str]
    forgotten: bool


class Kept(Enum):
    """What became of what was written of a session: it may have moved to another node, or have ended."""

    YES = 1
    MOVED = 0
    ENDED = -1


class Session(NamedTuple):
    """A session. `watching`: those whom it watches, each with a word that the directory only keeps."""

    fields: dict[str, bytes]
    own: set[int]
    watching: dict[str, bytes]


class Directory(Protocol):
    """A directory as one node uses it. `shared`: other nodes may use it, too."""

    shared: bool

    async def beat(self) -> Pulse:
        """Says that this node is alive, and learns who else is."""

    async def others(self) -> frozenset[str]:
        """The other nodes that are alive."""

    async def leave(self) -> None:
        """Takes this node out, with all that it has."""

    async def change(self, enter: Iterable[str], leave: Iterable[str], *, afresh: bool = False) -> None:
        """This node has these names now, and those no longer; `afresh`: and no others."""

    async def locate(self, names: list[str], nodes: Iterable[str]) -> dict[str, set[str]]:
        """Which of the names each of the nodes has."""

    async def names_of(self, node: str) -> list[str]:
        """What a node has, or had when it was last alive."""

    async def write(self, book: str, fields: Mapping[str, bytes | None]) -> None:
        """Puts values of this node into a book; None takes one out."""

    async def read(self, book: str, fields: list[str], nodes: Iterable[str]) -> dict[str, dict[str, bytes]]:
        """The values of fields that the nodes have: field to node to value."""

    async def scan(self, book: str, most: int, nodes: Iterable[str]) -> tuple[int, list[bytes]]:
        """How many values the nodes have in a book, and at most so many of them from each."""

    async def put_session(self, id: str, fields: Mapping[str, bytes], seconds: float) -> Kept:
        """Sets fields of a session, which lives for so long from now on; not of one that has ended.

        Where `moves` and `home` (in MessagePack) are among them: only if it has not moved more often since, nor as
        often to another home.
        """

    async def watch(
        self, id: str, changes: Mapping[str, bytes | None], seconds: float, *, afresh: bool = False
    ) -> None:
        """A session watches these now, and those with None no longer; `afresh`: and no others."""

    async def add_own(self, id: str, version: int) -> None:
        """Notes a version that a session made itself."""

    async def session(self, id: str) -> Session | None:
        """A session; None where there is none."""

    async def end_session(self, id: str, fields: Mapping[str, bytes], seconds: float) -> bool:
        """Ends a session, and for so long remembers that it has ended.

        Where `moves` and `home` are among the fields, on the condition that `put_session` has. Answers whether it is
        over.
        """

    async def take(self, name: str, rate: float, burst: int, tokens: int = 1) -> int:
        """Takes tokens from a bucket (GCRA, ITU-T I.371): 0, or the milliseconds until there are some.

        With `tokens` 0 it only asks whether one could be taken.
        """

    async def close(self) -> None:
        """Lets go of what it holds open; what was entered stays."""

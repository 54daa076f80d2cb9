"""A member as its client behaves: it says hello with a token of its own, and comes back by itself with `resume`.

It comes back when it was told to (`closing`) or, where its connection is lost, at once, and later and later while that
fails. What it sent and was not answered it sends again, with the same key.
"""

import random
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from avchat.ops.load.figures import Figures
from avchat.ops.load.network import Network
from avchat.ops.load.transports import LINKS, Link

HELLO_S = 60.0
"""How long a hello may take to be answered, in seconds."""
BACK_S = 0.25
"""Within how long a client comes back whose connection was lost, in seconds; doubled each time in vain."""
MAX_BACK_S = 5.0
REPEAT_S = (0.2, 1.0)
"""After how long a frame is sent again of which nobody knows what became of it, in seconds."""
TRIES = 40
"""How often a member tries to come in, in a row."""
MAX_FAULTS = 20
"""Faults of a process that are told in words."""
FINAL = (4400, 4401, 4403, 4413, 400, 401, 403)
"""Codes and statuses after which it is of no use to come again."""


class Told(msgspec.Struct):
    """What the tools look at of a frame of the server's."""

    type: str
    id: str = ""
    cursor: str = ""
    conversation: str = ""
    seq: int = 0
    body: str = ""
    code: str = ""
    retry_ms: int = 0
    resumed: bool | None = None
    # An event's, by member; and of the answer to a watch.
    members: msgspec.Raw = msgspec.Raw()
    presence: msgspec.Raw = msgspec.Raw()


_decoder = msgspec.json.Decoder(Told)
_quote = msgspec.json.encode


class Talker(Protocol):
    """Who is told what members hear."""

    def came(self, member: "Member") -> None:
        """A member is connected, for the first time or again."""

    def heard(self, member: "Member", told: Told) -> None:
        """An event, or an answer, has come."""


class Nobody:
    """Members who only listen."""

    def came(self, member: "Member") -> None:
        """Nothing is to be done."""

    def heard(self, member: "Member", told: Told) -> None:
        """Nothing is to be done."""


class Crowd:
    """What the members of a process have in common."""

    def __init__(self, network: Network, transport: str, hello: Callable[[str], bytes], figures: Figures) -> None:
        self.network = network
        self.loop = network.loop
        self.link = LINKS[transport]
        self.hello = hello
        self.figures = figures
        self.counts = figures.counts
        self.talker: Talker = Nobody()
        self.here = 0
        self.ending = False
        # Whose hello is not answered yet.
        self.coming = 0
        self.moved: Callable[[], None] = lambda: None
        """Called when a member has come, or never will."""
        self.faults: list[str] = []

    def fault(self, kind: str, member: "Member", what: str) -> None:
        """Something was amiss with what a member was told."""
        self.counts[kind] += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(f"{kind}: {member.sub}, {what}")


class Member:
    """One member and its connection. `sub` is the site's own id of it."""

    __slots__ = (
        "_crowd", "_hello", "_link", "_retry_s", "_since", "_tries", "cursor", "here", "never", "number", "pending",
        "returns", "sub",
    )  # fmt: skip

    def __init__(self, crowd: Crowd, number: int, sub: str) -> None:
        self._crowd = crowd
        self.number = number
        self.sub = sub
        # The beginning of a hello, made beforehand, so that the signing takes no time of the run.
        self._hello = crowd.hello(sub)
        self._link: Link = crowd.link(crowd.network, self)
        self.cursor = ""
        self.here = False
        # It is not let in, and does not try any more.
        self.never = False
        # Frames that were not answered yet, by their ids; none in most members.
        self.pending: dict[str, bytes] | None = None
        self.returns = 0
        self._since = 0.0
        self._tries = 0
        self._retry_s: float | None = None

    def come(self) -> None:
        """Connects."""
        crowd = self._crowd
        if crowd.ending:
            return
        if not self._tries and not self.returns:
            self._since = time.monotonic()
            crowd.coming += 1
        self._tries += 1
        hello = self._hello
        hello += b',"resume":' + _quote(self.cursor) + b"}" if self.cursor else b"}"
        try:
            self._link.open(hello)
        except OSError as error:
            crowd.counts[f"error: {error.strerror}"] += 1
            self._again()
            return
        tries, returns = self._tries, self.returns
        crowd.loop.later(HELLO_S, lambda: self._late(tries, returns))

    def send(self, id: str, frame: bytes) -> None:
        """Has a frame take effect, whatever becomes of the connection meanwhile."""
        if self.pending is None:
            self.pending = {}
        self.pending[id] = frame
        if self.here:
            self._link.send(frame)

    def answered(self, id: str) -> bytes | None:
        """A frame was answered. None where it was known to be."""
        frame = self.pending.pop(id, None) if self.pending else None
        if not self.pending:
            self.pending = None
        return frame

    def repeat(self, id: str, seconds: float) -> None:
        """Sends a frame again after a while, unless it was answered."""
        self._crowd.loop.later(seconds, lambda: self._repeat(id))

    def leave(self) -> None:
        """Goes for good."""
        self.here = False
        self._link.close()

    def _repeat(self, id: str) -> None:
        frame = self.pending.get(id) if self.pending else None
        if frame is not None and self.here:
            self._crowd.counts["repeated"] += 1
            self._link.send(frame)

    def _late(self, tries: int, returns: int) -> None:
        if not self.here and (tries, returns) == (self._tries, self.returns):
            self._link.cut()
            self.gone(4408)

    def _again(self) -> None:
        crowd = self._crowd
        if self._tries >= TRIES:
            self._give_up()
            return
        wait = random.uniform(0, min(BACK_S * 2**self._tries, MAX_BACK_S))
        if self._retry_s is not None:
            wait, self._retry_s = self._retry_s, None
        crowd.loop.later(wait, self.come)

    def _give_up(self) -> None:
        self.never = True
        self._crowd.coming -= 1
        self._crowd.counts["refused"] += 1
        self._crowd.moved()

    # what the link calls

    def heard(self, data: bytes) -> None:
        """A frame has come."""
        told = _decoder.decode(data)
        if told.cursor:
            self.cursor = told.cursor
        if told.type == "closing":
            self._crowd.counts["closing"] += 1
            self._retry_s = told.retry_ms / 1000
        elif self.here or told.type not in ("ok", "error"):
            self._crowd.talker.heard(self, told)
        elif told.type == "ok":
            self._came(told)
        else:
            self._crowd.counts[f"refused: {told.code}"] += 1
            self._retry_s = told.retry_ms / 1000 if told.retry_ms else None

    def _came(self, told: Told) -> None:
        crowd = self._crowd
        self.here = True
        self._tries = 0
        self._retry_s = None
        crowd.coming -= 1
        crowd.here += 1
        took = time.monotonic() - self._since
        if self.returns:
            crowd.figures.times["back"].add(took)
            crowd.counts["returned"] += 1
            crowd.counts["resumed" if told.resumed else "not_resumed"] += 1
        else:
            crowd.figures.times["coming"].add(took)
            crowd.counts["came"] += 1
        for frame in list((self.pending or {}).values()):
            crowd.counts["repeated"] += 1
            crowd.loop.later(0, lambda frame=frame: self._link.send(frame) if self.here else None)  # type: ignore[misc]
        crowd.talker.came(self)
        crowd.moved()

    def unanswered(self, frame: bytes) -> None:
        """Nobody knows what became of a frame."""
        id = next((id for id, sent in (self.pending or {}).items() if sent is frame), None)
        if id is not None:
            self.repeat(id, random.uniform(*REPEAT_S))

    def gone(self, code: int) -> None:
        """The link is over: comes back, unless that is of no use."""
        crowd = self._crowd
        if crowd.ending:
            return
        crowd.counts[f"ended: {code}"] += 1
        if self.here:
            self.here = False
            self.returns += 1
            crowd.here -= 1
            self._since = time.monotonic()
            crowd.coming += 1
        if code in FINAL:
            self._give_up()
        else:
            self._again()

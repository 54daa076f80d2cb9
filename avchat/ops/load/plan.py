"""What a load run is to do, within bounds, and how many processes and addresses that takes."""

import json
import math
import resource
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import jwt

from avchat.ops.load.network import LANES

SPARE = LANES + 100
"""Descriptors of a process that are not its members'."""
PREFIX = "load"
MAX_PROCESSES = 256
SOURCES = [f"127.0.0.{last}" for last in range(2, 252)]
TOKEN_S = 24 * 3600 - 60


class Impossible(Exception):
    """A run that cannot be; says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run of `members` members. Rates are in things a second of all processes together.

    Args:
        name: of the host, as requests name it; `address` is where it is.
        group: members of a conversation.
        size: bytes of a message, at least.
        run: a word that no other run has.
    """

    name: str
    address: tuple[str, int]
    site: str
    secret: str = field(repr=False)
    members: int
    transport: str = "ws"
    come_rate: float = 0.0
    at_once: int = 50
    processes: int = 1
    prefix: str = PREFIX
    rate: float = 0.0
    presence_rate: float = 0.0
    group: int = 2
    size: int = 100
    run: str = field(default_factory=lambda: f"avl{secrets.token_hex(5)}")

    @property
    def local(self) -> bool:
        """Whether the server is on this machine, so that its many addresses may be used."""
        return self.address[0].startswith("127.")

    @property
    def talks(self) -> bool:
        """Whether members say anything."""
        return self.rate > 0 or self.presence_rate > 0

    def share(self, process: int) -> range:
        """The members of a process, by their numbers; a conversation is of one process."""
        conversations = math.ceil(self.members / self.group)
        first, last = (conversations * each // self.processes * self.group for each in (process, process + 1))
        return range(first, min(last, self.members))

    def hello(self, sub: str) -> bytes:
        """A member's hello, but for its end, with a token as the site's own server makes it."""
        name = f"Member {sub}"[:80]
        claims: dict[str, Any] = {"aud": self.site, "sub": sub, "name": name, "exp": int(time.time()) + TOKEN_S}
        token = jwt.encode(claims, self.secret, algorithm="HS256")
        return json.dumps({"type": "hello", "id": "hello", "site": self.site, "token": token}).encode()[:-1]


def capacity() -> int:
    """How many members a process may have. Raises the process's limit of descriptors as far as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, hard - SPARE)


def processes_for(members: int, asked: int | None) -> int:
    """How many processes so many members take.

    Raises:
        Impossible: more than were asked for.
    """
    least = math.ceil(members / capacity())
    if least > (MAX_PROCESSES if asked is None else asked):
        raise Impossible(f"{members} members take {least} processes: each may open {capacity() + SPARE} files.")
    # A process without members would be of no use.
    return min(asked or least, members)

"""Members of the demo who are at home: they are online, type, and answer a message after a moment.

Each is an ordinary connection of the messenger, without a transport: a client handler whose port is the bot.
Promises that a bot is silent while a person is connected as its member, and never answers another bot.
"""

import asyncio
import logging
import random
import re
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from django.db import OperationalError
from msgspec import Struct, json

from avchat.demo import site, talk
from avchat.demo.people import DATA, PEOPLE, Person
from im import database
from im.errors import Refusal
from im.hello import welcome

if TYPE_CHECKING:
    from im.handler import Handler
    from im.node import Node

LOBBY = "Forum lobby"
# Seconds: until a message is read, what it takes to write an answer, and between two remarks in the lobby.
READS_AFTER = (0.5, 1.2)
WRITES_FOR = (1.2, 2.8)
REMARKS_AFTER = (50, 110)
# And until somebody tries again for whom there was no database.
AGAIN_AFTER = 2

log = logging.getLogger(__name__)


class _Rule(Struct, forbid_unknown_fields=True):
    when: str
    say: list[str]


class _Replies(Struct, forbid_unknown_fields=True):
    rules: list[_Rule]
    # Who is not here, and who is here but does not answer.
    quiet: list[str]
    slow: list[str]


REPLIES = json.decode((DATA / "replies.json").read_bytes(), type=_Replies)


def answer_to(text: str, dice: random.Random) -> str:
    """Something believable to say to a message."""
    rule = next(rule for rule in REPLIES.rules if re.search(rule.when, text, re.IGNORECASE))
    return dice.choice(rule.say)


class Bots:
    """The members at home, on one node."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.bots: dict[str, Bot] = {}
        # The messages that bots sent, as (conversation, seq), as far back as an answer could come.
        self.sent: deque[tuple[str, int]] = deque(maxlen=1000)
        self.dice = random.Random()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Lets everybody in, in the background."""
        self.spawn(self._arrive())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something in the background; what goes wrong with it is logged, and no more."""
        task = self.node.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _arrive(self) -> None:
        for person in PEOPLE:
            if person.id not in REPLIES.quiet:
                bot = Bot(self, person)
                try:
                    await bot.arrive()
                except (LookupError, Refusal) as error:
                    log.warning("The demo's members stay away: %s (manage.py seed_demo sets the demo up)", error)
                    return
                self.bots[person.id] = bot
        await self._remark()

    async def _remark(self) -> None:
        """Now and then somebody says something in the lobby, as long as a person is there to read it."""
        while self.bots:
            await asyncio.sleep(self.dice.uniform(*REMARKS_AFTER))
            by, form = self.dice.choice(talk.CHATTER)
            bot = self.bots.get(by)
            if bot and bot.free and bot.lobby and self._watched():
                await bot.say(bot.lobby, talk.chatter(self.dice, form))

    def _watched(self) -> bool:
        return any(not bot.alone for bot in self.bots.values())

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("A member of the demo stumbled", exc_info=error)


class Bot:
    """One member at home: the port of its own handler."""

    handler: "Handler"

    def __init__(self, bots: Bots, person: Person) -> None:
        self.bots = bots
        self.person = person
        self.lobby = ""
        self._count = 0
        self._busy: set[str] = set()

    @property
    def alone(self) -> bool:
        """Whether nobody is connected as this member but the bot."""
        return len(self.bots.node.router.handlers(self.handler.caller.id)) == 1

    @property
    def free(self) -> bool:
        """Whether the bot may speak for its member now."""
        return self.alone and self.person.id not in REPLIES.slow

    async def arrive(self) -> None:
        """Says hello, as a page would; again and again while the service does not answer."""
        while True:
            try:
                token = await database.read(site.token, self.person)
                hello = json.encode({"type": "hello", "site": site.KEY, "token": token})
                welcomed = await welcome(self.bots.node, hello, origin=None, address="demo", port=self)
                break
            except Refusal as refusal:
                if refusal.code != "unavailable":
                    raise
            except OperationalError as error:
                log.info("The demo's members wait for the database: %s", error)
            await asyncio.sleep(AGAIN_AFTER)
        self.handler = welcomed.handler
        self.handler.release(welcomed.changes, welcomed.up_to)
        reply = await self.ask({"type": "conversations"})
        self.lobby = next((each["conversation"] for each in reply["conversations"] if each["name"] == LOBBY), "")

    async def ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Sends a frame; its answer."""
        answered: asyncio.Future[dict[str, Any]] = self.bots.node.loop.create_future()
        self._count += 1
        self.handler.on_frame(
            json.encode({**frame, "id": str(self._count)}), lambda data: answered.set_result(json.decode(data or b"{}"))
        )
        return await answered

    async def say(self, conversation: str, text: str) -> None:
        """Types for as long as the text takes, then sends it."""
        typing = {"type": "typing", "conversation": conversation}
        self.handler.on_frame(json.encode({**typing, "on": True}))
        await asyncio.sleep(self.bots.dice.uniform(*WRITES_FOR))
        self.handler.on_frame(json.encode({**typing, "on": False}))
        key = f"bot-{self.bots.dice.getrandbits(64):x}"
        sent = await self.ask({"type": "message.send", "to": {"conversation": conversation}, "body": text, "key": key})
        if "seq" in sent:
            self.bots.sent.append((conversation, sent["seq"]))

    # the handler's port

    def write(self, data: bytes, version: int | None) -> None:
        """Hears an event; a person's message is answered after a moment."""
        event = json.decode(data)
        if event["type"] == "message" and event.get("body") and self.free and event["from"] != self.person.id:
            self.bots.spawn(self._respond(event["conversation"], event["seq"], event["body"]))

    def close(self, code: int, reason: str) -> None:
        """The node ends: the member leaves."""
        self.bots.bots.pop(self.person.id, None)
        # Whoever is only just coming in has no handler yet, and is gone with the process.
        if hasattr(self, "handler"):
            self.bots.node.depart(self.handler)

    async def _respond(self, conversation: str, seq: int, text: str) -> None:
        if conversation in self._busy:
            return
        self._busy.add(conversation)
        try:
            await asyncio.sleep(self.bots.dice.uniform(*READS_AFTER))
            if (conversation, seq) in self.bots.sent or not await self._is_mine(conversation, seq):
                return
            await self.ask({"type": "message.read", "conversation": conversation, "seq": seq})
            if self.free:
                await self.say(conversation, answer_to(text, self.bots.dice))
        finally:
            self._busy.discard(conversation)

    async def _is_mine(self, conversation: str, seq: int) -> bool:
        """Whether it is this bot that answers: always between two, one of the bots in a group."""
        reply = await self.ask({"type": "conversations", "ids": [conversation]})
        entry = next(iter(reply.get("conversations", [])), None)
        if entry is None:
            return False
        if entry["kind"] == "pair":
            return True
        free = [m["id"] for m in entry["members"] if (bot := self.bots.bots.get(m["id"])) and bot.free]
        return bool(free) and free[seq % len(free)] == self.person.id


def start(node: "Node") -> None:
    """Has the demo's members come to a node."""
    Bots(node).start()

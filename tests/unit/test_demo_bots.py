"""The demo's members at home, met from outside: they are online, type and answer, and leave people alone."""

import random
from collections.abc import AsyncIterator, Iterator

import pytest

from avchat.demo import site as demo
from avchat.demo.bots import REPLIES, answer_to
from avchat.demo.people import BY_ID
from tests.support.client import Connection, Frame
from tests.support.server import Server
from tests.support.websocket import WebSocketConnection


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the demo community at home."""
    server = Server(tmp_path_factory.mktemp("lively"), AVCHAT_DEMO="1")
    server.manage("seed_demo")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
async def maren(lively: Server) -> AsyncIterator[Connection]:
    connection = await arrive(lively, "maren")
    yield connection
    await connection.drop()
    assert lively.complaints() == []


async def arrive(server: Server, member: str) -> Connection:
    """A person's own page, as that member."""
    token = server.command("member_token", demo.KEY, member, "--name", BY_ID[member].name)
    hello = {"type": "hello", "id": "1", "site": demo.KEY, "token": token}
    return await WebSocketConnection.open(server.base, hello, "127.1.99.1", None)


async def conversation(connection: Connection, name: str) -> str:
    listed = (await connection.ok("conversations"))["conversations"]
    return next(entry["conversation"] for entry in listed if entry["name"] == name)


def reads(connection: Connection, member: str) -> list[Frame]:
    """The read marks of a member that came."""
    return [frame for frame in connection.log if frame["type"] == "read" and frame["member"] == member]


async def test_members_are_at_home_with_their_presence(maren: Connection) -> None:
    presence = (await maren.ok("presence.watch", members=list(BY_ID)))["presence"]
    assert (presence["priya"]["show"], presence["priya"]["status"]) == ("dnd", "Imaging run, back at 1")
    assert {presence[name]["show"] for name in REPLIES.quiet} == {"offline"}
    online = [name for name, entry in presence.items() if entry["show"] in ("online", "chat")]
    assert len(online) >= 6


async def test_a_message_is_read_and_answered_after_typing(maren: Connection) -> None:
    sent = await maren.send("aiko", "Hello Aiko, is it clear over there?")
    room = sent["conversation"]
    await maren.event("read", conversation=room, member="aiko")
    await maren.event("typing", conversation=room, member="aiko", on=True)
    await maren.event("typing", conversation=room, member="aiko", on=False)
    answer = await maren.event("message", conversation=room)
    assert answer["from"] == "aiko"
    assert answer["body"]


async def test_in_a_group_one_member_answers_and_no_bot_answers_a_bot(maren: Connection) -> None:
    room = await conversation(maren, "Leonids night")
    await maren.say(room, "Who brings the flask?")
    await maren.event("message", conversation=room)
    # A whole exchange later nobody else has joined in.
    await maren.send("kwame", "Is it you?")
    await maren.event("message", **{"from": "kwame"})
    assert len(maren.messages(room)) == 1


async def test_a_bot_is_silent_while_a_person_is_there_as_its_member(lively: Server, maren: Connection) -> None:
    tomas = await arrive(lively, "tomas")
    sent = await maren.send("tomas", "Are you there yourself?")
    await tomas.event("message", conversation=sent["conversation"])
    await maren.send("oluwaseun", "And you?")
    # An answer takes longer than any bot takes to read.
    await maren.event("message", **{"from": "oluwaseun"})
    assert not reads(maren, "tomas")
    assert maren.messages(sent["conversation"]) == []
    await tomas.drop()


async def test_who_does_not_disturb_does_not_answer(maren: Connection) -> None:
    sent = await maren.send("priya", "How is the run?")
    await maren.send("ingrid", "Did the roof roll?")
    await maren.event("message", **{"from": "ingrid"})
    assert not reads(maren, "priya")
    assert maren.messages(sent["conversation"]) == []


@pytest.mark.parametrize("text", ["", "x", "Is Saturn up?", "شكرًا", "🔭", "a" * 10_000, "\\", "{object}"])
def test_there_is_an_answer_to_anything(text: str) -> None:
    assert answer_to(text, random.Random(1))


def test_an_arabic_message_gets_an_arabic_answer() -> None:
    assert any("\u0600" <= letter <= "\u06ff" for letter in answer_to("كيف السماء؟", random.Random(1)))

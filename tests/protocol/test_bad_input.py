"""Bad input: it gets the error that the contract names, and harms nobody, not even its sender."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.bad import BAD_TEXT, NOT_JSON
from tests.support.client import Connection, decode
from tests.support.server import Server
from tests.support.site import Site
from tests.support.websocket import WebSocketConnection

only_ws = pytest.mark.parametrize("transport", ["ws"])


async def unharmed(site: Site, connection: Connection) -> None:
    """Checks that the connection goes on as if nothing had been."""
    await connection.ok("ping")
    await site.fence(connection)


@pytest.mark.parametrize("data", BAD_TEXT.values(), ids=BAD_TEXT.keys())
async def test_json_that_is_no_frame_is_a_bad_frame(site: Site, data: bytes) -> None:
    ann = await site.join("ann")
    error = await ann.raw(data)
    assert (error["type"], error["code"]) == ("error", "bad-frame")
    assert error["message"]
    await unharmed(site, ann)


@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON.keys())
@only_ws
async def test_what_is_not_json_is_a_bad_frame(site: Site, data: bytes) -> None:
    ann = await site.join("ann")
    assert (await ann.raw(data))["code"] == "bad-frame"
    await unharmed(site, ann)


@pytest.mark.parametrize("data", [NOT_JSON[name] for name in ("words", "half a frame", "deep and unclosed")])
@pytest.mark.parametrize("transport", ["sse", "poll"])
async def test_what_is_not_json_is_a_bad_frame_over_http(site: Site, data: bytes) -> None:
    ann = await site.join("ann")
    assert (await ann.raw(data))["code"] == "bad-frame"
    await unharmed(site, ann)


@pytest.mark.parametrize(
    "type",
    ["nonsense", "", "ok", "error", "message", "Message.Send", "message.send ", "__class__", "call.start", "ice"],
)
async def test_a_type_that_there_is_not_is_unknown(site: Site, type: str) -> None:
    ann = await site.join("ann")
    assert await ann.refused(type) in ("unknown-type", "bad-frame")
    assert await ann.refused(type or "x" * 1000) == "unknown-type"
    await unharmed(site, ann)


async def test_unknown_fields_are_ignored(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    await ann.ok("ping", colour="blue", deep={"a": [1, 2, {"b": None}]})
    await ann.send("bob", "hello", colour="blue", to_whom="bob")
    assert "colour" not in await bob.event("message")


async def test_an_id_comes_back_as_it_was_sent(site: Site) -> None:
    ann = await site.join("ann")
    for id in ("x" * 64, "🐝" * 64, "é", "\u2028", " ", '"\\/'):
        [reply] = await ann.batch({"type": "ping", "id": id})
        assert (reply["type"], reply["id"]) == ("ok", id)


async def test_the_error_names_the_frame_that_it_answers(site: Site) -> None:
    ann = await site.join("ann")
    replies = await ann.batch(
        {"type": "history", "id": "a", "conversation": 7}, {"type": "ping", "id": "b"}, {"type": "nonsense", "id": "c"}
    )
    assert [(reply["id"], reply.get("code")) for reply in replies] == [
        ("a", "bad-frame"),
        ("b", None),
        ("c", "unknown-type"),
    ]


async def test_a_nested_unknown_field_harms_nothing(site: Site) -> None:
    ann = await site.join("ann")
    deep: object = None
    for _ in range(900):
        deep = [deep]
    reply = await ann.request("ping", x=deep)
    assert reply["type"] == "ok" or reply["code"] == "bad-frame"
    await unharmed(site, ann)


@only_ws
async def test_a_binary_message_is_read_as_json(site: Site) -> None:
    ann = await site.join("ann")
    assert isinstance(ann, WebSocketConnection)
    bob = await site.join("bob")
    await ann.socket.send(
        json.dumps(
            {"type": "message.send", "to": {"member": "bob"}, "body": "in binary 🐝", "key": "k"}, ensure_ascii=False
        ).encode()
    )
    assert (await bob.event("message"))["body"] == "in binary 🐝"


@only_ws
@pytest.mark.parametrize("data", [b"\xff\xfe", b'{"type":"ping","id":"\xc3"}', b"\x00", b"", b"nonsense"])
async def test_a_binary_message_that_is_no_frame_is_a_bad_frame(site: Site, data: bytes) -> None:
    ann = await site.join("ann")
    assert isinstance(ann, WebSocketConnection)
    waiting = asyncio.create_task(ann.raw(b'{"id":"to be answered too"}'))
    await ann.socket.send(data)
    assert (await waiting)["code"] == "bad-frame"
    await unharmed(site, ann)


@only_ws
async def test_a_message_in_fragments_is_one_message(site: Site) -> None:
    ann = await site.join("ann")
    assert isinstance(ann, WebSocketConnection)
    bob = await site.join("bob")
    frame = json.dumps({"type": "message.send", "to": {"member": "bob"}, "body": "in pieces", "key": "k"})
    await ann.socket.send([frame[:10], frame[10:11], frame[11:]])
    assert (await bob.event("message"))["body"] == "in pieces"


@only_ws
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x82\x00\x00\x00\x00\xff\xfe", 1007),
        (b"\x81\x83\x00\x00\x00\x00\xed\xa0\x80", 1007),
        (b"\x83\x80\x00\x00\x00\x00", 1002),
        (b"\x81\x02{}", 1002),
        (b"\xc1\x82\x00\x00\x00\x00{}", 1002),
        (b"\x80\x82\x00\x00\x00\x00{}", 1002),
        (b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"x" * 126, 1002),
        (b"\x09\x80\x00\x00\x00\x00", 1002),
    ],
    ids=[
        "invalid UTF-8",
        "a surrogate in UTF-8",
        "a reserved opcode",
        "no mask",
        "a reserved bit",
        "a continuation of nothing",
        "a ping of 126 bytes",
        "a ping in fragments",
    ],
)
async def test_a_violation_of_the_websocket_protocol_ends_the_connection(site: Site, data: bytes, code: int) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    assert isinstance(ann, WebSocketConnection)
    ann.socket.transport.write(data)
    assert await ann.ended() == code
    await unharmed(site, bob)


@only_ws
async def test_a_message_of_megabytes_ends_the_connection_without_being_kept(site: Site) -> None:
    ann, bob = await site.join("ann"), await site.join("bob")
    assert isinstance(ann, WebSocketConnection)
    # The beginning of a masked text message that says it has a gigabyte.
    ann.socket.transport.write(b"\x81\xff" + (2**30).to_bytes(8) + b"\x00" * 4 + b"x" * 200_000)
    assert await ann.ended() in (1009, 4413)
    await unharmed(site, bob)


@only_ws
async def test_a_ping_of_the_websocket_is_answered(site: Site) -> None:
    ann = await site.join("ann")
    assert isinstance(ann, WebSocketConnection)
    await asyncio.wait_for(await ann.socket.ping(), 10)


@pytest.mark.parametrize("transport", ["poll"])
async def test_invalid_utf8_over_http_is_a_bad_frame(site: Site) -> None:
    ann = await site.join("ann")
    error = await ann.raw(b'{"type":"members","id":"b","query":"\xff"}')
    assert decode(json.dumps(error))["code"] == "bad-frame"
    await unharmed(site, ann)


async def test_a_websocket_to_an_address_that_there_is_not_is_refused(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{server.port}/im/v1/nowhere")
    assert refused.value.response.status_code == 403
    assert server.complaints() == []

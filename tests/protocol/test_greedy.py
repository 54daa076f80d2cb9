"""Clients that take without reading, or push without waiting: their memory is their own problem."""

import asyncio
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.server import Server
from tests.support.site import Site

LIMIT_KB = 60_000
"""What such a client may cost, in KB; it could have cost hundreds of thousands."""


def address(server: Server) -> str:
    """Where the server takes WebSockets."""
    return f"ws://127.0.0.1:{server.port}/im/v1/ws"


def resident_kb(server: Server) -> int:
    """The server's resident memory, in KB."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


@pytest.fixture
async def talkative(server: Server) -> tuple[Site, str]:
    """A site, unlimited, and a conversation with a long page of history."""
    site = Site(server, "--limits", "none")
    ann, _ = await site.join("ann"), await site.join("bob")
    replies = await ann.batch(
        *(
            {"type": "message.send", "id": str(n), "to": {"member": "bob"}, "body": "x" * 9_000, "key": str(n)}
            for n in range(100)
        )
    )
    return site, replies[0]["conversation"]


async def test_a_client_that_does_not_read_is_let_go_of(server: Server, talkative: tuple[Site, str]) -> None:
    site, conversation = talkative
    before = resident_kb(server)
    async with connect(address(server), subprotocols=[Subprotocol("avchat.v1")], max_queue=1) as socket:
        await socket.send(json.dumps({"type": "hello", "id": "h", "site": site.key, "token": site.token("ann")}))
        assert json.loads(await socket.recv())["type"] == "ok"
        ask = json.dumps({"type": "history", "id": "1", "conversation": conversation, "limit": 100})
        async with asyncio.timeout(60):
            while True:
                try:
                    await socket.send(ask)
                except ConnectionClosed:
                    break
    assert resident_kb(server) - before < LIMIT_KB
    assert (await (await site.join("bob")).request(type="ping"))["type"] == "ok"
    await site.leave()


async def test_a_client_that_pushes_faster_than_it_is_served_has_to_wait(
    server: Server, talkative: tuple[Site, str]
) -> None:
    site, _ = talkative
    before = resident_kb(server)
    async with connect(address(server), subprotocols=[Subprotocol("avchat.v1")]) as socket:
        await socket.send(json.dumps({"type": "hello", "id": "h", "site": site.key, "token": site.token("ann")}))
        assert json.loads(await socket.recv())["type"] == "ok"
        wide = json.dumps({"type": "history", "id": "1", "conversation": "none", "x": "y" * 60_000})
        for _ in range(1_000):
            await socket.send(wide)
        assert resident_kb(server) - before < LIMIT_KB
        await socket.send(json.dumps({"type": "ping", "id": "last"}))
        async with asyncio.timeout(60):
            while json.loads(await socket.recv())["id"] != "last":
                pass
    await site.leave()

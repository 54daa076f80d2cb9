"""Members who are on different nodes for certain, and sessions that any node answers."""

from typing import Any

import pytest

from tests.support.client import Frame, decode, encode
from tests.support.cluster import Cluster
from tests.support.http import http_client
from tests.support.site import TRANSPORTS, Site
from tests.support.wait import eventually
from tests.support.websocket import WebSocketConnection


def at_nodes(cluster: Cluster) -> list[Site]:
    """A site, whose members come to the first or to the second node, past nginx."""
    site = Site(cluster)
    return [site.at(node["url"]) for node in cluster.state["nodes"]]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_messages_tabs_reads_typing_and_presence_cross_nodes(cluster: Cluster, transport: str) -> None:
    first, second = at_nodes(cluster)
    bob = await second.join("bob", transport=transport)
    ann = await first.join("ann", transport=transport)
    phone = await second.join("ann", transport=transport)
    seen = await bob.ok("presence.watch", members=["ann"])
    if seen["presence"]["ann"]["show"] != "online":
        await bob.sees("ann", "online")
    conversation = (await ann.send("bob", "Ahoy"))["conversation"]
    assert (await bob.event("message"))["body"] == "Ahoy"
    assert (await phone.event("message"))["body"] == "Ahoy"

    async def typed() -> list[Frame]:
        # It is of the moment: a poll that is just between two requests misses it.
        await ann.tell("typing", conversation=conversation, on=True)
        return bob.unseen("typing")

    assert (await eventually(typed))[0]["member"] == "ann"
    await bob.ok("message.read", conversation=conversation, seq=1)
    for page in (ann, phone):
        assert (await page.event("read"))["seq"] == 1
    tabs = [{"conversation": conversation, "state": "open"}]
    await ann.ok("tabs.set", tabs=tabs)
    assert (await phone.event("tabs"))["tabs"] == tabs
    await phone.ok("presence.set", show="dnd", status="mooring")
    await bob.sees("ann", "dnd")
    await ann.sees("ann", "dnd")
    assert [message["body"] for message in ann.messages()] == []
    for site in (first, second):
        await site.leave()


async def test_two_tabs_through_nginx_are_answered_by_different_nodes_and_know_of_each_other(cluster: Cluster) -> None:
    site = Site(cluster)
    nodes = {node["url"].removeprefix("http://") for node in cluster.state["nodes"]}

    async def apart() -> list[WebSocketConnection]:
        pages = [await site.join("ann", transport="ws") for _ in nodes]
        found = [page for page in pages if isinstance(page, WebSocketConnection)]
        # nginx says whose answer the handshake's was. A node that was away gets none for a moment.
        answered = [page.socket.response.headers["X-Node"] for page in found if page.socket.response]
        assert set(answered) <= nodes
        return found if set(answered) == nodes else []

    await site.join("bob", transport="ws")
    here, there = await eventually(apart)
    tabs = [{"conversation": (await here.send("bob", "Ahoy"))["conversation"], "state": "open"}]
    assert (await there.event("message"))["body"] == "Ahoy"
    await here.ok("tabs.set", tabs=tabs)
    assert (await there.event("tabs"))["tabs"] == tabs
    await site.leave()


async def test_one_session_is_answered_by_both_nodes_in_turn(cluster: Cluster) -> None:
    first, second = at_nodes(cluster)
    bob = await second.join("bob", transport="ws")
    hello = {"type": "hello", "id": "1", "site": first.key, "token": first.token("ann")}
    said: list[str] = []
    async with (
        http_client(first.server.base, first.address) as here,
        http_client(second.server.base, first.address) as there,
    ):
        path = f"/im/v1/sessions/{(await here.post('/im/v1/sessions', content=encode(hello))).json()['session']}"

        async def frames(client: Any, *frames: dict[str, Any]) -> list[dict[str, Any]]:
            answer = await client.post(f"{path}/frames", content=b"[" + b",".join(map(encode, frames)) + b"]")
            assert answer.status_code == 200, answer.text
            return [decode(encode(frame)) for frame in answer.json()]

        async def events(client: Any, wait: int) -> None:
            answer = await client.get(f"{path}/events", params={"wait": wait}, headers={"Accept": "application/json"})
            assert answer.status_code == 200, answer.text
            said.extend(frame["body"] for frame in answer.json() if frame["type"] == "message")

        for number, client in enumerate((here, there, here, there)):
            send = {"type": "message.send", "to": {"member": "bob"}, "body": f"from ann {number}", "key": f"{number}"}
            [reply] = await frames(client, {**send, "id": "s"})
            assert (reply["type"], reply["seq"]) == ("ok", 2 * number + 1)
            await bob.send("ann", f"from bob {number}", key=f"{number}")
            await events((there, here)[number % 2], 10)
        await events(here, 0)
        assert said == [f"from bob {number}" for number in range(4)]
        assert (await there.delete(path)).status_code == 204
        assert (await there.get(f"{path}/events", params={"wait": 0})).status_code == 404
    await second.leave()

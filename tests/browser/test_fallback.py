"""The chat goes on where a network lets WebSocket, or even event streams, not through."""

import pytest
from playwright.async_api import Request, expect

from tests.support.browser import NETWORK, Community
from tests.support.proxy import EVENT_STREAM, WEBSOCKET, Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def chat_both_ways(community: Community, proxy: Proxy) -> list[str]:
    """Ann chats with Bob behind the proxy, who comes straight; the `Accept` of her requests for events."""
    community.expects(NETWORK)
    conversation = await community.conversation("ann", "bob")
    accepted: list[str] = []

    def asked(request: Request) -> None:
        if "/events" in request.url:
            accepted.append(request.headers["accept"])

    context = await community.context()
    context.on("request", asked)
    ann = await (await community.visit(community.address("ann"), context)).ready()
    window = ann.window("Bob")
    bob = await community.site.join("bob")

    for n in range(5):
        await window.write(f"Ann {n}")
        await bob.event("message", body=f"Ann {n}")
        await bob.say(conversation, f"Bob {n}")
        await expect(window.message(f"Bob {n}")).to_be_visible()
    await bob.tell("typing", conversation=conversation, on=True)
    await expect(window.typing).to_have_text("Bob is typing")
    assert await window.seqs() == list(range(1, 11))

    # On the next page it goes straight to what works.
    proxy.counts.update(dict.fromkeys(proxy.counts, 0))
    await ann.page.reload()
    await expect(window.message("Bob 4")).to_be_visible()
    await window.write("After the reload")
    await bob.event("message", body="After the reload")
    return accepted


async def test_where_websocket_is_blocked_an_event_stream_carries_the_chat(community: Community, proxy: Proxy) -> None:
    proxy.blocked = {WEBSOCKET}
    accepted = await chat_both_ways(community, proxy)
    assert set(accepted) == {"text/event-stream"}
    assert proxy.counts == {WEBSOCKET: 0, EVENT_STREAM: 1}


async def test_where_event_streams_are_blocked_too_long_poll_carries_the_chat(
    community: Community, proxy: Proxy
) -> None:
    proxy.blocked = {WEBSOCKET, EVENT_STREAM}
    accepted = await chat_both_ways(community, proxy)
    assert accepted[-1] == "application/json"
    assert proxy.counts == {WEBSOCKET: 0, EVENT_STREAM: 0}


@pytest.mark.parametrize("blocked", [{WEBSOCKET}, {WEBSOCKET, EVENT_STREAM}], ids=["event stream", "long poll"])
async def test_a_connection_that_drops_loses_nothing_on_the_other_transports_either(
    community: Community, proxy: Proxy, blocked: set[str]
) -> None:
    proxy.blocked = blocked
    community.expects(NETWORK)
    conversation = await community.conversation("ann", "bob")
    window = (await community.come("ann")).window("Bob")
    bob = await community.site.join("bob")
    for n in range(9):
        await window.write(f"Ann {n}")
        await bob.say(conversation, f"Bob {n}")
        if n % 4 == 1:
            proxy.cut()
    await expect(window.bubbles).to_have_count(18)
    await expect(window.log.locator(".pend")).to_have_count(0)
    assert sorted(await window.texts()) == sorted(f"{who} {n}" for who in ("Ann", "Bob") for n in range(9))
    assert await window.seqs() == list(range(1, 19))
    await bob.event("message", body="Ann 8")
    assert [message["body"] for message in bob.messages(conversation)] == [f"Ann {n}" for n in range(9)]

"""Connections are lost and come back; what members write neither is lost nor comes twice."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.support.browser import NETWORK, Community, Window
from tests.support.proxy import WEBSOCKET, Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECONNECTING = "Reconnecting… your messages will go out."


async def whole(window: Window, *senders: str, count: int) -> None:
    """Every numbered message of every sender has come and stands once, each sender's in order, none on its way."""
    await expect(window.bubbles).to_have_count(count * len(senders))
    await expect(window.log.locator(".pend, .fail")).to_have_count(0)
    texts = await window.texts()
    for sender in senders:
        assert [text for text in texts if text.startswith(sender)] == [f"{sender} {n}" for n in range(count)]
    assert await window.seqs() == list(range(1, len(texts) + 1))


async def test_a_connection_that_drops_again_and_again_loses_and_doubles_nothing(
    community: Community, proxy: Proxy
) -> None:
    community.expects(NETWORK)
    await community.conversation("ann", "bob")
    ann, bob = await community.come("ann"), await community.come("bob")
    hers, his = ann.window("Bob"), bob.window("Ann")
    for n in range(12):
        await hers.write(f"Ann {n}")
        await his.write(f"Bob {n}")
        if n % 3 == 1:
            proxy.cut()
    await whole(hers, "Ann", "Bob", count=12)
    await whole(his, "Ann", "Bob", count=12)
    assert await hers.texts() == await his.texts()
    await ann.page.reload()
    await whole(hers, "Ann", "Bob", count=12)


async def test_a_message_whose_answer_was_lost_stands_once(community: Community, proxy: Proxy) -> None:
    community.expects(NETWORK)
    conversation = await community.conversation("ann", "bob")
    window = (await community.come("ann")).window("Bob")
    bob = await community.site.join("bob")
    await window.write("Ann 0")
    await bob.event("message", body="Ann 0")
    proxy.hold_answers()
    await window.write("Ann 1")
    await bob.event("message", body="Ann 1")
    proxy.cut()
    proxy.go_on()
    # It comes back as an event before it is sent again, while the log is drawn for what both say meanwhile.
    await bob.say(conversation, "Bob 0")
    await bob.say(conversation, "Bob 1")
    await expect(window.message("Bob 1")).to_be_visible()
    for n in range(2, 12):
        await window.write(f"Ann {n}")
        await bob.say(conversation, f"Bob {n}")
    await bob.event("message", body="Ann 11")
    await whole(window, "Ann", "Bob", count=12)
    assert [message["body"] for message in bob.messages()] == [f"Ann {n}" for n in range(12)]


async def test_what_is_written_without_a_network_goes_out_by_itself(community: Community, proxy: Proxy) -> None:
    community.expects(NETWORK)
    conversation = await community.conversation("ann", "bob")
    bob = await community.site.join("bob")
    ann = await community.come("ann")
    window = ann.window("Bob")
    await window.write("Ann 0")
    await expect(window.message("Ann 0")).to_have_attribute("data-state", "sent")
    await bob.say(conversation, "Bob 0")
    await expect(window.message("Bob 0")).to_be_visible()

    await proxy.shut()
    await window.write("Ann 1", "Ann 2")
    await bob.say(conversation, "Bob 1")
    await expect(window.notice).to_have_text(RECONNECTING)
    await expect(window.state("Ann 2")).to_have_text("Waiting")
    await expect(ann.polite).to_contain_text("Reconnecting")
    await bob.say(conversation, "Bob 2")

    await proxy.open()
    await whole(window, "Ann", "Bob", count=3)
    await expect(window.notice).to_have_count(0)
    await bob.event("message", body="Ann 2")
    assert [message["body"] for message in bob.messages(conversation)] == ["Ann 0", "Ann 1", "Ann 2"]


async def test_the_browser_s_own_word_that_it_is_offline_and_back_is_enough(community: Community) -> None:
    community.expects(NETWORK)
    await community.conversation("ann", "bob")
    ann = await community.come("ann")
    window = ann.window("Bob")
    await window.write("Ann 0")
    await expect(window.message("Ann 0")).to_have_attribute("data-state", "sent")
    await ann.page.context.set_offline(True)
    await window.write("Ann 1")
    await ann.page.context.set_offline(False)
    await whole(window, "Ann", count=2)


async def test_a_page_that_is_left_while_offline_keeps_what_was_written(community: Community, proxy: Proxy) -> None:
    community.expects(NETWORK)
    await community.conversation("ann", "bob")
    ann = await community.come("ann")
    window = ann.window("Bob")
    await window.write("Ann 0")
    await expect(window.message("Ann 0")).to_have_attribute("data-state", "sent")
    await proxy.shut()
    await window.write("Ann 1", "Ann 2")
    await expect(window.message("Ann 2")).to_have_attribute("data-state", "waiting")
    await proxy.open()
    await ann.page.goto(community.address("ann", "elsewhere"))
    await whole(window, "Ann", count=3)


async def test_a_server_that_is_killed_and_comes_back_loses_and_doubles_nothing(fragile: Community) -> None:
    await fragile.conversation("ann", "bob")
    ann, bob = await fragile.come("ann"), await fragile.come("bob")
    hers, his = ann.window("Bob"), bob.window("Ann")
    for n in range(9):
        await hers.write(f"Ann {n}")
        await his.write(f"Bob {n}")
        if n == 3:
            await asyncio.to_thread(fragile.server.kill)
        if n == 6:
            await asyncio.to_thread(fragile.server.start)
    await whole(hers, "Ann", "Bob", count=9)
    await whole(his, "Ann", "Bob", count=9)
    assert await hers.texts() == await his.texts()


async def test_a_server_that_restarts_in_order_says_so_and_comes_back(fragile: Community) -> None:
    await fragile.conversation("ann", "bob")
    ann, bob = await fragile.come("ann"), await fragile.come("bob")
    hers, his = ann.window("Bob"), bob.window("Ann")
    await hers.write("Ann 0")
    await expect(his.message("Ann 0")).to_be_visible()
    await asyncio.to_thread(fragile.server.terminate)
    await hers.write("Ann 1")
    await expect(hers.notice).to_have_text("Chat restarts and is back in a moment.")
    await asyncio.to_thread(fragile.server.start)
    await whole(his, "Ann", count=2)
    await expect(hers.notice).to_have_count(0)


async def test_two_pages_of_one_browser_share_one_connection(community: Community, proxy: Proxy) -> None:
    conversation = await community.conversation("ann", "bob")
    first = await community.come("ann")
    second = await community.another_page(first)
    bob = await community.site.join("bob")
    await bob.say(conversation, "To both")
    for chat in (first, second):
        await expect(chat.window("Bob").message("To both")).to_be_visible()
    await second.window("Bob").write("From the second")
    await expect(first.window("Bob").message("From the second")).to_be_visible()
    await bob.event("message", body="From the second")
    assert proxy.counts[WEBSOCKET] == 1
    assert proxy.open_websockets == 1


async def test_closing_the_page_that_leads_hands_over_without_loss(community: Community, proxy: Proxy) -> None:
    conversation = await community.conversation("ann", "bob")
    first = await community.come("ann")
    second = await community.another_page(first)
    third = await community.another_page(first, "third")
    bob = await community.site.join("bob")
    for n in range(10):
        await bob.say(conversation, f"Bob {n}")
        await second.window("Bob").write(f"Ann {n}")
        if n == 4:
            await first.page.close()
    for chat in (second, third):
        await whole(chat.window("Bob"), "Ann", "Bob", count=10)
    await bob.event("message", body="Ann 9")
    assert [message["body"] for message in bob.messages(conversation)] == [f"Ann {n}" for n in range(10)]
    assert proxy.counts[WEBSOCKET] == 2
    assert proxy.open_websockets == 1


async def test_a_message_whose_answer_went_down_with_the_leading_page_stands_once(
    community: Community, proxy: Proxy
) -> None:
    conversation = await community.conversation("ann", "bob")
    first = await community.come("ann")
    second = await community.another_page(first)
    window = second.window("Bob")
    bob = await community.site.join("bob")
    await window.write("Ann 0")
    await bob.event("message", body="Ann 0")
    await expect(window.message("Ann 0")).to_have_attribute("data-state", "sent")
    proxy.hold_answers()
    await window.write("Ann 1")
    await bob.event("message", body="Ann 1")
    await first.page.close()
    await window.write(*(f"Ann {n}" for n in range(2, 7)))
    proxy.go_on()
    for n in range(12):
        await bob.say(conversation, f"Bob {n}")
    await window.write(*(f"Ann {n}" for n in range(7, 12)))
    await bob.event("message", body="Ann 11")
    await whole(window, "Ann", "Bob", count=12)
    assert [message["body"] for message in bob.messages()] == [f"Ann {n}" for n in range(12)]


async def test_a_leading_page_that_is_reloaded_has_all_its_lists(community: Community, proxy: Proxy) -> None:
    await community.conversation("ann", "bob", said=["Hello"], open=False)
    await community.site.join("bob")
    first = await community.come("ann")
    second = await community.another_page(first)
    for leading in (first, second, first, second):
        await leading.page.reload()
        await leading.open_panel("Chats")
        await expect(leading.row("Bob")).to_be_visible()
        await leading.open_panel("People")
        await expect(leading.row("Bob")).to_be_visible()
    assert proxy.open_websockets == 1

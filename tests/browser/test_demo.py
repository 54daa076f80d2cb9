"""Two members of the demo community, each in a browser of their own."""

import re

import pytest
from playwright.async_api import expect

from tests.support.browser import Chat, Community
from tests.support.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def home(demo: Community, member: str, page: str = "") -> Chat:
    """A member's page of the demo."""
    return await (await demo.visit(f"{demo.service}/demo/as/{member}/{page}")).ready()


async def test_two_members_of_the_demo_chat_with_each_other(demo: Community) -> None:
    chloe = await home(demo, "chloe", "members/")
    dmitri = await home(demo, "dmitri")

    await chloe.panel.get_by_role("button", name="Minimise").click()
    await chloe.page.get_by_role("button", name="Message Dmitri Sokolov").click()
    hers = chloe.window("Dmitri Sokolov")
    await expect(hers.field).to_be_focused()
    await expect(hers.second_line).to_have_text("Online")
    await hers.write("Is R Leonis up?")
    await expect(hers.state("Is R Leonis up?")).to_contain_text("Sent")

    await dmitri.tab("Chloé").click()
    his = dmitri.window("Chloé Lefèvre")
    await expect(his.message("Is R Leonis up?")).to_be_visible()
    await expect(his.second_line).to_have_text("Online")
    await expect(hers.state("Is R Leonis up?")).to_contain_text("Seen")

    await his.field.press_sequentially("Magnitude 5.4")
    await expect(hers.typing).to_have_text("Dmitri is typing")
    await his.field.press("Enter")
    await expect(hers.message("Magnitude 5.4")).to_be_visible()
    await expect(hers.typing).to_have_text("")
    await expect(his.state("Magnitude 5.4")).to_contain_text("Seen")
    assert await hers.texts() == await his.texts() == ["Is R Leonis up?", "Magnitude 5.4"]


async def test_a_second_window_as_another_member_is_one_click(demo: Community) -> None:
    maren = await home(demo, "maren")
    async with maren.page.context.expect_page() as opened:
        await maren.page.get_by_role("link", name="Tomás Herrera").first.click()
    tomas = await Chat(await opened.value).ready()
    assert tomas.page.url.endswith("/demo/as/tomas/")
    await tomas.open_panel("People")
    await expect(tomas.row("Maren Whitlock")).to_be_visible()


async def test_the_lobby_of_the_demo_scrolls_back_over_two_hundred_messages(demo: Community) -> None:
    yusuf = await home(demo, "yusuf")
    await yusuf.open_panel("Chats")
    await yusuf.row("Forum lobby").click()
    lobby = yusuf.window("Forum lobby")
    await expect(lobby.bubbles.first).to_be_visible()
    newest = (await lobby.seqs())[-1]
    assert newest > 200
    while (await lobby.seqs())[0] > 1:
        await lobby.scroll_back()
    assert await lobby.seqs() == list(range(1, newest + 1))


async def test_a_message_is_sending_then_sent_then_seen(community: Community, proxy: Proxy) -> None:
    await community.conversation("ann", "bob")
    ann = await community.come("ann")
    hers = ann.window("Bob")
    await hers.write("First")
    await expect(hers.state("First")).to_contain_text("Sent")

    proxy.hold()
    await hers.write("Slowly")
    await expect(hers.state("Slowly")).to_have_text("Sending")
    await expect(hers.message("Slowly")).to_have_attribute("data-state", "sending")
    proxy.go_on()
    await expect(hers.message("Slowly")).to_have_attribute("data-state", "sent")

    bob = await community.come("bob")
    await bob.window("Ann").field.focus()
    await expect(hers.message("Slowly")).to_have_attribute("data-state", "seen")
    await expect(hers.message("First")).to_have_attribute("data-state", "seen")
    await expect(hers.state("First")).to_have_count(0)


async def test_who_leaves_is_offline_to_others_and_a_page_change_is_not_leaving(community: Community) -> None:
    await community.conversation("ann", "bob")
    ann = await community.come("ann")
    bob = await community.come("bob")
    hers = ann.window("Bob")
    await expect(hers.second_line).to_have_text("Online")
    await hers.second_line.evaluate(
        """line => {
          window.shown = [];
          const watch = new MutationObserver(() => window.shown.push(line.textContent));
          watch.observe(line, {subtree: true, characterData: true, childList: true});
        }"""
    )
    await bob.page.goto(community.address("bob", "elsewhere"))
    await bob.window("Ann").write("I am elsewhere")
    await expect(hers.message("I am elsewhere")).to_be_visible()
    assert await ann.page.evaluate("window.shown") == []

    await bob.page.close()
    await expect(hers.second_line).to_have_text(re.compile("^Seen"))

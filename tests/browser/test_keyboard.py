"""The whole way by keyboard alone, and what is read aloud meanwhile."""

import re

import pytest
from playwright.async_api import expect

from tests.support.browser import Chat, Community

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def focused(chat: Chat) -> str:
    """What has the focus inside the widget: its class, or "" where it is lost."""
    name: str = await chat.page.evaluate(
        """() => {
          const found = document.querySelector("avchat-im").shadowRoot.activeElement;
          return found ? `${found.tagName.toLowerCase()} ${found.className} ${found.ariaLabel ?? ""}` : "";
        }"""
    )
    return name


async def test_a_conversation_from_first_to_last_by_keyboard_alone(community: Community) -> None:
    await community.known("cleo")
    bob = await community.site.join("bob")
    ann = await community.come("ann")
    keys = ann.page.keyboard

    await keys.press("Alt+Shift+C")
    await expect(ann.panel.locator("[data-me]")).to_be_focused()
    await keys.press("/")
    search = ann.panel.get_by_role("searchbox")
    await expect(search).to_be_focused()
    await keys.type("bob")
    await expect(ann.panel.locator(".row")).to_have_count(1)
    await keys.press("Tab")
    while "row" not in await focused(ann):
        await keys.press("Tab")
    await keys.press("Enter")
    window = ann.window("Bob")
    await expect(window.field).to_be_focused()
    for text in ("One", "Two", "Three"):
        await keys.type(text)
        await keys.press("Enter")
    await expect(window.bubbles).to_have_count(3)
    await expect(window.message("Three")).to_have_attribute("data-state", "sent")
    sent = await bob.event("message", body="Three")
    await bob.say(sent["conversation"], "Four")
    await expect(ann.polite).to_have_text("Bob: Four")

    # Through the messages.
    await keys.press("Shift+Tab")
    await expect(window.message("Four")).to_be_focused()
    for text in ("Three", "Two", "One"):
        await keys.press("ArrowUp")
        await expect(window.message(text)).to_be_focused()
    await keys.press("ArrowUp")
    await expect(window.message("One")).to_be_focused()
    await keys.press("End")
    await expect(window.message("Four")).to_be_focused()

    # React.
    await keys.press("+")
    await expect(ann.menu.get_by_role("searchbox")).to_be_focused()
    await expect(ann.menu.get_by_role("option").first).to_be_visible()
    await keys.press("ArrowDown")
    await expect(ann.menu.get_by_role("option").first).to_be_focused()
    await keys.press("ArrowRight")
    await expect(ann.menu.get_by_role("option").nth(1)).to_be_focused()
    await keys.press("Enter")
    await expect(window.message("Four").locator(".rx button")).to_have_attribute("aria-pressed", "true")
    await expect(window.message("Four")).to_be_focused()

    # Reply, and the chain of Escape: reply, then window.
    await keys.press("r")
    await expect(window.field).to_be_focused()
    await expect(window.box.locator(".ctx")).to_contain_text("Four")
    await keys.type("Five")
    await keys.press("Enter")
    await bob.event("message", body="Five", reply_to=4)
    await expect(window.message("Five")).to_have_attribute("data-state", "sent")
    await keys.press("Shift+Tab")
    while "m " not in (await focused(ann))[4:]:
        await keys.press("Shift+Tab")
    await keys.press("Enter")
    await expect(ann.menu.get_by_role("menuitem").first).to_be_focused()
    await keys.press("ArrowDown")
    await expect(ann.menu.get_by_role("menuitem").nth(1)).to_be_focused()
    await keys.press("Escape")
    await expect(ann.menu).to_have_count(0)
    await expect(window.message("Five")).to_be_focused()
    await keys.press("r")
    await expect(window.box.locator(".ctx")).to_have_count(1)
    await keys.press("Escape")
    await expect(window.box.locator(".ctx")).to_have_count(0)
    await expect(window.field).to_be_focused()
    await keys.press("Escape")
    await expect(ann.windows).to_have_count(0)
    await expect(ann.tab("Bob")).to_be_focused()
    await keys.press("Enter")
    await expect(window.field).to_be_focused()


async def test_no_stop_of_the_tab_key_is_lost_or_a_trap(community: Community) -> None:
    await community.conversation("ann", "bob", said=["Hello"])
    ann = await community.come("ann", body="<button id=after>After</button>")
    await ann.open_panel("People")
    await expect(ann.window("Bob").message("Hello")).to_be_visible()
    await ann.page.locator("#after").focus()
    stops: list[str] = []
    for _ in range(40):
        await ann.page.keyboard.press("Tab")
        if not (stop := await focused(ann)):
            break
        stops.append(stop)
    else:
        pytest.fail(f"The Tab key does not leave the widget: {stops}")
    told = " | ".join(stops)
    for part in ("textarea", "div m", "Emoji", "Minimise", "New conversation", "Find a member"):
        assert part in told


async def test_arrow_keys_walk_the_bar_and_delete_closes_a_tab(community: Community) -> None:
    ids = [await community.conversation("ann", other, said=["Hello"], open=False) for other in ("bob", "cleo", "dan")]
    connection = await community.site.join("ann")
    await connection.ok("tabs.set", tabs=[{"conversation": id, "state": "minimized"} for id in ids])
    await connection.close()
    ann = await community.come("ann")
    keys = ann.page.keyboard
    # The newest is nearest to the chat tab.
    await ann.opener.focus()
    for name in ("Bob", "Cleo", "Dan"):
        await keys.press("ArrowLeft")
        await expect(ann.tab(name)).to_be_focused()
    await keys.press("End")
    await expect(ann.opener).to_be_focused()
    await keys.press("Home")
    await keys.press("Delete")
    await expect(ann.tab("Dan")).to_have_count(0)
    assert await focused(ann) != ""
    await ann.opener.focus()
    await keys.press("ArrowLeft")
    await keys.press("Enter")
    await expect(ann.window("Bob").field).to_be_focused()


async def test_alt_and_arrows_go_from_conversation_to_conversation(community: Community) -> None:
    ids = [await community.conversation("ann", other, said=["Hello"], open=False) for other in ("bob", "cleo")]
    connection = await community.site.join("ann")
    await connection.ok("tabs.set", tabs=[{"conversation": id, "state": "open"} for id in ids])
    await connection.close()
    ann = await community.come("ann")
    await ann.window("Bob").field.focus()
    await ann.page.keyboard.press("Alt+ArrowUp")
    await expect(ann.window("Cleo").field).to_be_focused()
    await ann.page.keyboard.press("Alt+ArrowDown")
    await expect(ann.window("Bob").field).to_be_focused()


async def test_what_arrives_elsewhere_is_read_aloud_as_a_count(community: Community) -> None:
    conversation = await community.conversation("ann", "bob", open=False)
    ann = await community.come("ann")
    bob = await community.site.join("bob")
    for text in ("One", "Two", "Three"):
        await bob.say(conversation, text)
    await expect(ann.polite).to_have_text("3 new messages from Bob")
    await expect(ann.assertive).to_have_text("")


async def test_keys_inside_the_chat_are_not_the_page_s(community: Community) -> None:
    await community.conversation("ann", "bob")
    ann = await community.come("ann")
    await ann.page.evaluate("addEventListener('keydown', (event) => (window.heard = (window.heard ?? '') + event.key))")
    await ann.window("Bob").field.press_sequentially("jk/?")
    assert await ann.page.evaluate("window.heard") is None
    await expect(ann.window("Bob").field).to_have_value(re.compile(re.escape("jk/?")))

"""axe finds nothing in the widget, in every main state; and it does look inside."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.support.browser import Chat, Community

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = Path(__file__).resolve().parents[2] / "static/node_modules/axe-core/axe.min.js"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TALK = [
    "Is the boat still wet? See https://harbour.example",
    "`code` and @Ann and 🛶",
    "🌊",
    "```\nfenced\n```",
]


async def faults(chat: Chat) -> list[str]:
    """What axe says against the widget, as rule and element."""
    # Colours and sizes are judged when nothing moves any more.
    await chat.root.evaluate(
        "root => Promise.all(root.getAnimations({subtree: true}).map((one) => one.finished.catch(() => 0)))"
    )
    await chat.page.evaluate(await asyncio.to_thread(AXE.read_text))
    found: list[dict[str, Any]] = await chat.page.evaluate(
        "() => axe.run({include: [['avchat-im']]}, {resultTypes: ['violations']}).then((result) => result.violations)"
    )
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]


async def harbour(community: Community, **options: Any) -> Chat:
    """Ann's page: a conversation with Bob of all kinds of messages, a group, a tab with a badge."""
    lang = options.pop("lang", "en")
    await community.known("ann", "cleo", "dan")
    bob = await community.site.join("bob", name="Bob Buoy")
    reply = await bob.send("ann", "First")
    pair = reply["conversation"]
    for text in TALK:
        await bob.say(pair, text)
    ann = await community.site.join("ann")
    await ann.say(pair, "Dry as a bone")
    await ann.say(pair, "An answer", reply_to=2)
    await ann.ok("message.react", conversation=pair, seq=2, emoji="👍", on=True)
    await bob.ok("message.edit", conversation=pair, seq=1, body="First, edited")
    gone = await bob.say(pair, "To be deleted")
    await bob.ok("message.delete", conversation=pair, seq=gone["seq"])
    group = (await bob.ok("conversation.create", members=["ann", "cleo"], name="Night crew"))["conversation"]
    await bob.ok("conversation.invite", conversation=group, members=["dan"])
    await bob.say(group, "All here?")
    await ann.ok(
        "tabs.set", tabs=[{"conversation": pair, "state": "open"}, {"conversation": group, "state": "minimized"}]
    )
    await ann.close()
    return await community.come("ann", options=options, lang=lang, dir="rtl" if lang == "ar" else "ltr")


async def panel(chat: Chat) -> None:
    """People."""
    await chat.open_panel("People")
    await expect(chat.row("Bob Buoy")).to_be_visible()


async def chats(chat: Chat) -> None:
    """Chats."""
    await chat.open_panel("Chats")
    await expect(chat.row("Night crew")).to_be_visible()


async def window(chat: Chat) -> None:
    """A window with every kind of message, and the actions of one."""
    await expect(chat.window("Bob Buoy").bubbles).to_have_count(8)
    await chat.window("Bob Buoy").message("Dry as a bone").hover()


async def menu(chat: Chat) -> None:
    """The menu of a message."""
    await window(chat)
    await chat.window("Bob Buoy").act("First, edited", "More")
    await expect(chat.menu).to_be_visible()


async def presence(chat: Chat) -> None:
    """One's own presence."""
    await chat.open_panel("People")
    await chat.panel.locator("[data-me]").click()
    await expect(chat.menu).to_be_visible()


async def emoji(chat: Chat) -> None:
    """The emoji picker."""
    await chat.window("Bob Buoy").box.get_by_role("button", name="Emoji").click()
    await expect(chat.menu.get_by_role("option").first).to_be_visible()


async def group(chat: Chat) -> None:
    """A group's messages."""
    await expect(chat.windows.first).to_be_visible()
    if await chat.tab("Night crew").count():
        await chat.tab("Night crew").click()
    await expect(chat.window("Night crew").message("All here?")).to_be_visible()


async def group_members(chat: Chat) -> None:
    """A group's members."""
    await group(chat)
    await chat.window("Night crew").header("Members")
    await expect(chat.window("Night crew").box.get_by_text("4 members", exact=True)).to_be_visible()


async def new_group(chat: Chat) -> None:
    """Picking people for a group."""
    await chat.open_panel("People")
    await chat.panel.get_by_role("button", name="New conversation").click()
    for name in ("Bob Buoy", "Dan"):
        await chat.panel.get_by_role("checkbox", name=name).click()
    await expect(chat.panel.get_by_role("button", name="Create group")).to_be_visible()


async def report(chat: Chat) -> None:
    """Reporting a message."""
    await window(chat)
    await chat.window("Bob Buoy").more("First, edited", "Report")
    await expect(chat.window("Bob Buoy").box.locator(".report")).to_be_visible()


STATES = [panel, chats, window, menu, presence, emoji, group, group_members, new_group, report]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_in_any_state(community: Community, theme: str) -> None:
    chat = await harbour(community, color_scheme=theme, reduced_motion="reduce")
    found: dict[str, list[str]] = {}
    for state in STATES:
        await chat.page.reload()
        await state(chat)
        found[state.__name__] = await faults(chat)
    assert found == {state.__name__: [] for state in STATES}


async def test_axe_finds_nothing_in_arabic(community: Community) -> None:
    chat = await harbour(community, lang="ar", reduced_motion="reduce")
    await expect(chat.root).to_have_attribute("dir", "rtl")
    await expect(chat.window("Bob Buoy").bubbles).to_have_count(8)
    await chat.opener.click()
    await expect(chat.panel.locator("[data-me]")).to_be_visible()
    assert await faults(chat) == []
    await chat.panel.locator("[data-me]").click()
    await expect(chat.menu).to_be_visible()
    assert await faults(chat) == []


async def phone_list(chat: Chat) -> None:
    """The list on a phone."""
    await chat.opener.tap()
    await expect(chat.row("Night crew")).to_be_visible()


async def phone_chat(chat: Chat) -> None:
    """A conversation on a phone."""
    await phone_list(chat)
    await chat.row("Bob Buoy").tap()
    await expect(chat.window("Bob Buoy").bubbles).to_have_count(8)


async def phone_settings(chat: Chat) -> None:
    """One's own settings on a phone."""
    await phone_list(chat)
    await chat.root.get_by_role("tab", name="Settings").tap()
    await expect(chat.root.get_by_role("radiogroup")).to_be_visible()


@pytest.mark.parametrize("state", [phone_list, phone_chat, phone_settings])
async def test_axe_finds_nothing_on_a_phone(community: Community, state: Callable[[Chat], Awaitable[None]]) -> None:
    chat = await harbour(community, reduced_motion="reduce", **PHONE)
    await state(chat)
    assert await faults(chat) == []


async def test_axe_reports_a_fault_that_is_planted_inside_the_widget(community: Community) -> None:
    chat = await harbour(community)
    await chat.open_panel("People")
    assert await faults(chat) == []
    await chat.page.evaluate(
        """() => {
          const button = document.querySelector("avchat-im").shadowRoot.querySelector(".panel .acts .ib");
          button.removeAttribute("aria-label");
          button.removeAttribute("title");
        }"""
    )
    found = await faults(chat)
    assert len(found) == 1
    assert found[0].startswith("button-name: ")

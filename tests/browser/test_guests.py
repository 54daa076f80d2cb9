"""Visitors without an account, on sites that let them in and on sites that do not."""

import pytest
from playwright.async_api import Browser, ConsoleMessage, expect

from tests.support.browser import Chat, Community
from tests.support.pages import Pages
from tests.support.server import Server
from tests.support.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def come_as_guest(community: Community, name: str) -> Chat:
    """A visitor picks a name."""
    chat = await community.visit(community.address(None))
    await chat.opener.click()
    field = chat.panel.get_by_label("Your name")
    await field.fill(name)
    await chat.panel.get_by_role("button", name="Join the chat").click()
    await expect(chat.panel.locator("[data-me]")).to_be_visible()
    return chat


async def test_a_visitor_picks_a_name_and_is_the_same_guest_after_a_reload(
    server: Server, pages: Pages, browser: Browser
) -> None:
    community = Community(server, Site(server, "--guests"), pages, browser)
    ann = await community.visit(community.address("ann"))
    await ann.open_panel()
    await expect(ann.panel.locator("[data-me]")).to_be_visible()
    guest = await come_as_guest(community, "Wanderer")
    await guest.open_panel("People")
    await guest.row("Ann").click()
    await guest.window("Ann").write("Just passing by")
    await ann.tab("Wanderer").click()
    hers = ann.window("Wanderer")
    await expect(hers.message("Just passing by")).to_be_visible()

    await guest.page.reload()
    await expect(guest.window("Ann").message("Just passing by")).to_be_visible()
    await guest.window("Ann").write("Still me")
    await expect(hers.message("Still me")).to_be_visible()
    await expect(hers.message("Just passing by")).to_be_visible()

    second = await (await community.visit(community.address(None, "another"), guest.page.context)).ready()
    await expect(second.window("Ann").message("Still me")).to_be_visible()

    other = await come_as_guest(community, "Wanderer")
    await other.open_panel("Chats")
    await expect(other.panel.get_by_text("No conversations yet.")).to_be_visible()
    await community.leave()
    await community.site.leave()
    assert community.complaints == []


async def test_a_site_without_guests_shows_a_visitor_nothing(community: Community) -> None:
    told: list[ConsoleMessage] = []
    context = await community.context()
    context.on("console", lambda message: told.append(message))
    async with context.expect_event("console", lambda message: message.type == "info"):
        chat = await community.visit(community.address(None), context)
    await expect(chat.page.locator("h1")).to_be_visible()
    await expect(chat.page.locator("avchat-im")).to_have_count(0)
    assert len(told) == 1


async def test_a_snippet_that_stands_twice_makes_one_widget(community: Community) -> None:
    await community.conversation("ann", "bob")
    source = f"{community.service}/embed/{community.site.key}.js"
    again = f'<script async src="{source}" data-token="{community.site.token("ann")}"></script>'
    address = community.address("ann", body=again)
    ann = await (await community.visit(address)).ready()
    await expect(ann.page.locator("avchat-im")).to_have_count(1)
    await expect(ann.windows).to_have_count(1)

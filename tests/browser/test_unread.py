"""What a member sees of messages that are not read yet."""

import re

import pytest
from playwright.async_api import expect

from tests.support.browser import Community

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_new_message_makes_a_tab_with_a_badge_and_opens_no_window(community: Community) -> None:
    conversation = await community.conversation("ann", "bob", open=False)
    ann = await community.come("ann", title="Tide tables")
    bob = await community.site.join("bob")
    await bob.say(conversation, "The tide is out")

    await expect(ann.tab("Bob")).to_have_accessible_name(re.compile("^Bob ?, Online ?, 1 unread$"))
    await expect(ann.tab("Bob").locator(".badge")).to_have_text(re.compile("^1\\b"))
    await expect(ann.windows).to_have_count(0)

    await bob.say(conversation, "It comes back at nine")
    await expect(ann.tab("Bob").locator(".badge")).to_have_text(re.compile("^2\\b"))
    await expect(ann.opener.locator(".badge")).to_have_text(re.compile("^2\\b"))


async def test_the_page_s_title_counts_what_is_unread_and_gets_its_own_words_back(community: Community) -> None:
    conversation = await community.conversation("ann", "bob", open=False)
    ann = await community.come("ann", title="Tide tables")
    await expect(ann.page).to_have_title("Tide tables")
    bob = await community.site.join("bob")
    await bob.say(conversation, "One")
    await expect(ann.page).to_have_title("(1) Tide tables")
    await bob.say(conversation, "Two")
    await expect(ann.page).to_have_title("(2) Tide tables")

    await ann.page.evaluate("document.title = 'High water'")
    await expect(ann.page).to_have_title("(2) High water")

    await ann.tab("Bob").click()
    await expect(ann.window("Bob").message("Two")).to_be_visible()
    await expect(ann.page).to_have_title("High water")
    await expect(ann.opener.locator(".badge")).to_have_count(0)


async def test_what_is_read_on_one_device_is_not_unread_on_another(community: Community) -> None:
    conversation = await community.conversation("ann", "bob", open=False)
    desk = await community.come("ann")
    phone = await community.come("ann")
    bob = await community.site.join("bob")
    await bob.say(conversation, "Read me once")
    await expect(phone.page).to_have_title("(1) Harbour")

    await desk.tab("Bob").click()
    await expect(desk.window("Bob").message("Read me once")).to_be_visible()
    await expect(phone.page).to_have_title("Harbour")

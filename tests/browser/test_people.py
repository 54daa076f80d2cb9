"""Blocking, groups, presence and status, as the members concerned see them."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import Chat, Community
from tests.support.pages import Pages
from tests.support.server import Server
from tests.support.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_blocked_member_cannot_tell_and_the_blocker_can_unblock(community: Community) -> None:
    await community.conversation("ann", "bob", said=["Hello Bob"])
    ann, bob = await community.come("ann"), await community.come("bob")
    hers, his = ann.window("Bob"), bob.window("Ann")
    await expect(his.message("Hello Bob")).to_be_visible()
    await hers.about()
    await ann.choose("Block Bob")
    await expect(hers.box.get_by_text("You blocked Bob. They are not told.")).to_be_visible()
    await expect(hers.field).to_have_count(0)

    await his.write("Are you there?")
    await expect(his.message("Are you there?")).to_have_attribute("data-state", "sent")
    await expect(his.box.get_by_text(re.compile("block", re.IGNORECASE))).to_have_count(0)
    await expect(his.field).to_be_enabled()

    await hers.box.get_by_role("button", name="Unblock").click()
    await expect(hers.field).to_be_visible()
    await his.write("Now you hear me")
    await expect(hers.message("Now you hear me")).to_be_visible()
    await expect(hers.message("Are you there?")).to_have_count(0)
    await ann.page.reload()
    await expect(hers.message("Now you hear me")).to_be_visible()
    assert await hers.texts() == ["Hello Bob", "Now you hear me"]


async def test_a_group_is_made_named_and_joined_by_those_invited(community: Community) -> None:
    await community.known("bob", "cleo", "dan")
    ann, bob = await community.come("ann"), await community.come("bob")
    await ann.open_panel("People")
    await ann.panel.get_by_role("button", name="New conversation").click()
    search = ann.panel.get_by_role("searchbox")
    await expect(search).to_be_focused()
    for name in ("Bob", "Cleo"):
        await search.fill(name)
        await ann.panel.get_by_role("checkbox", name=name).click()
    await ann.panel.get_by_label("Name of the group").fill("Night crew")
    await ann.panel.get_by_role("button", name="Create group").click()
    hers = ann.window("Night crew")
    await expect(hers.field).to_be_focused()
    await expect(hers.second_line).to_have_text("3 members, 2 online")
    await hers.write("Welcome aboard")

    await bob.tab("Night crew").click()
    his = bob.window("Night crew")
    await expect(his.message("Welcome aboard")).to_be_visible()
    await expect(his.log.locator(".by").first).to_contain_text("Ann")

    await hers.about()
    await ann.choose("Add people")
    await hers.box.get_by_role("searchbox").fill("Dan")
    await hers.box.get_by_role("checkbox", name="Dan").click()
    await hers.box.get_by_role("button", name="Add 1 person").click()
    for window in (hers, his):
        await expect(window.log.locator(".sys").get_by_text("Ann added Dan")).to_be_visible()
    await expect(hers.second_line).to_contain_text("4 members")
    dan = await community.come("dan")
    await dan.open_panel("Chats")
    await dan.row("Night crew").click()
    await expect(dan.window("Night crew").message("Welcome aboard")).to_be_visible()


async def test_a_group_has_its_new_name_for_all_and_tells_who_left(community: Community) -> None:
    await community.conversation("ann", "bob", "cleo", name="Crew", said=["Hello all"])
    ann, bob = await community.come("ann"), await community.come("bob")
    hers = ann.window("Crew")
    await hers.about()
    await ann.choose("Rename")
    await hers.box.get_by_label("Name of the group").fill("Day crew")
    await hers.box.get_by_role("button", name="Save").click()
    await expect(ann.window("Day crew").message("Hello all")).to_be_visible()
    his = bob.window("Day crew")
    await expect(his.message("Hello all")).to_be_visible()

    await his.about()
    await bob.choose("Leave")
    await his.notice.get_by_role("button", name="Leave", exact=True).click()
    await expect(bob.windows).to_have_count(0)
    await expect(ann.window("Day crew").log.locator(".sys").get_by_text("Bob left")).to_be_visible()
    await expect(ann.window("Day crew").second_line).to_contain_text("2 members")
    await bob.open_panel("Chats")
    await expect(bob.panel.get_by_text("No conversations yet.")).to_be_visible()


async def test_in_a_group_the_one_who_has_seen_it_is_counted(community: Community) -> None:
    await community.conversation("ann", "bob", "cleo", name="Crew")
    ann = await community.come("ann")
    window = ann.window("Crew")
    await window.write("All read this?")
    await expect(window.state("All read this?")).to_contain_text("Sent")
    for number, sub in enumerate(("bob", "cleo"), start=1):
        other = await community.come(sub)
        await other.window("Crew").field.focus()
        await expect(window.state("All read this?")).to_contain_text(f"Seen by {number}")


async def choose_presence(chat: Chat, words: str) -> None:
    """Chooses one's own presence from the panel's menu."""
    await chat.open_panel("People")
    await chat.panel.locator("[data-me]").click()
    await expect(chat.menu.get_by_role("menuitemradio", checked=True)).to_be_focused()
    await chat.menu.get_by_role("menuitemradio", name=words).click()


async def test_presence_and_status_are_the_same_on_all_pages_and_seen_by_others(community: Community) -> None:
    await community.conversation("ann", "bob")
    ann, bob = await community.come("ann"), await community.come("bob")
    second = await community.another_page(ann)
    laptop = await community.come("ann")
    await choose_presence(ann, "Do not disturb")
    await ann.panel.locator("[data-me]").click()
    await ann.choose("Set a status…")
    await expect(ann.panel.locator(".status input")).to_be_focused()
    await ann.panel.locator(".status input").fill("Painting the hull")
    await ann.panel.get_by_role("button", name="Save").click()

    for chat in (ann, second, laptop):
        await chat.open_panel("People")
        await expect(chat.panel.locator("[data-me]")).to_have_accessible_name("Your presence: Do not disturb")
        await expect(chat.panel.locator(".ph .st")).to_have_text("Painting the hull")
    his = bob.window("Ann")
    await expect(his.second_line).to_have_text("Do not disturb")
    await expect(his.notice).to_have_text("Ann will see this later, without a sound.")
    await bob.open_panel("People")
    await expect(bob.row("Ann")).to_contain_text("Painting the hull")

    await ann.page.reload()
    await expect(ann.panel.locator("[data-me]")).to_have_accessible_name("Your presence: Do not disturb")


async def test_who_is_invisible_is_offline_to_others(community: Community) -> None:
    await community.conversation("ann", "bob")
    ann, bob = await community.come("ann"), await community.come("bob")
    his = bob.window("Ann")
    await expect(his.second_line).to_have_text("Online")
    await choose_presence(ann, "Invisible")
    await expect(his.second_line).to_have_text(re.compile("Offline|Seen"))
    await expect(ann.panel.locator("[data-me]")).to_have_accessible_name("Your presence: Invisible")
    await ann.window("Bob").write("I can still write")
    await expect(his.message("I can still write")).to_be_visible()
    await expect(his.second_line).to_have_text(re.compile("Offline|Seen"))


async def test_who_touches_no_page_for_long_is_away_until_one_is_touched(
    hasty_server: Server, pages: Pages, browser: Browser
) -> None:
    community = Community(hasty_server, Site(hasty_server), pages, browser)
    await community.conversation("ann", "bob")
    bob = await community.come("bob")
    his = bob.window("Ann")
    context = await community.context()
    await context.clock.install()
    ann = await (await community.visit(community.address("ann"), context)).ready()
    second = await community.another_page(ann)
    await expect(his.second_line).to_have_text("Online")

    # One page that is idle does not make the member idle; all of them do.
    await ann.page.mouse.move(300, 300)
    await context.clock.fast_forward("01:30")
    await expect(his.second_line).to_have_text(re.compile("Away"))
    await second.page.mouse.move(200, 200)
    await expect(his.second_line).to_have_text("Online")
    await community.leave()
    await community.site.leave()
    assert community.complaints == []


async def test_people_are_found_by_name(community: Community) -> None:
    await community.known("bob", "cleo", "bobby")
    ann = await community.come("ann")
    await ann.open_panel("People")
    search = ann.panel.get_by_role("searchbox")
    await search.fill("bob")
    await expect(ann.row("Bob")).to_be_visible()
    await expect(ann.row("Bobby")).to_be_visible()
    await expect(ann.row("Cleo")).to_have_count(0)
    await search.fill("Galileo")
    await expect(ann.panel.get_by_text("No one called “Galileo”.")).to_be_visible()
    await search.fill("Cleo")
    await ann.row("Cleo").click()
    window = ann.window("Cleo")
    await expect(window.box.get_by_text("Say hello to Cleo.")).to_be_visible()
    await window.box.get_by_role("button", name="Wave 👋").click()
    await expect(window.bubbles).to_have_text(["👋"])

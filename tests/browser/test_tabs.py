"""Conversations are open, minimised or closed; the same on every page and device of a member."""

import pytest
from playwright.async_api import expect

from tests.support.browser import Chat, Community

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def three_talks(community: Community) -> None:
    """Ann has talked with three members; none of it is open."""
    for other in ("bob", "cleo", "dan"):
        await community.conversation("ann", other, said=[f"Hello {other}"], open=False)


async def stand(chat: Chat) -> None:
    """Cleo's window is open and Dan is minimised, and nothing else."""
    await expect(chat.window("Cleo").box).to_be_visible()
    await expect(chat.tab("Dan")).to_be_visible()
    await expect(chat.windows).to_have_count(1)
    await expect(chat.root.locator("[data-tab]")).to_have_count(1)


async def arrange(chat: Chat) -> None:
    """Opens Dan, then Cleo, and minimises Dan."""
    await chat.open_panel("Chats")
    await chat.row("Dan").click()
    await chat.window("Dan").header("Minimise")
    await chat.row("Cleo").click()
    await stand(chat)


async def test_tabs_survive_a_page_change_and_a_reload(community: Community) -> None:
    await three_talks(community)
    ann = await community.come("ann")
    await arrange(ann)

    await ann.page.goto(community.address("ann", "elsewhere"))
    await stand(ann)
    await ann.page.reload()
    await stand(ann)
    await expect(ann.window("Cleo").message("Hello cleo")).to_be_visible()


async def test_tabs_are_the_same_on_a_second_page_of_the_same_browser(community: Community) -> None:
    await three_talks(community)
    ann = await community.come("ann")
    second = await community.another_page(ann)
    await arrange(ann)
    await stand(second)

    await second.tab("Dan").click()
    await expect(ann.window("Dan").box).to_be_visible()
    await second.window("Cleo").header("Minimise")
    await expect(ann.tab("Cleo")).to_be_visible()


async def test_tabs_are_the_same_on_another_device(community: Community) -> None:
    await three_talks(community)
    desk = await community.come("ann")
    laptop = await community.come("ann")
    await arrange(desk)
    await stand(laptop)

    await laptop.window("Cleo").header("Minimise")
    await expect(desk.tab("Cleo")).to_be_visible()
    await expect(desk.windows).to_have_count(0)


async def test_closing_closes_on_every_page_and_device(community: Community) -> None:
    await three_talks(community)
    desk = await community.come("ann")
    second = await community.another_page(desk)
    laptop = await community.come("ann")
    everywhere = (desk, second, laptop)
    await arrange(desk)
    for chat in everywhere:
        await stand(chat)

    await laptop.window("Cleo").header("Close")
    for chat in everywhere:
        await expect(chat.windows).to_have_count(0)
        await expect(chat.tab("Dan")).to_be_visible()

    await second.tab("Dan").hover()
    await second.root.get_by_role("button", name="Close Dan").click()
    for chat in everywhere:
        await expect(chat.root.locator("[data-tab]")).to_have_count(0)
    await desk.page.reload()
    await desk.ready()
    await desk.open_panel("Chats")
    await expect(desk.row("Cleo")).to_be_visible()
    await expect(desk.root.locator("[data-tab], .win")).to_have_count(0)


async def test_what_was_being_written_is_still_there_after_a_page_change(community: Community) -> None:
    await community.conversation("ann", "bob")
    ann = await community.come("ann")
    await ann.window("Bob").field.fill("Half a thought")
    await ann.page.goto(community.address("ann", "elsewhere"))
    await expect(ann.window("Bob").field).to_have_value("Half a thought")


async def test_windows_that_do_not_fit_become_tabs_and_the_rest_a_menu(community: Community) -> None:
    others = [f"member{number}" for number in range(12)]
    ids = [await community.conversation("ann", other, said=["Hello"], open=False) for other in others]
    connection = await community.site.join("ann")
    await connection.ok("tabs.set", tabs=[{"conversation": id, "state": "open"} for id in ids])
    await connection.close()
    ann = await community.come("ann", options={"viewport": {"width": 1000, "height": 700}})
    await expect(ann.windows).to_have_count(2)

    more = ann.root.get_by_role("button", name="more")
    await expect(more).to_be_visible()
    shown = await ann.root.locator("[data-tab]").count()
    await expect(more).to_contain_text(f"{12 - 2 - shown} more")
    await more.click()
    hidden = await ann.menu.get_by_role("menuitem").all_inner_texts()
    assert len(hidden) == 12 - 2 - shown
    name = hidden[0].strip().splitlines()[-1]
    await ann.choose(name)
    await expect(ann.window(name).field).to_be_focused()
    await expect(ann.windows).to_have_count(2)

"""What can be done with a message."""

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.support.browser import NETWORK, Chat, Community
from tests.support.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def two(community: Community, *said: str) -> tuple[Chat, Chat]:
    """Ann and Bob talk, and Ann has said something."""
    await community.conversation("ann", "bob", said=said)
    return await community.come("ann"), await community.come("bob")


async def test_an_edited_message_is_marked_as_edited_for_both(community: Community) -> None:
    ann, bob = await two(community, "High water at nine")
    hers, his = ann.window("Bob"), bob.window("Ann")
    await hers.more("High water", "Edit")
    await expect(hers.field).to_have_value("High water at nine")
    await hers.write("High water at ten")
    for window in (hers, his):
        await expect(window.message("High water at ten")).to_be_visible()
        await expect(window.state("High water at ten")).to_contain_text("edited")
    await expect(his.message("High water at nine")).to_have_count(0)
    await expect(hers.field).to_have_value("")


async def test_arrow_up_in_an_empty_field_edits_my_last_message_and_escape_leaves_it(community: Community) -> None:
    ann, _ = await two(community, "First", "Second")
    window = ann.window("Bob")
    await expect(window.message("Second")).to_be_visible()
    await window.field.press("ArrowUp")
    await expect(window.field).to_have_value("Second")
    await window.field.press("Escape")
    await expect(window.field).to_have_value("")
    await expect(window.message("Second")).to_be_visible()


async def test_a_deleted_message_is_gone_for_both_and_can_be_had_back_for_a_moment(community: Community) -> None:
    ann, bob = await two(community, "Keep me", "Drop me")
    hers, his = ann.window("Bob"), bob.window("Ann")
    await hers.more("Keep me", "Delete")
    await expect(hers.message("Keep me")).to_have_count(0)
    await hers.notice.get_by_role("button", name="Undo").click()
    await expect(hers.message("Keep me")).to_be_visible()

    await hers.more("Drop me", "Delete")
    await expect(his.message("Message deleted")).to_be_visible()
    await expect(his.message("Drop me")).to_have_count(0)
    await expect(his.message("Keep me")).to_be_visible()
    await bob.page.reload()
    await expect(his.message("Message deleted")).to_be_visible()
    assert await his.texts() == ["Keep me", "Message deleted"]


async def test_a_reaction_is_seen_by_both_and_taken_back_by_pressing_it(community: Community) -> None:
    ann, bob = await two(community, "The harbour froze")
    hers, his = ann.window("Bob"), bob.window("Ann")
    await his.act("froze", "React")
    await bob.menu.get_by_role("searchbox").fill("cold")
    await bob.menu.get_by_role("option").first.click()
    theirs = hers.message("froze").get_by_role("button", name=re.compile("1 reaction: Bob"))
    own = his.message("froze").get_by_role("button", name=re.compile("1 reaction: Bob"))
    await expect(theirs).to_have_attribute("aria-pressed", "false")
    await expect(own).to_have_attribute("aria-pressed", "true")

    await theirs.click()
    await expect(his.message("froze").locator(".rx")).to_contain_text("2")
    await his.message("froze").get_by_role("button", name=re.compile("2 reactions")).click()
    await expect(hers.message("froze").get_by_role("button", name=re.compile("1 reaction: Ann"))).to_be_visible()
    await hers.message("froze").get_by_role("button", name=re.compile("1 reaction: Ann")).click()
    for window in (hers, his):
        await expect(window.message("froze").locator(".rx")).to_have_count(0)


async def test_a_reply_quotes_what_it_answers_and_leads_to_it(community: Community) -> None:
    ann, bob = await two(community, "Who has the key?", *(f"Filler {n}" for n in range(20)))
    hers, his = ann.window("Bob"), bob.window("Ann")
    await his.message("Who has the key?").scroll_into_view_if_needed()
    await his.act("Who has the key?", "Reply")
    await expect(his.box.locator(".ctx")).to_contain_text("Who has the key?")
    await expect(his.field).to_be_focused()
    await his.write("Cleo has")
    await expect(his.box.locator(".ctx")).to_have_count(0)
    quote = hers.message("Cleo has").get_by_role("button", name=re.compile("Who has the key"))
    await expect(quote).to_contain_text("Ann")
    question = hers.log.locator('[data-seq="1"]')
    await expect(question).not_to_be_in_viewport()
    await quote.click()
    await expect(question).to_be_in_viewport()
    await expect(question).to_be_focused()


async def test_a_reported_message_is_confirmed_and_the_reported_do_not_learn_of_it(community: Community) -> None:
    ann, bob = await two(community, "Buy my boat")
    his = bob.window("Ann")
    await his.more("Buy my boat", "Report")
    await expect(his.box.locator(".report input")).to_be_focused()
    await his.box.locator(".report input").fill("Advertising")
    await his.box.locator(".report").get_by_role("button", name="Report", exact=True).click()
    await expect(his.notice).to_have_text("Thank you. A moderator will look at it.")
    await expect(bob.polite).to_contain_text("A moderator will look at it")
    assert await ann.window("Bob").texts() == ["Buy my boat"]
    await expect(ann.window("Bob").notice).to_have_count(0)


async def test_a_message_that_was_not_sent_in_two_minutes_says_so_and_goes_out_on_trying_again(
    community: Community, proxy: Proxy
) -> None:
    community.expects(NETWORK)
    await community.conversation("ann", "bob")
    context = await community.context()
    await context.clock.install()
    ann = await (await community.visit(community.address("ann"), context)).ready()
    window = ann.window("Bob")
    await window.write("Before")
    await expect(window.message("Before")).to_have_attribute("data-state", "sent")
    await proxy.shut()
    await window.write("Stranded")
    await expect(window.message("Stranded")).to_have_attribute("data-state", "waiting")
    await ann.page.clock.fast_forward("02:30")
    await expect(window.state("Stranded")).to_contain_text("Not sent")
    await expect(window.notice).to_contain_text("You are offline.")
    await expect(ann.assertive).to_contain_text("Your message was not sent.")

    await proxy.open()
    await window.notice.get_by_role("button", name="Try now").click()
    await expect(window.notice).to_have_class(re.compile("ok"))
    await window.state("Stranded").get_by_role("button", name="Try again").click()
    await expect(window.message("Stranded")).to_have_attribute("data-state", "sent")
    assert await window.seqs() == [1, 2]


async def test_a_message_that_the_service_refuses_can_be_deleted(community: Community) -> None:
    group = await community.conversation("ann", "bob", "cleo", name="Crew")
    ann = await community.come("ann")
    window = ann.window("Crew")
    await window.write("Stored")
    await expect(window.message("Stored")).to_have_attribute("data-state", "sent")

    await ann.page.context.set_offline(True)
    await window.write("Refused")
    community.expects(NETWORK)
    elsewhere = await community.site.join("ann")
    await elsewhere.ok("conversation.leave", conversation=group)
    await elsewhere.close()
    await ann.page.context.set_offline(False)
    # Who left a conversation on another device has no window of it.
    await expect(ann.windows).to_have_count(0)
    await expect(ann.root.locator("[data-tab]")).to_have_count(0)


async def test_a_text_that_is_too_long_says_by_how_much_and_does_not_go_out(community: Community) -> None:
    ann, _ = await two(community, "Short")
    window = ann.window("Bob")
    await window.field.fill("x" * 9_500)
    await expect(window.box.get_by_text("9,500 of 10,000")).to_be_visible()
    await window.field.fill("🛶" * 10_214)
    await expect(window.box.get_by_text("Too long by 214 characters.")).to_be_visible()
    await expect(window.box.get_by_role("button", name="Send")).to_be_disabled()
    await window.field.press("Enter")
    await window.field.fill("🛶" * 10_000)
    await window.field.press("Enter")
    await expect(window.bubbles).to_have_count(2)
    await expect(window.bubbles.last).to_have_attribute("data-state", re.compile("sent|seen"))


async def test_shift_enter_starts_a_line_and_lines_are_kept(community: Community) -> None:
    ann, bob = await two(community)
    field = ann.window("Bob").field
    await field.press_sequentially("One")
    await field.press("Shift+Enter")
    await field.press_sequentially("Two")
    await field.press("Enter")
    await expect(bob.window("Ann").bubbles).to_have_count(1)
    assert await bob.window("Ann").texts() == ["One\nTwo"]


async def test_an_emoji_from_the_picker_goes_into_the_text_and_alone_it_is_large(community: Community) -> None:
    ann, bob = await two(community)
    window = ann.window("Bob")
    await window.box.get_by_role("button", name="Emoji").click()
    await expect(ann.menu.get_by_role("searchbox")).to_be_focused()
    await ann.menu.get_by_role("searchbox").fill("telescope")
    await ann.menu.get_by_role("searchbox").press("Enter")
    await expect(window.field).to_be_focused()
    await expect(window.field).to_have_value("🔭")
    await window.field.press("Enter")
    await expect(bob.window("Ann").log.locator(".b.jumbo")).to_have_text("🔭")


async def test_enter_in_the_emoji_picker_holds_until_the_names_are_loaded(community: Community) -> None:
    ann, _ = await two(community)
    loading: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
    await ann.page.context.route(re.compile(r"/assets/emoji-en\."), lambda route: loading.set_result(route))
    await ann.window("Bob").box.get_by_role("button", name="Emoji").click()
    await ann.menu.get_by_role("searchbox").fill("telescope")
    await ann.menu.get_by_role("searchbox").press("Enter")
    await expect(ann.menu).to_be_visible()
    await (await loading).continue_()
    await expect(ann.window("Bob").field).to_be_focused()
    await expect(ann.window("Bob").field).to_have_value("🔭")


async def test_nothing_moves_under_a_pointer_that_comes_before_the_actions_are_loaded(community: Community) -> None:
    await community.conversation("ann", "bob", said=["The harbour froze"])
    context = await community.context(reduced_motion="reduce")
    loading: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
    await context.route(re.compile(r"/assets/more\."), lambda route: loading.set_result(route))
    ann = await community.visit(community.address("ann"), context)
    message = ann.window("Bob").message("froze")
    await expect(message).to_be_visible()
    before = await message.bounding_box()
    await message.hover()
    route = await loading
    assert await message.bounding_box() == before
    await route.continue_()
    await expect(message.get_by_role("button", name="React")).to_be_visible()
    assert await message.bounding_box() == before

"""Older messages come as one scrolls up, and nothing moves under the reader's eyes."""

import pytest
from playwright.async_api import Locator, expect

from tests.support.browser import Community, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANY = 230


async def place(message: Locator) -> float:
    """Where a message stands in its window, in px from the log's top (the window itself may still be opening)."""
    top: float = await message.evaluate(
        "read => read.getBoundingClientRect().top - read.closest('[role=log]').getBoundingClientRect().top"
    )
    return top


async def settled(window: Window) -> None:
    """Nothing is being loaded."""
    await expect(window.log.locator(".older svg")).to_have_count(0)


async def test_history_scrolls_back_over_two_hundred_messages_without_gaps_or_doubles(community: Community) -> None:
    await community.conversation("bob", "ann", said=(f"Message {n}" for n in range(1, MANY + 1)))
    ann = await community.come("ann")
    window = ann.window("Bob")
    await expect(window.message(f"Message {MANY}")).to_be_visible()
    assert (await window.seqs())[0] > 1
    while (await window.seqs())[0] > 1:
        await window.scroll_back()
    assert await window.seqs() == list(range(1, MANY + 1))
    assert await window.texts() == [f"Message {n}" for n in range(1, MANY + 1)]


async def read_on(window: Window) -> None:
    """Scrolls up until older messages load; what was in view must stay where it was."""
    oldest = (await window.seqs())[0]
    await window.log.evaluate(
        """(log, seq) => {
          const read = log.querySelector(`[data-seq="${seq}"]`);
          read.scrollIntoView({block: "center"});
          window.before = read.getBoundingClientRect().top - log.getBoundingClientRect().top;
        }""",
        oldest + 4,
    )
    await expect(window.log.locator("[data-seq]").first).not_to_have_attribute("data-seq", str(oldest))
    await settled(window)
    before = await window.chat.page.evaluate("window.before")
    read = window.log.locator(f'[data-seq="{oldest + 4}"]')
    assert await place(read) == pytest.approx(before, abs=1)


async def test_what_is_being_read_stays_where_it_is_while_older_messages_load(community: Community) -> None:
    conversation = await community.conversation("bob", "ann")
    ann, bob = await community.site.join("ann"), await community.site.join("bob")
    for n in range(1, 76):
        await bob.say(conversation, f"Question {n}")
        await ann.say(conversation, f"Answer {n}")
    await ann.ok("message.read", conversation=conversation, seq=150)
    chat = await community.come("ann")
    window = chat.window("Bob")
    await expect(window.message("Answer 75")).to_be_visible()
    await read_on(window)


async def test_a_long_monologue_stays_where_it_is_while_more_of_it_loads(community: Community) -> None:
    await community.conversation("bob", "ann", said=(f"Message {n}" for n in range(1, 151)))
    ann = await community.come("ann")
    window = ann.window("Bob")
    await expect(window.message("Message 150")).to_be_visible()
    await read_on(window)


async def test_a_message_that_comes_while_history_is_read_moves_nothing_and_is_told_by_a_pill(
    community: Community,
) -> None:
    conversation = await community.conversation("bob", "ann", said=(f"Message {n}" for n in range(1, 61)))
    ann = await community.come("ann")
    window = ann.window("Bob")
    await expect(window.message("Message 60")).to_be_visible()
    read = window.message("Message 30")
    await read.evaluate("element => element.scrollIntoView({block: 'center'})")
    await expect(window.message("Message 60")).not_to_be_in_viewport()
    before = await place(read)

    bob = await community.site.join("bob")
    for text in ("News", "More news"):
        await bob.say(conversation, text)
    pill = window.box.locator(".pill")
    await expect(pill).to_have_text("2 new messages")
    assert await place(read) == pytest.approx(before, abs=1)

    await pill.click()
    await expect(window.message("More news")).to_be_in_viewport()
    await expect(pill).to_have_count(0)


async def test_at_the_bottom_the_log_follows_what_comes(community: Community) -> None:
    conversation = await community.conversation("bob", "ann", said=(f"Message {n}" for n in range(1, 41)))
    ann = await community.come("ann")
    window = ann.window("Bob")
    await expect(window.message("Message 40")).to_be_in_viewport()
    bob = await community.site.join("bob")
    for n in range(41, 46):
        await bob.say(conversation, f"Message {n}")
        await expect(window.message(f"Message {n}")).to_be_in_viewport()


async def test_what_is_drawn_between_a_scroll_and_its_event_does_not_undo_the_scroll(community: Community) -> None:
    await community.conversation("bob", "ann", said=(f"Message {n}" for n in range(1, 41)))
    ann = await community.come("ann")
    window = ann.window("Bob")
    await expect(window.message("Message 40")).to_be_in_viewport()
    moved: int = await window.log.evaluate(
        """async (log) => {
          log.scrollTop -= 100;
          const before = log.scrollTop;
          // As a press does, which draws anew before the event of the scroll comes.
          log.dispatchEvent(new PointerEvent("pointerdown", {bubbles: true, composed: true}));
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          return log.scrollTop - before;
        }"""
    )
    assert moved == 0


async def test_a_window_opens_where_the_unread_messages_begin(community: Community) -> None:
    conversation = await community.conversation("ann", "bob", said=(f"Old {n}" for n in range(1, 31)), open=False)
    bob = await community.site.join("bob")
    for n in range(1, 31):
        await bob.say(conversation, f"New {n}")
    ann = await community.come("ann")
    await ann.open_panel("Chats")
    await ann.row("Bob").click()
    window = ann.window("Bob")
    await expect(window.log.locator(".new")).to_be_in_viewport()
    await expect(window.bubbles.filter(has_text="New 1").first).to_be_in_viewport()
    await expect(window.message("New 30")).not_to_be_in_viewport()

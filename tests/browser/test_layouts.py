"""Right to left, phones, light and dark, less motion."""

from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.support.browser import Chat, Community

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


async def box(locator: Locator) -> dict[str, float]:
    """Where it stands, in px."""
    found = await locator.bounding_box()
    assert found is not None
    return {**found, "right": found["x"] + found["width"], "bottom": found["y"] + found["height"]}


async def style(locator: Locator, name: str) -> str:
    """A computed style."""
    value: str = await locator.evaluate("(element, name) => getComputedStyle(element).getPropertyValue(name)", name)
    return value


# Right to left.


async def test_on_an_arabic_page_everything_is_mirrored(community: Community) -> None:
    conversation = await community.conversation("ann", "bob", said=["مرحبا"])
    bob = await community.site.join("bob")
    await bob.say(conversation, "Hello")
    ann = await community.come("ann", lang="ar", dir="rtl")
    await expect(ann.root).to_have_attribute("dir", "rtl")
    await expect(ann.root).to_have_attribute("lang", "ar")
    window = ann.window("Bob")
    await expect(window.message("Hello")).to_be_visible()

    # The bar hugs the left; the newest window is nearest to the chat tab.
    opener, dialog = await box(ann.opener), await box(window.box)
    assert opener["x"] < 32
    assert dialog["x"] > opener["right"]
    # Mine stand at the left, others' at the right; the composer's button at the left.
    mine, theirs, log = (
        await box(window.message("مرحبا").locator(".b")),
        await box(window.message("Hello").locator(".b")),
        await box(window.log),
    )
    assert mine["x"] - log["x"] < 20
    assert log["right"] - theirs["right"] < 20
    await window.field.fill("نعم")
    assert (await box(window.box.locator(".send")))["x"] < (await box(window.field))["x"]
    assert (await box(window.box.locator("header .av")))["x"] > (await box(window.box.locator("header .acts")))["x"]

    # Icons that point somewhere point the other way, those of things do not.
    await window.message("Hello").hover()
    reply = window.message("Hello").locator(".hv .flip")
    assert (await style(reply, "transform")).startswith("matrix(-1") or await style(reply, "scale") == "-1 1"
    other = window.message("Hello").locator(".hv .i:not(.flip)").first
    assert await style(other, "transform") == "none"
    assert await style(other, "scale") == "none"


async def test_arrow_keys_in_the_bar_are_mirrored_in_arabic(community: Community) -> None:
    await community.conversation("ann", "bob", said=["Hello"], open=False)
    connection = await community.site.join("ann")
    [entry] = (await connection.ok("conversations", limit=1))["conversations"]
    await connection.ok("tabs.set", tabs=[{"conversation": entry["conversation"], "state": "minimized"}])
    await connection.close()
    ann = await community.come("ann", lang="ar", dir="rtl")
    await expect(ann.tab("Bob")).to_be_visible()
    await ann.opener.focus()
    await ann.page.keyboard.press("ArrowRight")
    await expect(ann.tab("Bob")).to_be_focused()
    await ann.page.keyboard.press("ArrowLeft")
    await expect(ann.opener).to_be_focused()


# Phones.


async def test_on_a_phone_the_chat_fills_the_screen_and_goes_back_step_by_step(community: Community) -> None:
    await community.conversation("bob", "ann", said=["Hello from the pier"], open=False)
    ann = await community.come("ann", options=PHONE, body="<div style='height: 3000px'>Long</div>")
    button = await box(ann.opener)
    assert button["width"] == button["height"] == 56
    await ann.page.evaluate("scrollTo(0, 500)")
    await ann.opener.tap()
    await expect(ann.row("Bob")).to_be_visible()
    screen = await box(ann.root.locator(".phone"))
    assert (screen["x"], screen["y"], screen["width"], screen["height"]) == (0, 0, 390, 844)
    assert (await box(ann.row("Bob")))["height"] >= 44

    # The page behind does not scroll along.
    assert await style(ann.page.locator("html"), "overflow") == "hidden"

    await ann.row("Bob").tap()
    window = ann.window("Bob")
    await expect(window.message("Hello from the pier")).to_be_visible()
    dialog, field = await box(window.box), await box(window.field)
    assert dialog["width"] == pytest.approx(390, abs=1)
    assert 844 - 80 < field["bottom"] <= 844
    assert float((await style(window.field, "font-size")).removesuffix("px")) >= 16
    await window.field.tap()
    await window.field.fill("Hello from the sea")
    await window.box.get_by_role("button", name="Send").tap()
    await expect(window.message("Hello from the sea")).to_have_attribute("data-state", "sent")

    await window.header("Back")
    await expect(ann.row("Bob")).to_be_visible()
    await expect(ann.windows).to_have_count(0)
    await ann.row("Bob").tap()
    await expect(window.field).to_be_visible()
    await ann.page.go_back()
    await expect(ann.row("Bob")).to_be_visible()
    await ann.page.go_back()
    await expect(ann.opener).to_be_visible()
    assert await style(ann.page.locator("html"), "overflow") == "visible"
    assert await ann.page.evaluate("scrollY") == 500


async def test_on_a_phone_a_message_s_actions_are_a_sheet(community: Community) -> None:
    await community.conversation("ann", "bob", said=["Hold me"], open=False)
    ann = await community.come("ann", options={**PHONE, "reduced_motion": "reduce"})
    await ann.opener.tap()
    await ann.row("Bob").tap()
    message = ann.window("Bob").message("Hold me")
    finger = await ann.page.context.new_cdp_session(ann.page)
    spot = await box(message)
    point = {"x": spot["x"] + spot["width"] / 2, "y": spot["y"] + spot["height"] / 2}
    await finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    await expect(ann.menu).to_be_visible()
    await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    sheet = await box(ann.menu)
    assert sheet["bottom"] == 844
    await ann.choose("Delete")
    await expect(ann.window("Bob").message("Message deleted")).to_be_visible()


async def test_on_a_phone_targets_are_large_enough_for_fingers(community: Community) -> None:
    await community.conversation("ann", "bob", said=["Hello"], open=False)
    ann = await community.come("ann", options=PHONE)
    await ann.opener.tap()
    await expect(ann.row("Bob")).to_be_visible()

    async def small() -> list[str]:
        found: list[str] = await ann.root.evaluate(
            """root => [...root.querySelectorAll("button")].filter((button) => {
              const {width, height} = button.getBoundingClientRect();
              // On its way into the page its place is a fraction, and so its size may be a hair less.
              return width && Math.min(width, height) < 43.99;
            }).map((button) => `${button.className} ${button.ariaLabel ?? button.textContent}`)"""
        )
        return found

    assert await small() == []
    await ann.row("Bob").tap()
    await expect(ann.window("Bob").message("Hello")).to_be_visible()
    assert await small() == []


# Light, dark, motion.


async def luminance(chat: Chat) -> float:
    """How bright a window's ground is, 0 to 255."""
    colour = await style(chat.windows.first, "background-color")
    parts = [float(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    return sum(parts) / 3


async def test_light_and_dark_follow_the_reader_at_once(community: Community) -> None:
    await community.conversation("ann", "bob")
    ann = await community.come("ann", options={"color_scheme": "light"})
    await expect(ann.root).to_have_attribute("data-theme", "light")
    assert await luminance(ann) > 230
    await ann.page.emulate_media(color_scheme="dark")
    await expect(ann.root).to_have_attribute("data-theme", "dark")
    assert await luminance(ann) < 60


@pytest.mark.parametrize(("wish", "moves"), [("no-preference", True), ("reduce", False)])
async def test_nothing_moves_for_who_wants_less_motion(community: Community, wish: Any, moves: bool) -> None:
    conversation = await community.conversation("ann", "bob", said=["Hello"], open=False)
    ann = await community.come("ann", options={"reduced_motion": wish})
    await ann.page.evaluate(
        """() => {
          const root = document.querySelector("avchat-im").shadowRoot;
          window.moved = [];
          const moves = (frame) => [frame.transform, frame.translate].some((value) => (value ?? "none") !== "none");
          const look = () => {
            const found = root.getAnimations().filter((one) => one.effect.getKeyframes().some(moves));
            window.moved.push(...found.map((one) => `${one.animationName} ${one.effect.target.className}`));
          };
          for (const name of ["animationstart", "transitionrun"]) root.addEventListener(name, look);
        }"""
    )
    await ann.opener.click()
    await ann.open_panel("Chats")
    await ann.row("Bob").click()
    window = ann.window("Bob")
    await window.write("Hello again")
    bob = await community.site.join("bob")
    await bob.say(conversation, "And again")
    await bob.tell("typing", conversation=conversation, on=True)
    await expect(window.typing).to_have_text("Bob is typing")
    await window.about()
    await expect(ann.menu).to_be_visible()
    moved = await ann.page.evaluate("window.moved")
    assert bool(moved) == moves, moved


async def test_the_page_is_not_shifted_and_stays_clickable_beside_the_chat(community: Community) -> None:
    await community.conversation("ann", "bob")
    body = "<button id=under style='position:fixed;left:0;bottom:0;width:600px;height:300px'>Under</button>"
    plain = await community.context()
    bare = await plain.new_page()
    await bare.goto(community.pages.put("/bare", f"<!doctype html><html><body><h1>Harbour</h1>{body}</body></html>"))
    ann = await community.come("ann", body=body)
    await ann.open_panel("People")
    await ann.page.locator("#under").click(position={"x": 300, "y": 290})
    await expect(ann.page.locator("#under")).to_be_focused()
    for page in (ann.page, bare):
        assert await page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]") == [
            800,
            1280,
        ]
    assert await ann.page.evaluate("document.cookie") == ""

"""A host page whose stylesheet wrecks all that it reaches, under a strict policy: the chat is not among it."""

from typing import Any

import pytest
from playwright.async_api import expect

from tests.support.browser import Chat, Community

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Notes every refusal of the policy before any other script runs.
WATCH = """
window.refused = [];
addEventListener("securitypolicyviolation", (event) => refused.push(event.violatedDirective));
"""

LOOKS = """
root => [...root.querySelectorAll(
  ".panel, .panel .ph, .panel [data-me], .seg [role=tab], .panel .find, .panel .find input, .row, .row .av, .row b, "
  + ".win, .wh, .wh .nm, .wh .ib, .wh svg, .log, .m .b, .meta, .meta svg, .typ, .cmp, .cmp .box, textarea, .send",
)].map((element) => {
  const {width, height} = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  return [element.tagName, element.getAttribute("class"), Math.round(width), Math.round(height), ...[
    "font-family", "font-size", "font-weight", "font-style", "line-height", "letter-spacing", "word-spacing",
    "text-transform", "text-align", "text-shadow", "color", "background-color", "border-top", "border-radius",
    "padding", "margin", "opacity", "transform", "position", "display", "z-index", "visibility", "pointer-events",
    "filter", "transition-duration",
  ].map((name) => style.getPropertyValue(name))];
})
"""


async def settled(demo: Community, page: str) -> Chat:
    """Farah's page of the demo with a conversation with Kwame in it, nothing moving."""
    context = await demo.context(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    await context.add_init_script(WATCH)
    farah = await (await demo.visit(f"{demo.service}/demo/as/farah/{page}", context)).ready()
    await farah.open_panel("People")
    await farah.panel.get_by_role("searchbox").fill("Kwame")
    await farah.row("Kwame Boateng").click()
    window = farah.window("Kwame Boateng")
    await expect(window.field).to_be_focused()
    if not await window.bubbles.filter(has_text="Dew heaters are on").count():
        await window.write("Dew heaters are on")
    await expect(window.state("Dew heaters are on")).to_contain_text("Sent")
    await window.field.fill("A draft")
    await expect(window.box.locator(".send")).to_be_visible()
    await farah.page.mouse.move(5, 5)
    await farah.root.evaluate("root => Promise.all(root.getAnimations({subtree: true}).map((one) => one.finished))")
    return farah


async def test_on_a_hostile_page_the_chat_looks_as_on_any_other(demo: Community) -> None:
    clean = await settled(demo, "")
    looks: list[list[Any]] = await clean.root.evaluate(LOOKS)
    await clean.page.close()
    hostile = await settled(demo, "hostile/")
    assert len(looks) > 20
    assert await hostile.root.evaluate(LOOKS) == looks
    assert await hostile.page.evaluate("getComputedStyle(document.querySelector('main p')).color") == "rgb(255, 0, 0)"


async def test_on_a_hostile_page_under_a_strict_policy_members_chat(demo: Community) -> None:
    context = await demo.context()
    await context.add_init_script(WATCH)
    leilani = await (await demo.visit(f"{demo.service}/demo/as/leilani/hostile/", context)).ready()
    priya = await (await demo.visit(f"{demo.service}/demo/as/priya/")).ready()
    answer = await leilani.page.request.get(leilani.page.url)
    assert "default-src 'none'" in answer.headers["content-security-policy"]

    await leilani.open_panel("People")
    await leilani.row("Priya Raman").click()
    window = leilani.window("Priya Raman")
    await window.write("Is it sharp?")
    await priya.tab("Leilani").click()
    theirs = priya.window("Leilani Kahale")
    await expect(theirs.message("Is it sharp?")).to_be_visible()
    await theirs.write("As a needle")
    await expect(window.message("As a needle")).to_be_visible()
    await window.act("needle", "React")
    await leilani.menu.get_by_role("option").first.click()
    await expect(theirs.message("needle").locator(".rx")).to_be_visible()
    assert await leilani.page.evaluate("window.refused") == []


async def test_the_page_s_own_looks_are_untouched_by_the_chat(demo: Community) -> None:
    look = """() => {
      const own = [...document.querySelectorAll("body *:not(avchat-im)")].filter((one) => one.checkVisibility());
      return own.map((element) => {
        const style = getComputedStyle(element);
        const {x, y, width, height} = element.getBoundingClientRect();
        return [element.tagName, x, y, width, height, style.color, style.font, style.margin];
      });
    }"""
    address = f"{demo.service}/demo/as/farah/log/"
    without = await demo.context()
    await without.route("**/embed/**", lambda route: route.abort())
    demo.expects("ERR_FAILED")
    bare = await without.new_page()
    await bare.goto(address)
    farah = await (await demo.visit(address)).ready()
    assert await farah.page.evaluate(look) == await bare.evaluate(look)
    globals_of = "() => Object.keys(window)"
    added = set(await farah.page.evaluate(globals_of)) - set(await bare.evaluate(globals_of))
    assert added == {"avchat"}

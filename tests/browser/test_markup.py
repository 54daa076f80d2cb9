"""Nothing that a member can type becomes markup or runs."""

import pytest
from playwright.async_api import expect

from tests.support.browser import Community

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = [
    "<script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    '"><svg onload=window.ran=1>',
    "<a href='javascript:window.ran=1'>press</a>",
    "javascript:window.ran=1",
    "<style>* { display: none }</style>",
    "</textarea></div></template><iframe srcdoc='<script>parent.ran=1</script>'></iframe>",
    "`<b onmouseover=window.ran=1>code</b>`",
    "```html\n<script>window.ran = 1</script>\n```",
    "{{constructor.constructor('window.ran=1')()}} ${window.ran=1}",
    "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "@<img src=x onerror=window.ran=1> __proto__ constructor",
    "\u202egnp.exe\u202c and \u2067back\u2069",
    "W" * 4_000,
    "🛶" * 300,
]
NAMES = ["<b onclick=window.ran=1>Bo</b>", "__proto__", "constructor", "\u202eeve", "W" * 60]

FOREIGN = """
root => [...root.querySelectorAll("script, iframe, object, embed, form[action], [onerror], [onload], [onclick]")]
  .map((element) => element.outerHTML.slice(0, 80))
"""


async def test_hostile_texts_are_shown_as_they_were_typed_and_nothing_runs(community: Community) -> None:
    await community.conversation("bob", "ann", said=HOSTILE)
    ann = await community.come("ann")
    window = ann.window("Bob")
    await expect(window.bubbles).to_have_count(len(HOSTILE))
    bodies = await window.bubbles.evaluate_all("all => all.map((m) => m.querySelector('.b [dir]').textContent)")
    shown = [text.strip("`").removeprefix("html\n").removesuffix("\n") for text in HOSTILE]
    assert bodies == shown
    assert await ann.root.evaluate(FOREIGN) == []
    for number in range(len(HOSTILE)):
        await window.bubbles.nth(number).hover()
        await window.bubbles.nth(number).locator(".b").click()
    assert await ann.page.evaluate("window.ran") is None
    # The wildest text is kept inside its window.
    log = await window.log.bounding_box()
    assert log is not None
    assert await window.log.evaluate("log => log.scrollWidth - log.clientWidth") == 0
    for box in [await window.bubbles.nth(number).bounding_box() for number in range(len(HOSTILE))]:
        assert box is not None
        assert box["x"] >= log["x"]
        assert box["x"] + box["width"] <= log["x"] + log["width"] + 1


async def test_hostile_names_are_shown_as_they_are_in_every_place(community: Community) -> None:
    for number, name in enumerate(NAMES):
        sub = ["__proto__", "constructor", "<i>", "toString", "hasOwnProperty"][number]
        connection = await community.site.join(sub, name=name)
        await community.known("ann")
        reply = await connection.send("ann", f"From {number} @{name}")
        await connection.ok("message.react", conversation=reply["conversation"], seq=1, emoji="👍", on=True)
        await connection.ok("presence.set", show="online", status="<img src=x onerror=window.ran=1>")
    ann = await community.come("ann", options={"viewport": {"width": 1900, "height": 900}})
    await ann.open_panel("People")
    await expect(ann.panel.locator(".row")).to_have_count(len(NAMES))
    shown = await ann.panel.locator(".row bdi").all_text_contents()
    assert sorted(shown) == sorted(NAMES)
    await ann.open_panel("Chats")
    for number in range(len(NAMES)):
        await ann.panel.locator(".row").nth(number).click()
        await expect(ann.root.locator(".win textarea")).to_be_focused()
        await ann.page.keyboard.press("Escape")
    await expect(ann.root.locator("[data-tab]")).to_have_count(len(NAMES))
    assert await ann.root.evaluate(FOREIGN) == []
    assert await ann.page.evaluate("[window.ran, ({}).ran, Object.keys(Object.prototype).length]") == [None, None, 0]


async def test_only_web_and_mail_addresses_become_links_and_they_cannot_reach_the_page(community: Community) -> None:
    texts = [
        "See https://harbour.example/a?b=1&c=2#d.",
        "Plain http://harbour.example too",
        "Write to mailto:crew@harbour.example",
        "www.harbour.example",
        "javascript:alert(1) data:text/html,hi vbscript:x file:///etc/passwd ftp://x.example",
        'https://harbour.example/"onmouseover="window.ran=1',
        "JaVaScRiPt:alert(1)//https://x",
    ]
    await community.conversation("bob", "ann", said=texts)
    ann = await community.come("ann")
    window = ann.window("Bob")
    await expect(window.bubbles).to_have_count(len(texts))
    links = await window.log.locator("a").evaluate_all(
        "all => all.map((a) => [a.href, a.target, a.rel, a.attributes.length])"
    )
    assert [link[0] for link in links][:4] == [
        "https://harbour.example/a?b=1&c=2#d",
        "http://harbour.example/",
        "mailto:crew@harbour.example",
        "https://www.harbour.example/",
    ]
    assert all(href.startswith(("https://", "http://", "mailto:")) for href, *_ in links)
    assert {target for _, target, _, _ in links} == {"_blank"}
    assert {rel for _, _, rel, _ in links} == {"noopener nofollow ugc"}
    assert {count for *_, count in links} == {3}
    assert await window.bubbles.nth(4).locator("a").count() == 0
    assert await window.bubbles.nth(5).locator("a").get_attribute("href") == "https://harbour.example/"

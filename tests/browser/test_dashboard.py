"""From signing up to the first member on a site's own page."""

import time
from collections.abc import AsyncIterator

import jwt
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.support.browser import Chat, Community
from tests.support.pages import Pages, page

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "tide table, mooring line, brass bell"


@pytest_asyncio.fixture(loop_scope="session")
async def owner(community: Community) -> Page:
    """Somebody with a fresh account, at their list of sites."""
    context = await community.context(permissions=["clipboard-read", "clipboard-write"])
    owner = await context.new_page()
    await owner.goto(f"{community.service}/dashboard/sign-up")
    await owner.get_by_label("Your name").fill("Odile Owner")
    await owner.get_by_label("E-mail").fill(f"odile-{community.pages.port}@harbour.example")
    await owner.get_by_label("Password").fill(PASSWORD)
    await owner.get_by_role("button", name="Make an account").click()
    await expect(owner.get_by_text("Add your first site.")).to_be_visible()
    return owner


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere() -> AsyncIterator[Pages]:
    """Pages on an origin that the site does not list."""
    pages = await Pages().open()
    yield pages
    await pages.close()


async def add_site(owner: Page, address: str) -> None:
    """Adds a site and arrives at its installation."""
    await owner.get_by_role("link", name="Add a site").first.click()
    await owner.get_by_label("Name").fill("Harbour")
    await owner.get_by_label("Address").fill(address)
    await owner.get_by_role("button", name="Add the site").click()
    await expect(owner.get_by_role("heading", name="Harbour", level=1)).to_be_visible()


async def copied(owner: Page, what: str) -> str:
    """Presses the button that copies what stands in the element `what`; what is in the clipboard then."""
    button = owner.locator(f"[data-copy={what}]")
    await button.click()
    await expect(button).to_have_class("button copy small done-copying")
    await expect(button).to_contain_text("Copied")
    text: str = await owner.evaluate("navigator.clipboard.readText()")
    return text


async def test_a_site_is_installed_from_sign_up_to_the_first_member(
    community: Community, owner: Page, elsewhere: Pages
) -> None:
    pages = community.pages
    await add_site(owner, pages.origin)
    chip = owner.locator("[data-into=chip]")
    await expect(chip).to_have_text("Waiting for the first page")
    await expect(owner.locator("[data-into=steps]")).to_contain_text("Waiting for the first member")
    key = await owner.locator("#key").inner_text()
    secret = await copied(owner, "fresh")
    snippet = await copied(owner, "snippet")
    assert f'src="{community.service}/embed/{key}.js"' in snippet
    assert "{{ chat_token }}" in snippet

    # The secret is shown this once.
    await owner.reload()
    await expect(owner.locator("#fresh")).to_have_count(0)
    assert secret not in await owner.content()
    assert secret[-4:] in await owner.locator("#secrets").inner_text()

    claims = {"aud": key, "sub": "ann", "name": "Ann", "exp": int(time.time()) + 600}
    token = jwt.encode(claims, secret, algorithm="HS256")
    pasted = snippet.replace("{{ chat_token }}", token)
    text = (
        f"<!doctype html><html lang=en><head><title>Harbour</title></head><body><h1>Harbour</h1>{pasted}</body></html>"
    )
    await expect(owner.locator("#origins")).to_contain_text(pages.origin)

    # On a page that is not listed the chat is refused; that is nobody's first visit.
    community.expects("403|Forbidden|CORS|WebSocket")
    stranger = await community.visit(elsewhere.put("/", text))
    await stranger.opener.click()
    await expect(stranger.panel.get_by_text("You can no longer use chat on this site.")).to_be_visible()
    await owner.reload()
    await expect(chip).to_have_text("Waiting for the first page")

    ann = await community.visit(pages.put("/", text))
    await ann.opener.click()
    await expect(ann.panel.locator("[data-me]")).to_be_visible()
    await expect(chip).to_have_text("Connected")
    await expect(chip.locator("svg")).to_be_visible()
    await expect(owner.locator("[data-into=steps] .done")).to_have_count(2)
    await expect(owner.locator("[data-into=seen]")).to_contain_text("Last seen")


async def test_origins_are_added_removed_and_had_back(community: Community, owner: Page) -> None:
    await add_site(owner, "https://harbour.example")
    origins = owner.locator("#origins")
    await origins.get_by_role("textbox").fill("Forum.Harbour.example/latest")
    await origins.get_by_role("button", name="Add origin").click()
    await expect(origins.locator("li", has_text="https://forum.harbour.example")).to_be_visible()

    await origins.get_by_role("textbox").fill("ftp://harbour.example")
    await origins.get_by_role("button", name="Add origin").click()
    await expect(origins.get_by_role("alert")).to_contain_text("http:// or https://")
    community.expects("422")

    await origins.get_by_role("button", name="Remove https://forum.harbour.example").click()
    await expect(origins.get_by_role("status")).to_contain_text("is removed")
    await expect(origins.locator("li", has_text="https://forum.harbour.example")).to_have_count(0)
    await origins.get_by_role("button", name="Undo").click()
    await expect(origins.locator("li", has_text="https://forum.harbour.example")).to_be_visible()


async def test_the_guests_switch_lets_visitors_in(community: Community, owner: Page) -> None:
    await add_site(owner, community.pages.origin)
    key = await owner.locator("#key").inner_text()
    address = community.pages.put("/open", page(community.service, key))
    context = await community.context()
    async with context.expect_event("console", lambda message: message.type == "info"):
        visitor: Chat = await community.visit(address, context)
    await expect(visitor.opener).to_have_count(0)

    switch = owner.get_by_role("switch", name="Let guests in")
    await expect(switch).to_have_attribute("aria-checked", "false")
    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "true")
    # Browsers keep the loader for a while; another visitor has not seen it yet.
    visitor = await community.visit(address)
    await visitor.opener.click()
    await expect(visitor.panel.get_by_text("What shall we call you?")).to_be_visible()

    await owner.get_by_role("button", name="Undo").click()
    await expect(switch).to_have_attribute("aria-checked", "false")


async def test_a_second_secret_is_shown_once_and_a_retired_one_no_longer_signs_members_in(
    community: Community, owner: Page
) -> None:
    await add_site(owner, community.pages.origin)
    key = await owner.locator("#key").inner_text()
    first = await copied(owner, "fresh")
    await owner.get_by_text("New secret", exact=True).click()
    await owner.get_by_label("Label").fill("2027")
    await owner.get_by_role("button", name="Make a secret").click()
    await expect(owner.locator("#fresh")).to_be_visible()
    second = await copied(owner, "fresh")
    assert first != second

    async def member(secret: str) -> Chat:
        claims = {"aud": key, "sub": "ann", "name": "Ann", "exp": int(time.time()) + 600}
        token = jwt.encode(claims, secret, algorithm="HS256")
        chat = await community.visit(community.pages.put("/", page(community.service, key, token=token)))
        await chat.opener.click()
        return chat

    for secret in (first, second):
        await expect((await member(secret)).panel.locator("[data-me]")).to_be_visible()

    rows = owner.locator("#secrets li").filter(has_not=owner.get_by_text("2027"))
    await rows.get_by_role("link", name="Retire").click()
    await owner.get_by_label("The site's name").fill("Harbour")
    await owner.get_by_role("button", name="Retire").click()
    await expect(owner.locator("#secrets li")).to_have_count(1)
    await expect((await member(second)).panel.locator("[data-me]")).to_be_visible()
    refused = await member(first)
    await expect(refused.panel.get_by_text("You are signed out of Harbour.")).to_be_visible()

"""Members in a browser: a community whose pages carry the chat, and the chat as its members meet it."""

import itertools
import re
from collections.abc import Iterable
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.support.pages import Pages, page
from tests.support.server import Server
from tests.support.site import Site

# What a browser writes when the network is gone, as some tests have it; each test says which of these it expects.
NETWORK = r"net::ERR_|blocked by CORS policy|WebSocket connection to .* failed|status of 50[0-9]"


class Chat:
    """The chat on a page. Windows, tabs and rows are found by the name that they show."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator("avchat-im .root")
        self.menu = self.root.locator(".menu")
        self.polite = self.root.locator("[aria-live=polite]")
        self.assertive = self.root.locator("[aria-live=assertive]")
        self.panel = self.root.locator(".panel")
        self.opener = self.root.locator("[data-opener]")

    def window(self, name: str) -> "Window":
        """The window of a conversation."""
        return Window(self, self.root.get_by_role("dialog", name=name, exact=True))

    @property
    def windows(self) -> Locator:
        """All open windows."""
        return self.root.locator(".win")

    def tab(self, name: str) -> Locator:
        """The minimised tab of a conversation; its accessible name begins with `name`."""
        return self.root.locator("[data-tab]").and_(self.root.get_by_role("button", name=re.compile(f"^{name}")))

    def row(self, name: str) -> Locator:
        """A row of the panel's list."""
        return self.root.locator(".row").filter(has=self.page.locator(".tx bdi").get_by_text(name, exact=True))

    async def open_panel(self, view: str = "People") -> None:
        """Opens the panel, where it is closed, at one of its lists."""
        await expect(self.root.locator(".panel, [data-opener]")).to_be_visible()
        if await self.opener.count():
            await self.opener.click()
        await self.panel.get_by_role("tab", name=re.compile(f"^{view}")).click()

    async def choose(self, item: str) -> None:
        """Chooses from the menu that is open."""
        await self.menu.locator("[role^=menuitem]", has_text=item).click()

    async def ready(self) -> "Chat":
        """Waits until the member is in."""
        await expect(self.root.locator("[data-me], .chat .here, .fab, .win, .chat .badge").first).to_be_visible()
        return self


class Window:
    """A conversation's window."""

    def __init__(self, chat: Chat, box: Locator) -> None:
        self.chat = chat
        self.box = box
        self.log = box.get_by_role("log")
        self.field = box.locator("textarea")
        self.bubbles = self.log.locator(".m")
        self.second_line = box.locator(".who .st")
        self.typing = box.locator(".typ")
        self.notice = box.locator(".note")

    def message(self, text: str) -> Locator:
        """The message that says `text`."""
        return self.bubbles.filter(has_text=text)

    def state(self, text: str) -> Locator:
        """What stands below the message."""
        return self.log.locator(".m-w").filter(has_text=text).locator(".meta")

    async def write(self, *texts: str) -> None:
        """Sends messages as one who types them."""
        for text in texts:
            await self.field.fill(text)
            await self.field.press("Enter")

    async def header(self, button: str) -> None:
        """Presses one of the header's buttons."""
        await self.box.locator("header").get_by_role("button", name=button, exact=True).click()

    async def about(self) -> None:
        """Opens the menu behind the name."""
        await self.box.locator("header .nm").click()

    async def act(self, text: str, action: str) -> None:
        """Uses one of the actions that stand beside a message under the pointer."""
        await self.message(text).hover()
        await self.message(text).get_by_role("button", name=action, exact=True).click()

    async def more(self, text: str, item: str) -> None:
        """Chooses from a message's menu."""
        await self.act(text, "More")
        await self.chat.choose(item)

    async def scroll_back(self) -> None:
        """Scrolls up, as far as messages are loaded, until older ones are there; not if all are."""
        oldest = (await self.seqs())[0]
        if oldest == 1:
            return
        await self.log.hover()
        await self.chat.page.mouse.wheel(0, -100_000)
        await expect(self.log.locator("[data-seq]").first).not_to_have_attribute("data-seq", str(oldest))

    async def texts(self) -> list[str]:
        """What the loaded messages say, in order; those on their way, too."""
        bodies: list[str] = await self.bubbles.evaluate_all(
            "all => all.map((m) => m.querySelector('.b').innerText.trim())"
        )
        return bodies

    async def seqs(self) -> list[int]:
        """The numbers of the loaded messages, in the order in which they stand."""
        found: list[int] = await self.log.locator("[data-seq]").evaluate_all("all => all.map((m) => +m.dataset.seq)")
        return found


class Community:
    """A site of its own for each test, its pages, and its members' browsers.

    What a browser writes into its console as an error fails the test, unless it was expected (`expects`).
    """

    def __init__(self, server: Server, site: Site, pages: Pages, browser: Browser) -> None:
        self.server = server
        self.site = site
        self.pages = pages
        self.browser = browser
        self.service = server.base
        self.complaints: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self._contexts: list[BrowserContext] = []
        self._numbers = itertools.count(1)

    def expects(self, pattern: str) -> None:
        """Lets the browsers complain of what matches."""
        self._expected.append(re.compile(pattern))

    def address(self, sub: str | None, path: str = "", *, claims: dict[str, Any] | None = None, **page_is: str) -> str:
        """The address of a page as a member sees it (None: a visitor)."""
        token = self.site.token(sub, **(claims or {})) if sub is not None else ""
        text = page(self.service, self.site.key, token=token, **page_is)
        return self.pages.put(f"/{sub or 'visitor'}/{path}", text)

    async def context(self, **options: Any) -> BrowserContext:
        """A browser of somebody's own: nothing is shared with the others."""
        context = await self.browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self._contexts.append(context)
        context.on("console", self._told)
        context.on("weberror", lambda failure: self.complaints.append(str(failure.error)))
        return context

    async def visit(self, address: str, context: BrowserContext | None = None, **options: Any) -> Chat:
        """Somebody opens a page, in a browser of their own unless `context` is given."""
        chat = Chat(await (context or await self.context(**options)).new_page())
        await chat.page.goto(address)
        return chat

    async def come(self, sub: str | None, *, options: dict[str, Any] | None = None, **page_is: Any) -> Chat:
        """A member opens a page in a browser of their own, and is in."""
        chat = await self.visit(self.address(sub, **page_is), **(options or {}))
        return await chat.ready()

    async def another_page(self, chat: Chat, path: str = "another") -> Chat:
        """The same member opens a second page in the same browser."""
        sub = chat.page.url.split("/")[3]
        other = await self.visit(self.address(sub, path), chat.page.context)
        return await other.ready()

    async def known(self, *subs: str) -> None:
        """Members who were here before."""
        for sub in subs:
            connection = await self.site.join(sub)
            await connection.close()

    async def conversation(
        self, first: str, *others: str, name: str = "", said: Iterable[str] = (), open: bool = True
    ) -> str:
        """A conversation from before, with what `first` said and all have read; `open`: in a window. Its id."""
        await self.known(*others)
        connection = await self.site.join(first)
        named = {"name": name} if name else {}
        reply = await connection.ok("conversation.create", members=list(others), **named)
        id: str = reply["conversation"]
        said = list(said)
        for number, text in enumerate(said, start=1):
            await connection.say(id, text, f"before-{number}-{id}")
        await connection.close()
        for sub in (first, *others):
            member = await self.site.join(sub)
            if said:
                await member.ok("message.read", conversation=id, seq=len(said))
            if open:
                await member.ok("tabs.set", tabs=[{"conversation": id, "state": "open"}])
            await member.close()
        return id

    async def leave(self) -> None:
        """Closes all browsers; what they complained of unexpectedly is left in `complaints`."""
        for context in self._contexts:
            await context.close()
        self.complaints = [text for text in self.complaints if not any(known.search(text) for known in self._expected)]

    def _told(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

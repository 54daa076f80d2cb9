"""Fixtures for the browser: one Chromium for all tests, and a community of its own for each.

Everything runs on one event loop, that of the session: the browser's, the proxies', the members' plain connections.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.support.browser import NETWORK, Community
from tests.support.pages import Pages
from tests.support.proxy import Proxy
from tests.support.server import Server
from tests.support.site import Site

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Generous: it only delays failures.
PATIENCE_MS = 15_000


async def leave(community: Community) -> None:
    """Everybody goes; neither a browser nor the server has complained."""
    await community.leave()
    await community.site.leave()
    assert community.complaints == []
    assert community.server.complaints() == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def pages() -> AsyncIterator[Pages]:
    """A community site's own web server."""
    pages = await Pages().open()
    yield pages
    await pages.close()


@pytest_asyncio.fixture(loop_scope="session")
async def community(server: Server, pages: Pages, browser: Browser) -> AsyncIterator[Community]:
    """A fresh site and its members; nothing unexpected may stand in a browser's console or the server's log."""
    community = Community(server, Site(server), pages, browser)
    yield community
    await leave(community)


@pytest_asyncio.fixture(loop_scope="session")
async def demo(community: Community) -> Community:
    """The community of a test, on a server that has the demo community, too; its bots are silent."""
    await asyncio.to_thread(community.server.command, "seed_demo")
    return community


@pytest_asyncio.fixture(loop_scope="session")
async def own_server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that a test may kill."""
    server = await asyncio.to_thread(Server, tmp_path)
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.stop)


@pytest_asyncio.fixture(loop_scope="session")
async def fragile(own_server: Server, pages: Pages, browser: Browser) -> AsyncIterator[Community]:
    """A community on a server of its own, which may go away."""
    community = Community(own_server, Site(own_server), pages, browser)
    community.expects(NETWORK)
    yield community
    await leave(community)


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(community: Community) -> AsyncIterator[Proxy]:
    """A proxy through which the community's pages reach the service."""
    proxy = await Proxy(community.server.port).open()
    community.service = proxy.base
    yield proxy
    await proxy.shut()

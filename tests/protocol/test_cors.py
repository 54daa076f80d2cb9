"""Pages of other origins: what a browser needs to be told before it lets them use HTTP sessions."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.http import ACCEPT, http_client
from tests.support.server import Server
from tests.support.site import Site

ORIGIN = "https://good.example"


@pytest.fixture
async def listed(server: Server) -> AsyncIterator[Site]:
    """A site that lists one origin."""
    site = Site(server, "--origin", ORIGIN, transport="poll")
    yield site
    await site.leave()


def allowed(answer: httpx.Response) -> bool:
    """Whether a browser would show the answer to a page of `ORIGIN`."""
    return answer.headers.get("Access-Control-Allow-Origin") in (ORIGIN, "*")


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/im/v1/sessions", "POST", "content-type"),
        ("/im/v1/sessions/some-session/frames", "POST", "content-type"),
        ("/im/v1/sessions/some-session/events", "GET", "last-event-id"),
        ("/im/v1/sessions/some-session", "DELETE", ""),
    ],
)
async def test_preflights_are_answered(listed: Site, path: str, method: str, headers: str) -> None:
    async with http_client(listed.server.base, listed.address, ORIGIN) as client:
        ask = {"Access-Control-Request-Method": method}
        if headers:
            ask["Access-Control-Request-Headers"] = headers
        answer = await client.options(path, headers=ask)
    assert answer.status_code in (200, 204)
    assert allowed(answer)
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert headers in answer.headers.get("Access-Control-Allow-Headers", "").lower()


async def test_every_answer_to_a_listed_origin_may_be_read_by_its_page(listed: Site) -> None:
    async with http_client(listed.server.base, listed.address, ORIGIN) as client:
        hello = {"type": "hello", "id": "1", "site": listed.key, "token": listed.token("ann")}
        made = await client.post("/im/v1/sessions", json=hello)
        assert made.status_code == 200
        path = f"/im/v1/sessions/{made.json()['session']}"
        answers = [made, await client.post(f"{path}/frames", json=[{"type": "ping", "id": "1"}])]
        for accept in ACCEPT.values():
            ask = {"Accept": accept}
            async with client.stream("GET", f"{path}/events", params={"wait": 0}, headers=ask) as events:
                answers.append(events)
        answers.append(await client.post(f"{path}/frames", content=b"nonsense"))
        answers.append(await client.post("/im/v1/sessions", json={**hello, "token": "x"}))
        answers.append(await client.delete(path))
        answers.append(await client.post(f"{path}/frames", json=[]))
    assert [answer.status_code // 100 for answer in answers] == [2, 2, 2, 2, 2, 4, 4, 2, 4]
    assert all(map(allowed, answers))


async def test_an_answer_for_one_origin_is_not_taken_for_anothers(listed: Site) -> None:
    async with http_client(listed.server.base, listed.address, ORIGIN) as client:
        hello = {"type": "hello", "id": "1", "site": listed.key, "token": listed.token("ann")}
        answer = await client.post("/im/v1/sessions", json=hello)
    if answer.headers["Access-Control-Allow-Origin"] != "*":
        assert "Origin" in answer.headers["Vary"]


async def test_cookies_are_neither_set_nor_asked_for(listed: Site) -> None:
    async with http_client(listed.server.base, listed.address, ORIGIN) as client:
        hello = {"type": "hello", "id": "1", "site": listed.key, "token": listed.token("ann")}
        answer = await client.post("/im/v1/sessions", json=hello)
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_page_of_another_origin_cannot_use_a_session(listed: Site) -> None:
    async with http_client(listed.server.base, listed.address) as client:
        hello = {"type": "hello", "id": "1", "site": listed.key, "token": listed.token("ann")}
        made = await client.post("/im/v1/sessions", json=hello, headers={"Origin": ORIGIN})
        path = f"/im/v1/sessions/{made.json()['session']}"
        ping = [{"type": "ping", "id": "1"}]
        answer = await client.post(f"{path}/frames", json=ping, headers={"Origin": "https://bad.example"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")

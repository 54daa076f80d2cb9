"""The demo community: pages with the pasted snippet, and a past that is put in place once."""

import re
from html.parser import HTMLParser
from io import StringIO
from typing import Any
from urllib.parse import urljoin

import pytest
from django.core.management import call_command
from django.test import Client

from avchat.demo import history
from avchat.demo import site as demo
from avchat.demo.content import PAGES
from avchat.demo.people import BY_ID, PEOPLE
from avchat.tenants import tokens
from im.models import Conversation, Member, Message, Participant, Reaction

pytestmark = pytest.mark.django_db
EVERY_PAGE = ["", "topic/first-light/", "log/", "gallery/", "meet-ups/", "members/", "hostile/"]


@pytest.fixture(autouse=True)
def community() -> None:
    demo.set_up()


@pytest.fixture
def past() -> None:
    call_command("seed_demo", stdout=StringIO())


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def page(client: Client, address: str) -> Tags:
    response = client.get(f"/demo/{address}")
    assert response.status_code == 200
    return Tags(response.content.decode())


@pytest.mark.parametrize("address", EVERY_PAGE)
def test_every_page_carries_the_snippet_with_a_token_of_who_one_is(client: Client, address: str) -> None:
    (script,) = page(client, f"as/tomas/{address}").all("script")
    assert script["src"] == f"http://testserver/embed/{demo.KEY}.js"
    assert "async" in script
    claims = tokens.verify(demo.KEY, str(script["data-token"]))
    assert (claims.sub, claims.name, claims.avatar) == ("tomas", "Tomás Herrera", "/demo/avatars/tomas.svg")
    fresh = client.get(str(script["data-token-url"]))
    assert tokens.verify(demo.KEY, fresh.content.decode()).sub == "tomas"
    assert "no-store" in fresh["Cache-Control"]


def test_who_one_is_stands_in_the_address_alone(client: Client) -> None:
    client.get("/demo/as/tomas/")
    (script,) = page(client, "as/aiko/").all("script")
    assert tokens.verify(demo.KEY, str(script["data-token"])).sub == "aiko"
    assert not client.cookies


def test_a_second_window_as_somebody_else_is_one_click(client: Client) -> None:
    for me, other in (("maren", "tomas"), ("tomas", "maren"), ("guest", "tomas")):
        links = [link for link in page(client, f"as/{me}/").all("a") if link.get("target") == "_blank"]
        assert [link["href"] for link in links] == [f"/demo/as/{other}/"]


def test_everybody_can_be_chosen(client: Client) -> None:
    links = {link.get("href") for link in page(client, "as/maren/").all("a")}
    assert {f"/demo/as/{person.id}/" for person in PEOPLE} <= links
    assert len(PEOPLE) >= 12


def test_a_guest_has_no_token(client: Client) -> None:
    (script,) = page(client, "as/guest/").all("script")
    assert "data-token" not in script
    assert "data-token-url" not in script
    assert client.get("/demo/as/guest/chat-token").status_code == 404


@pytest.mark.parametrize(
    "address", ["as/nobody/", "as/maren/topic/nothing/", "avatars/farah.svg", "avatars/..%2fsite.py"]
)
def test_what_is_not_there_is_not_found(client: Client, address: str) -> None:
    assert client.get(f"/demo/{address}").status_code == 404


def test_names_open_a_conversation_but_ones_own_does_not(client: Client) -> None:
    opened = {tag["data-avchat-member"] for tag in page(client, "as/maren/members/").all("button")}
    assert opened == {person.id for person in PEOPLE} - {"maren"}


def test_every_link_and_picture_of_every_page_is_there(client: Client) -> None:
    addresses = {f"as/maren/{address}" for address in EVERY_PAGE} | {f"as/maren/topic/{t.slug}/" for t in PAGES.topics}
    found: set[str] = set()
    for address in addresses:
        for name, attributes in page(client, address).found:
            targets = [str(attributes[key]) for key in ("href", "src") if key in attributes and name != "script"]
            found |= {urljoin(f"/demo/{address}", target) for target in targets}
    for address in found:
        assert client.get(address, follow=True).status_code == 200, address
    assert len(found) > 30


def test_the_arabic_page_reads_from_right_to_left(client: Client) -> None:
    (html,) = page(client, "as/maren/?lang=ar").all("html")
    assert (html["lang"], html["dir"]) == ("ar", "rtl")
    (html,) = page(client, "as/maren/").all("html")
    assert (html["lang"], html["dir"]) == ("en", "ltr")


def test_every_page_has_a_strict_policy_that_names_the_services_origin_only(client: Client) -> None:
    for address in EVERY_PAGE:
        policy = client.get(f"/demo/as/maren/{address}")["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src http://testserver;")
        assert "connect-src http://testserver ws://testserver;" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        tags = page(client, f"as/maren/{address}")
        assert not tags.all("style")
        assert not [attributes for _, attributes in tags.found if "style" in attributes]


def test_the_hostile_page_has_a_hostile_stylesheet(client: Client) -> None:
    sheets = [
        str(link["href"]) for link in page(client, "as/maren/hostile/").all("link") if link["rel"] == "stylesheet"
    ]
    css = b"".join(client.get(sheet).content for sheet in sheets).decode()
    assert re.search(r"\* \{[^}]*margin: 0 !important[^}]*color: red !important", css)


def test_where_the_demo_is_not_set_up_there_is_none(client: Client) -> None:
    demo.Site.objects.all().delete()
    assert client.get("/demo/as/maren/").status_code == 404


# the past


def counts() -> list[int]:
    return [model.objects.count() for model in (Member, Conversation, Message, Participant, Reaction)]


def test_seeding_twice_changes_nothing(past: None) -> None:
    before = counts()
    call_command("seed_demo", stdout=StringIO())
    assert counts() == before


def test_everybody_is_a_member_with_a_presence_of_their_own(past: None) -> None:
    members = {member.sub: member for member in Member.objects.all()}
    assert members.keys() == BY_ID.keys()
    assert (members["priya"].show, members["priya"].status) == ("dnd", "Imaging run, back at 1")
    assert members["farah"].seen > 0


def test_a_conversation_has_more_than_two_hundred_messages_in_order_and_of_the_past(past: None) -> None:
    lobby = Conversation.objects.get(name="Forum lobby")
    rows = list(Message.objects.filter(conversation=lobby).order_by("seq").values_list("seq", "time"))
    assert len(rows) > 200
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
    times = [time for _, time in rows]
    assert times == sorted(times)
    assert times[-1] < Member.objects.get(sub="maren").created


def test_the_past_has_of_everything_some(past: None) -> None:
    names = set(Conversation.objects.values_list("name", flat=True))
    assert {"Leonids night", "Forum lobby"} <= names
    assert Conversation.objects.exclude(pair=None).count() >= 3
    for kind in ({"edited__isnull": False}, {"deleted": True}, {"reply_to__isnull": False}):
        assert Message.objects.filter(**kind).exists()
    assert Reaction.objects.exists()
    maren = Participant.objects.filter(member__sub="maren").select_related("conversation")
    unread = [part for part in maren if part.read_seq < part.conversation.seq]
    assert unread
    assert Member.objects.get(sub="maren").tabs


def test_a_past_that_cannot_be_written_whole_is_not_written_at_all(monkeypatch: Any) -> None:
    monkeypatch.setattr(history.tabs, "set_tabs", _fail)
    with pytest.raises(RuntimeError, match="half-way"):
        call_command("seed_demo", stdout=StringIO())
    assert counts() == [0] * 5


def _fail(*_: Any) -> None:
    raise RuntimeError("half-way")

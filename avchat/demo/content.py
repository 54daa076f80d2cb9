"""What stands on the pages of Porchlight Astronomy. `by` and its like are members' ids."""

from msgspec import Struct, json

from avchat.demo.people import DATA


class Post(Struct, frozen=True, forbid_unknown_fields=True):
    """A post below a topic: its paragraphs."""

    by: str
    ago: str
    text: list[str]


class Topic(Struct, frozen=True, forbid_unknown_fields=True):
    """A topic of the forum."""

    slug: str
    title: str
    arabic: str
    by: str
    room: str
    room_arabic: str
    ago: str
    ago_arabic: str
    replies: int
    last: str
    posts: list[Post]


class Picture(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture of the gallery."""

    file: str
    title: str
    by: str
    with_what: str
    alt: str


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the observing log."""

    when: str
    by: str
    place: str
    seen: str
    text: str


class MeetUp(Struct, frozen=True, forbid_unknown_fields=True):
    """An evening outside, together."""

    day: str
    month: str
    title: str
    place: str
    when: str
    text: str
    by: str
    coming: list[str]


class Pages(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    topics: list[Topic]
    pictures: list[Picture]
    entries: list[Entry]
    meet_ups: list[MeetUp]


PAGES = json.decode((DATA / "pages.json").read_bytes(), type=Pages)
TOPICS = {topic.slug: topic for topic in PAGES.topics}

"""The presence board: what others see of a member, from its choice and all of its pages together."""

from typing import Any

import pytest

from im.events import Choice
from presence.board import Board, Entry

MINUTE = 60_000
AWAY, XA = 5 * MINUTE, 30 * MINUTE


class Page:
    """As much of a handler as the board looks at."""

    id, site_id, sub = 1, 7, "m1"

    def __init__(self, idle: bool = False) -> None:
        self.caller = self.present = self
        self.handlers = (self,)
        self.idle = idle


def page(idle: bool = False) -> Any:
    return Page(idle)


def here(show: str, *pages: Any) -> tuple[Board, Entry]:
    board = Board(AWAY, XA)
    for each in pages:
        entry = board.enter(each, Choice(show=show, status="hm"))  # type: ignore[arg-type]
    return board, entry


@pytest.mark.parametrize(
    ("show", "at_once", "after_5_min", "after_30_min"),
    [
        ("online", "online", "away", "xa"),
        ("chat", "chat", "away", "xa"),
        ("away", "away", "away", "xa"),
        ("xa", "xa", "xa", "xa"),
        ("dnd", "dnd", "dnd", "dnd"),
        ("invisible", "offline", "offline", "offline"),
    ],
)
def test_a_member_all_of_whose_pages_idle_goes_away_by_steps(
    show: str, at_once: str, after_5_min: str, after_30_min: str
) -> None:
    board, entry = here(show, page(idle=True), page(idle=True))
    seen = []
    for now in (MINUTE, MINUTE + AWAY, MINUTE + XA):
        board.settle(entry, now)
        seen.append(entry.public().show)
    assert seen == [at_once, after_5_min, after_30_min]


def test_one_page_with_input_keeps_the_member_here() -> None:
    busy = page()
    board, entry = here("online", page(idle=True), busy)
    board.settle(entry, MINUTE)
    board.settle(entry, MINUTE + XA)
    assert entry.public().show == "online"
    busy.idle = True
    board.settle(entry, 2 * XA)
    board.settle(entry, 2 * XA + AWAY)
    assert entry.public().show == "away"


def test_since_is_when_what_others_see_last_changed() -> None:
    board, entry = here("online", page())
    assert board.settle(entry, 1000)
    assert not board.settle(entry, 2000)
    assert entry.public().since == 1000


def test_an_invisible_member_looks_gone_keeps_its_status_to_itself_and_is_not_counted() -> None:
    board, entry = here("invisible", page())
    board.settle(entry, 1000)
    assert (entry.public().show, entry.public().status) == ("offline", "")
    assert (entry.own().show, entry.own().status) == ("invisible", "hm")
    assert list(board.visible(7)) == []


def test_a_site_without_members_leaves_nothing_behind() -> None:
    board, entry = here("online", page())
    board.settle(entry, 1000)
    assert list(board.visible(7)) == [entry]
    assert list(board.visible(8)) == []
    board.remove(entry)
    assert board.find(7, "m1") is None
    assert not board._sites

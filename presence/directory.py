"""The site's directory: its members by name, and who of them is here."""

import base64
from typing import TYPE_CHECKING

import msgspec
from django.db.models import Q, QuerySet
from msgspec import UNSET

from im import database, events, members
from im.caller import Caller
from im.dispatch import at_once
from im.errors import Refusal
from im.models import Member, MemberWord
from im.protocol import Members
from presence import monitor

if TYPE_CHECKING:
    from im.handler import Handler

MAX_ONLINE = 5_000
"""Members here that one look-up pages through; who is beyond is found by name."""
MAX_WORDS = 5


@at_once(Members)
async def directory(handler: "Handler", frame: Members) -> events.MembersOk:
    """A page of the directory, in the order of names."""
    me = handler.caller.id
    here_too = monitor.of(handler.node)
    seen = {entry.caller.id for entry in here_too.board.visible(handler.caller.site_id)}
    count, elsewhere = await here_too.elsewhere.visible(handler.caller.site_id, MAX_ONLINE)
    beyond = max(0, count - len(elsewhere))
    here = [member for member in seen | elsewhere if not handler.apart(member)]
    rows, more = await database.read(_page, handler.caller, frame, here if frame.online else None)
    return events.MembersOk(
        members=[row.entry for row in rows],
        more=more,
        online=len(here) + beyond - (me in here),
        cursor=_cursor(rows[-1]) if more else UNSET,
    )


def _page(caller: Caller, frame: Members, here: list[int] | None) -> tuple[list[members.Profile], bool]:
    if frame.ids is not None:
        return sorted(members.profiles(caller.site_id, frame.ids).values(), key=_place), False
    rows = _matching(Member.objects.filter(site=caller.site_id).order_by("sort", "id"), caller.site_id, frame.query)
    if here is not None:
        rows = rows.filter(id__in=here[:MAX_ONLINE])
    if frame.cursor:
        sort, id = _parse(frame.cursor)
        rows = rows.filter(sort__gte=sort).filter(Q(sort__gt=sort) | Q(id__gt=id))
    page = [members.profile(row) for row in rows[: frame.limit + 1]]
    return page[: frame.limit], len(page) > frame.limit


def _matching(rows: QuerySet[Member], site_id: int, query: str) -> QuerySet[Member]:
    """Those whose names have, for each word of the query, a word that begins with it."""
    for word in members.words(query)[:MAX_WORDS]:
        begun = MemberWord.objects.filter(site=site_id, word__gte=word, word__lt=word + "\U0010ffff")
        rows = rows.filter(id__in=begun.values("member"))
    if query.strip() and not members.words(query):
        return rows.none()
    return rows


def _place(row: members.Profile) -> tuple[str, int]:
    """Where a member stands in the order of names."""
    return members.folded(row.name), row.id


def _cursor(row: members.Profile) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_place(row))).decode()


def _parse(cursor: str) -> tuple[str, int]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[str, int])
    except (ValueError, msgspec.MsgspecError):
        raise Refusal("bad-frame", "This cursor is not one of a page of members.") from None

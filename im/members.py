"""Members: made and kept up to date by their tokens, and shown to one another.

Profiles are kept in memcached. Whoever changes one otherwise than by `enroll` has to call `forget`.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import UNSET, Struct

from avchat.cache import Shelf, digest
from avchat.tenants.tokens import Claims
from im import events
from im.errors import Refusal
from im.models import Member, MemberWord
from im.transaction import Transaction

WEB_ORIGIN = re.compile(r"https?://[^\s/?#]{1,280}", re.IGNORECASE)
ENTRY = ("sub", "name", "avatar", "role", "url")


class Profile(Struct, frozen=True):
    """A member as its token describes it; `id` is the database's."""

    id: int
    sub: str
    name: str
    avatar: str
    role: str
    url: str
    groups: list[str]
    email: str
    origin: str

    @property
    def entry(self) -> events.Member:
        """The member as others see it."""
        return entry(self.sub, self.name, self.avatar, self.role, self.url)


_shelf = Shelf("profile", Profile, seconds=120)


def folded(text: str) -> str:
    """Text as people compare names: no case, no marks on letters. At most 80 characters."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c)).strip()[:80]


def words(text: str) -> list[str]:
    """The folded words of a name."""
    return re.findall(r"\w+", folded(text))


def entry(sub: str, name: str, avatar: str, role: str, url: str = "") -> events.Member:
    """A member as others see it."""
    return events.Member(id=sub, name=name, avatar=avatar or None, role=role, url=url or UNSET)


class Chosen(NamedTuple):
    """A member's stored choice of presence, and the version of the change that made it; 0 for that of a new member."""

    choice: events.Choice
    version: int


def chosen(member: Member) -> Chosen:
    """The choice of a member as stored."""
    return Chosen(events.choice(member.show, member.status), member.choice_version)


def agrees(member: Member | Profile, claims: Claims) -> bool:
    """Whether a member is the one that a token names, and is as the token says."""
    return member.sub == claims.sub and all(getattr(member, name) == value for name, value in _profile(claims).items())


def profile(member: Member) -> Profile:
    """The profile of a member as stored."""
    return Profile(**{name: getattr(member, name) for name in Profile.__struct_fields__})


def profiles(site_id: int, subs: Iterable[str]) -> dict[str, Profile]:
    """The profiles of these subs, as far as the site knows them."""

    def load(missing: list[str]) -> dict[str, Profile]:
        rows = Member.objects.filter(site=site_id, sub__in=missing).values_list(*Profile.__struct_fields__)
        return {row[1]: Profile(*row) for row in rows}

    return _shelf.fetch({_name(site_id, sub): sub for sub in subs}, load)


def forget(site_id: int, subs: Iterable[str]) -> None:
    """The profiles of these members are changed by the transaction that is under way."""
    _shelf.forget([_name(site_id, sub) for sub in subs])


def enroll(tx: Transaction, site_id: int, described: Iterable[Claims]) -> dict[str, Member]:
    """Makes or updates the members that tokens describe; of two about the same member, the last counts.

    The site is locked, so that nobody else makes them meanwhile. Answers them by sub.
    """
    wanted = {claims.sub: claims for claims in described}
    known = {member.sub: member for member in Member.objects.filter(site=site_id, sub__in=wanted)}
    new = (
        Member(site_id=site_id, sub=sub, sort=folded(claims.name), created=tx.now, **_profile(claims))
        for sub, claims in wanted.items()
        if sub not in known
    )
    made = Member.objects.bulk_create(new)
    renamed = [member for sub, member in known.items() if member.name != wanted[sub].name]
    for sub, member in known.items():
        profile = _profile(wanted[sub]) | {"sort": folded(wanted[sub].name)}
        for name, value in profile.items():
            setattr(member, name, value)
        member.save(update_fields=profile)
    if renamed:
        MemberWord.objects.filter(site=site_id, member__in=renamed).delete()
    MemberWord.objects.bulk_create(
        MemberWord(site_id=site_id, word=word, member=member)
        for member in (*made, *renamed)
        for word in dict.fromkeys(words(member.name))
    )
    forget(site_id, known)
    return known | {member.sub: member for member in made}


def resolve(site_id: int, subs: Iterable[str]) -> dict[int, str]:
    """The members of these subs: ids to subs.

    Raises:
        Refusal: `not-found` where the site does not know one.
    """
    wanted = dict.fromkeys(subs)
    rows = dict(Member.objects.filter(site=site_id, sub__in=wanted).values_list("sub", "id"))
    if len(rows) != len(wanted):
        raise Refusal("not-found", "The site does not know this member.")
    return {rows[sub]: sub for sub in wanted}


def entries(site_id: int, ids: Iterable[int]) -> dict[int, events.Member]:
    """The members of these database ids, as others see them."""
    rows = Member.objects.filter(site=site_id, id__in=set(ids)).values_list("id", *ENTRY)
    return {row[0]: entry(*row[1:]) for row in rows}


def _name(site_id: int, sub: str) -> str:
    return f"{site_id}.{digest(sub)}"


def _profile(claims: Claims) -> dict[str, object]:
    # The origin is only for the link in a member's mails; a page without one says nothing about it.
    from_where = {"origin": claims.origin} if claims.email and WEB_ORIGIN.fullmatch(claims.origin) else {}
    return from_where | {
        "name": claims.name,
        "avatar": claims.avatar,
        "url": claims.url,
        "role": claims.role,
        "groups": list(claims.groups),
        "email": claims.email,
    }

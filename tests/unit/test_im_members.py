"""Members, as their tokens describe them."""

import pytest
from django.db import transaction

from avchat.tenants.models import Site
from avchat.tenants.tokens import Claims
from im import members
from im.models import Member, MemberWord
from im.transaction import Transaction

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def claims(sub: str, name: str) -> Claims:
    return Claims(sub=sub, name=name, avatar="", url="", role="member", groups=(), guest=False, kid="")


def enroll(site: Site, *described: Claims) -> dict[str, Member]:
    with transaction.atomic():
        tx = Transaction()
        tx.lock_sites([site.pk])
        return members.enroll(tx, site.pk, described)


def words(site: Site) -> set[tuple[str, str]]:
    return set(MemberWord.objects.filter(site=site).values_list("member__sub", "word"))


def test_many_are_enrolled_at_once_the_new_and_the_known_and_those_with_another_name(site: Site) -> None:
    before = enroll(site, claims("ann", "Ann Harbour"), claims("bob", "Bob"))
    after = enroll(site, claims("ann", "Ann Hill"), claims("bob", "Bob"), claims("cid", "Cid"), claims("dee", "Dee"))
    assert {sub: member.name for sub, member in after.items()} == {
        "ann": "Ann Hill", "bob": "Bob", "cid": "Cid", "dee": "Dee",
    }  # fmt: skip
    assert [after[sub].pk for sub in before] == [member.pk for member in before.values()]
    stored = {member.sub: (member.pk, member.sort) for member in Member.objects.filter(site=site)}
    assert stored == {sub: (member.pk, member.name.lower()) for sub, member in after.items()}
    assert words(site) == {("ann", "ann"), ("ann", "hill"), ("bob", "bob"), ("cid", "cid"), ("dee", "dee")}


def test_two_tokens_of_one_new_member_make_one_member_as_the_last_says(site: Site) -> None:
    made = enroll(site, claims("ann", "Ann Harbour"), claims("ann", "Ann Hill"))
    assert [(member.pk, member.name) for member in Member.objects.filter(site=site)] == [(made["ann"].pk, "Ann Hill")]
    assert words(site) == {("ann", "ann"), ("ann", "hill")}


def test_members_of_another_site_by_the_same_id_are_others(site: Site) -> None:
    other = Site.objects.create(name="Elsewhere")
    here, there = enroll(site, claims("ann", "Ann")), enroll(other, claims("ann", "Anna"))
    assert here["ann"].pk != there["ann"].pk
    assert Member.objects.get(pk=here["ann"].pk).name == "Ann"

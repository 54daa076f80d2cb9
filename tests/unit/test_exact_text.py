"""Ids, keys and emoji are equal only to themselves, on every database."""

import pytest
from django.db import connection

from avchat.tenants.models import Account
from avchat.tenants.models import Site as SiteRow
from im.models import Conversation, Member, MemberWord, Message, Reaction, SiteVersion
from im.node import Node
from im.transaction import Transaction
from tests.support.desk import Desk

pytestmark = pytest.mark.database

ALIKE = ("ann", "Ann", "ann ", "ánn", "ANN")


@pytest.fixture
def row(db: None) -> SiteRow:
    return SiteRow.objects.create(name="Harbour")


def member(site: SiteRow, sub: str) -> Member:
    return Member.objects.create(site=site, sub=sub, name=sub, sort=sub, created=0)


def test_subs_that_look_alike_are_different_members(row: SiteRow) -> None:
    for sub in ALIKE:
        member(row, sub)
    for sub in ALIKE:
        assert Member.objects.get(site=row, sub=sub).sub == sub


def test_one_emoji_is_not_taken_for_another(row: SiteRow) -> None:
    room = Conversation.objects.create(site=row, created=0)
    ann = member(row, "ann")
    for emoji in ("👍", "😀", "👍🏽", "é", "e"):
        Reaction.objects.create(site=row, conversation=room, seq=1, member=ann, emoji=emoji, version=1)
    assert Reaction.objects.filter(emoji="😀").count() == 1


def test_words_are_in_the_order_of_code_points(row: SiteRow) -> None:
    ann = member(row, "ann")
    words = ["zebra", "a", "ß", "Ω", "ab", "👍", "a b"]
    for word in words:
        MemberWord.objects.create(site=row, word=word, member=ann)
    assert list(MemberWord.objects.order_by("word").values_list("word", flat=True)) == sorted(words)
    begun = MemberWord.objects.filter(word__gte="a", word__lt="a\U0010ffff").order_by("word")
    assert list(begun.values_list("word", flat=True)) == ["a", "a b", "ab"]


def test_a_key_finds_the_message_that_was_sent_with_it_and_no_other(row: SiteRow) -> None:
    room = Conversation.objects.create(site=row, created=0)
    SiteVersion.objects.create(site=row)
    ann, bob = member(row, "ann"), member(row, "bob")
    for seq, key in enumerate(ALIKE, 1):
        for sender, at in ((ann, seq), (bob, seq + 10)):
            Message.objects.create(
                conversation=room, seq=at, site=row, sender=sender, key=key, time=at, born=1, version=1
            )
    tx = Transaction()
    tx.prefetch([], [(ann.pk, key) for key in (*ALIKE, "aNN", str(ann.pk))] + [(bob.pk, "Ann"), (ann.pk, str(ann.pk))])
    assert [tx.sent(ann.pk, key) for key in ALIKE] == [(room.key, seq, seq) for seq in range(1, 6)]
    assert tx.sent(bob.pk, "Ann") == (room.key, 12, 12)
    assert tx.sent(ann.pk, "aNN") is None
    assert tx.sent(ann.pk, str(ann.pk)) is None


def test_an_address_of_an_account_is_found_whatever_its_case(db: None) -> None:
    account = Account.objects.create_user("Ann@Harbour.example", "correct horse", name="Ann")
    assert Account.objects.get_by_natural_key("ANN@harbour.example") == account


async def test_a_batch_of_messages_is_one_statement(node: Node, site: SiteRow) -> None:
    ann, bob = Desk(node, site, "ann"), Desk(node, site, "bob")
    await bob.sit()
    await ann.sit()
    asked: list[str] = []

    def watch(tx: Transaction) -> None:
        ids = dict(Member.objects.values_list("sub", "id"))
        room = tx.open_room(site.pk, {ids["ann"]: "ann", ids["bob"]: "bob"}, name="Café 👍")
        for n in range(200):
            tx.add_message(room, sender=ids["ann"], body=f"{n} 'quoted' %s \\ 👍", key=f"n{n}")
        before = inserted()
        tx.flush()
        asked.append(str(inserted() - before))

    await node.journal.write(site.pk, watch)
    if connection.vendor == "mysql":
        assert asked == ["1"]


def inserted() -> int:
    """INSERT statements of this connection so far, where the database counts them."""
    if connection.vendor != "mysql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Com_insert'")
        return int(cursor.fetchone()[1])

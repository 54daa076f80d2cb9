"""What an export holds: a ZIP with `site.json`, and one JSON object a line for each member, conversation,
participant and message, named by the ids that the site's own server and the protocol use.

All that is stored is in it, also what is hidden from some members (`hidden_from` says from whom), but nothing that
lets anybody in: no secrets, no keys of sends, no cursors. Times are milliseconds since 1970 UTC.
"""

import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import msgspec
from django.db.models import Model

from avchat.tenants.models import Site
from im import database
from im.models import Conversation, Hidden, Member, Message, Participant, Reaction

BATCH = 1_000
"""Rows that are read at once."""

Rows = list[dict[str, Any]]


def write(site: Site, file: IO[bytes], written: Callable[[str, int], None]) -> None:
    """Writes a site's archive. `written` is told after each batch: which part, and how many rows of it there are."""
    parts: dict[str, Iterable[Rows]] = {
        "site.json": [[_site(site)]],
        "members.jsonl": _members(site.pk),
        "conversations.jsonl": _conversations(site.pk),
        "participants.jsonl": _participants(site.pk),
        "messages.jsonl": _messages(site.pk),
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, batches in parts.items():
            count = 0
            with archive.open(name, "w", force_zip64=True) as part:
                for batch in batches:
                    part.write(b"".join(msgspec.json.encode(row) + b"\n" for row in batch))
                    count += len(batch)
                    written(name, count)


def _site(site: Site) -> dict[str, Any]:
    names = ("key", "name", "url", "guests", "grace", "options", "retention_days")
    return {
        "format": "avchat-export",
        "version": 1,
        "time": database.now_ms(),
        **{name: getattr(site, name) for name in names},
        "created": int(site.created.timestamp() * 1000),
        "origins": list(site.origins.order_by("pk").values_list("origin", flat=True)),
    }


def _pages(model: type[Model], site_id: int, *names: str) -> Iterator[Rows]:
    """A site's rows of a table in the order of their ids, a batch at a time."""
    at = 0
    rows = model._default_manager.order_by("pk").values("pk", *names)
    while page := list(rows.filter(site=site_id, pk__gt=at)[:BATCH]):
        at = page[-1]["pk"]
        yield page


def _members(site_id: int) -> Iterator[Rows]:
    names = ("sub", "name", "email", "avatar", "url", "role", "groups", "show", "status", "created", "seen")
    for page in _pages(Member, site_id, *names):
        yield [{"id": row.pop("sub")} | _without(row, "pk") for row in page]


def _conversations(site_id: int) -> Iterator[Rows]:
    for page in _pages(Conversation, site_id, "key", "pair", "name", "created", "seq"):
        yield [
            {
                "id": row["key"],
                "kind": "pair" if row["pair"] else "group",
                **{name: row[name] for name in ("name", "created", "seq")},
            }
            for row in page
        ]


def _participants(site_id: int) -> Iterator[Rows]:
    for page in _pages(Participant, site_id, "conversation__key", "member__sub", "left", "read_seq", "read_time"):
        yield [
            {
                "conversation": row["conversation__key"],
                "member": row["member__sub"],
                "left": row["left"] > 0,
                "read": {"seq": row["read_seq"], "time": row["read_time"]},
            }
            for row in page
        ]


def _messages(site_id: int) -> Iterator[Rows]:
    names = ("conversation_id", "conversation__key", "seq", "sender__sub", "body", "time")
    for ids, after, upto in _spans(site_id):
        where = {"conversation__in": ids, "seq__gt": after, "seq__lte": upto}
        rows = Message.objects.filter(**where).order_by("conversation", "seq")
        found = list(rows.values(*names, "reply_to", "edited", "deleted", "system"))
        reactions: dict[tuple[int, int], dict[str, list[str]]] = defaultdict(dict)
        marks = Reaction.objects.filter(**where, on=True).order_by("id")
        for conversation, seq, emoji, sub in marks.values_list("conversation", "seq", "emoji", "member__sub"):
            reactions[conversation, seq].setdefault(emoji, []).append(sub)
        hidden: dict[tuple[int, int], list[str]] = defaultdict(list)
        for conversation, seq, sub in Hidden.objects.filter(**where).values_list("conversation", "seq", "member__sub"):
            hidden[conversation, seq].append(sub)
        yield [
            {"conversation": row["conversation__key"], "seq": row["seq"], "from": row["sender__sub"]}
            | {name: row[name] for name in ("time", "body")}
            | {name: row[name] for name in ("reply_to", "edited", "deleted", "system") if row[name]}
            | ({"reactions": reactions[at]} if at in reactions else {})
            | ({"hidden_from": hidden[at]} if at in hidden else {})
            for row in found
            for at in [(row["conversation_id"], row["seq"])]
        ]


def _spans(site_id: int) -> Iterator[tuple[list[int], int, int]]:
    """The messages of a site as (conversations, after this seq, up to that one), in pieces of at most `BATCH`."""
    together: list[int] = []
    count = 0
    for page in _pages(Conversation, site_id, "seq"):
        for row in page:
            if count + row["seq"] > BATCH:
                yield together, 0, BATCH
                together, count = [], 0
            if row["seq"] > BATCH:
                for after in range(0, row["seq"], BATCH):
                    yield [row["pk"]], after, after + BATCH
                continue
            together.append(row["pk"])
            count += row["seq"]
    yield together, 0, BATCH


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}

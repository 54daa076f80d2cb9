"""Retention: a site's messages are deleted once they are older than it wants to keep them.

A conversation loses its messages from the first one on, and numbers are not given out again: `seq` stays gapless
for who reads it, and the history just begins later. With a message go its reactions and the marks of those from
whom it was hidden. A report keeps the words that it is about, for the moderators, until the report itself is that
old. Counts of days stay.

Nothing younger than `KEPT_MS` is deleted, whatever a site asks for: a sender's keys are remembered for 24 hours, and
a client resumes from a cursor of up to 25 hours ago without finding a gap.

Each batch is one transaction of the messenger's, with its locks, so that nobody reacts to a message while it goes,
and with a version of the conversation, of which there is nothing to tell. Cut off between two batches, it goes on
where it was.
"""

import time
from collections.abc import Iterator

from django.db import transaction
from django.db.models import QuerySet

from avchat.tenants.models import Site
from avchat.work.clock import breathe
from im import database
from im.models import Hidden, Message, Reaction, Report
from im.transaction import Transaction

DAY_MS = 24 * 3600 * 1000
KEPT_MS = 26 * 3600 * 1000
BATCH = 500
"""Messages in one transaction at the most."""
TURN_S = 60.0
"""How long a site's turn is, in seconds, before others get theirs."""
MANY = 1_000_000
"""As far as a preview counts."""


def cutoff(days: int) -> int:
    """Messages that are kept for this many days are deleted where they are older than this (ms since 1970)."""
    return database.now_ms() - max(days * DAY_MS, KEPT_MS)


def preview(site_id: int, days: int) -> int:
    """How many messages would be deleted now; counted up to `MANY`."""
    return _old(site_id, cutoff(days))[:MANY].count()


def sites() -> Iterator[int]:
    """The sites that have messages beyond their time."""
    for site_id, days in Site.objects.exclude(retention_days=None).values_list("pk", "retention_days"):
        if days and _old(site_id, cutoff(days)).exists():
            yield site_id


def trim(site_id: int) -> bool:
    """Deletes what is beyond its time. False where the turn was over before all of it was done."""
    days = Site.objects.filter(pk=site_id).values_list("retention_days", flat=True).first()
    if not days:
        return True
    until = time.monotonic() + TURN_S
    before = cutoff(days)
    Report.objects.filter(site=site_id, created__lt=before).delete()
    at = 0
    while page := list(
        _old(site_id, before).filter(time__gte=at).order_by("time").values_list("conversation__key", "time")[:BATCH]
    ):
        for key in dict.fromkeys(key for key, _ in page):
            while _trim(site_id, key, before):
                if time.monotonic() > until:
                    return False
        # Past what is still there behind a younger message: it waits until that one is old as well.
        at = page[-1][1] + 1
    return True


def _old(site_id: int, before: int) -> QuerySet[Message]:
    return Message.objects.filter(site=site_id, time__lt=before)


def _trim(site_id: int, key: str, before: int) -> bool:
    """Deletes the first messages of a conversation, up to `BATCH`, as far as they are old. False: no more of them."""
    began = time.monotonic()
    with transaction.atomic():
        tx = Transaction()
        tx.lock_sites([site_id])
        room = tx.room(site_id, key)
        if room is None:
            return False
        first = Message.objects.filter(conversation=room.id).order_by("seq").values_list("seq", "time")[:BATCH]
        last, count = 0, 0
        for seq, sent in first:
            # Nodes' clocks differ a little: one that looks younger keeps those behind it, so that no hole comes to be.
            if sent >= before:
                break
            last, count = seq, count + 1
        if count:
            for model in (Message, Reaction, Hidden):
                model.objects.filter(conversation=room.id, seq__lte=last).delete()
            # Whoever keeps a view of it by its version has to read it anew.
            tx.touch(room)
        tx.finish()
    breathe(time.monotonic() - began)
    return count == BATCH

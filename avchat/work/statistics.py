"""Statistics: a site's figures of each day (UTC), counted from what is stored.

A day's row is counted anew, and replaced, until the day is over; then it stays, also when messages are deleted.
Counting twice, or at once in two places, gives the same row.
"""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from avchat.tenants.models import Site
from avchat.work.clock import breathe
from avchat.work.models import Day
from im.models import Member, Message, SiteVersion

DAYS = 30
"""Days that are shown, and counted after the fact where they were not in time."""
LATE = timedelta(minutes=5)
"""After how long all that was said on a day is stored."""


def sites() -> Iterator[int]:
    """The sites that have figures: those that have ever had a member."""
    return SiteVersion.objects.order_by("pk").values_list("pk", flat=True).iterator()


def count(site_id: int) -> None:
    """Counts the site's days that are not counted for good."""
    now = timezone.now()
    site = Site.objects.filter(pk=site_id).first()
    if site is None:
        return
    today = now.date()
    final = set(
        Day.objects.filter(site=site_id, day__gt=today - timedelta(DAYS), final=True).values_list("day", flat=True)
    )
    for back in range(DAYS - 1, -1, -1):
        day = today - timedelta(back)
        if day not in final:
            began = time.monotonic()
            _count(site_id, day, final=now > _midnight(day + timedelta(1)) + LATE)
            breathe(time.monotonic() - began)


def last_days(site_id: int) -> list[Day]:
    """The figures of the last `DAYS` days, oldest first; zeros where there are none."""
    today = timezone.now().date()
    rows = {row.day: row for row in Day.objects.filter(site=site_id, day__gt=today - timedelta(DAYS))}
    days = [today - timedelta(back) for back in range(DAYS - 1, -1, -1)]
    return [rows.get(day) or Day(site_id=site_id, day=day) for day in days]


def _count(site_id: int, day: date, *, final: bool) -> None:
    start, end = _ms(day), _ms(day + timedelta(1))
    said = Message.objects.filter(site=site_id, time__gte=start, time__lt=end, system__isnull=True).aggregate(
        messages=Count("seq"),
        senders=Count("sender", distinct=True),
        conversations=Count("conversation", distinct=True),
    )
    newcomers = Member.objects.filter(site=site_id, created__gte=start, created__lt=end).count()
    Day.objects.update_or_create(site_id=site_id, day=day, defaults={**said, "newcomers": newcomers, "final": final})


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _ms(day: date) -> int:
    return int(_midnight(day).timestamp()) * 1000

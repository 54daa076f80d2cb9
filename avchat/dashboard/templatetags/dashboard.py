"""Tags of the dashboard: its files, addresses as people read them, and how long ago something was."""

from datetime import UTC, datetime

from django import template
from django.utils import timezone

from avchat.dashboard.page import FILES

register = template.Library()


@register.simple_tag
def file(name: str) -> str:
    """The address of one of the dashboard's files."""
    return FILES.address(name)


@register.filter
def host(address: str) -> str:
    """An address without its scheme."""
    return address.partition("://")[2] or address


@register.filter
def count(number: int) -> str:
    """A number as people read it."""
    return f"{number:,}"


@register.filter
def moment(ms: int) -> datetime:
    """A time in milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


@register.filter
def ago(moment: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(int((timezone.now() - moment).total_seconds()), 0)
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return f"{seconds} s ago"

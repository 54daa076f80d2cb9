"""How a site, an origin or a secret is doing, in the few words that the dashboard shows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from avchat.tenants.models import Origin, Secret, Site
from avchat.tenants.origins import LOCAL_HOST

QUIET = timedelta(days=1)
IDLE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Chip:
    """A word or two with a colour and a sign: `kind` is ok, warn or plain."""

    kind: str
    icon: str
    text: str


def of_site(site: Site) -> Chip:
    """Whether members connect."""
    if site.suspended:
        return Chip("warn", "triangle-alert", "Suspended")
    if site.last_seen is None:
        return Chip("plain", "clock-3", "Waiting for the first page")
    gone = timezone.now() - site.last_seen
    if gone < QUIET:
        return Chip("ok", "circle-check", "Connected")
    return Chip("warn", "triangle-alert", f"Not seen for {_days(gone)}")


def of_origin(origin: Origin) -> Chip:
    """Whether pages of this origin are used."""
    if LOCAL_HOST.match(origin.origin.partition("://")[2]):
        return Chip("plain", "", "For testing")
    return _use(origin.last_used, timezone.now())


def of_secret(secret: Secret) -> Chip:
    """Whether the site's server still signs with it."""
    return _use(secret.last_used, secret.created)


def _use(last_used: datetime | None, since: datetime) -> Chip:
    idle = timezone.now() - (last_used or since)
    if idle >= IDLE:
        return Chip("warn", "", f"Idle {_days(idle)}")
    return Chip("ok", "", "In use") if last_used else Chip("plain", "", "Not used yet")


def _days(span: timedelta) -> str:
    days = max(span.days, 1)
    return "1 day" if days == 1 else f"{days} days"

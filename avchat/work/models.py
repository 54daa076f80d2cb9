"""What the work keeps: a site's figures by day, who is reached by mail and how far that got, and exports.

Times are integers, milliseconds since 1970 UTC.
"""

import secrets

from django.db import models

from avchat.fields import ExactCharField
from avchat.tenants.models import Account, Site
from im.models import Member

EXPORT_LIFE_MS = 7 * 24 * 3600 * 1000
"""How long an export can be fetched."""


def new_export_key() -> str:
    """The name of an export: 192 random bits, so that its address is no guess."""
    return secrets.token_urlsafe(24)


class Day(models.Model):
    """A site's figures of one day (UTC). `final`: the day was over when they were counted; they stay as they are."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    messages = models.PositiveIntegerField(default=0)
    senders = models.PositiveIntegerField(default=0, help_text="Members who wrote.")
    conversations = models.PositiveIntegerField(default=0, help_text="Conversations in which something was said.")
    newcomers = models.PositiveIntegerField(default=0, help_text="Members who came for the first time.")
    final = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "day"], name="day_once")]


class DigestMark(models.Model):
    """Up to which version a site's messages were looked through for those who miss them.

    `since`: the site's `digest_since` that it belongs to; where the two differ, the site has turned it off and on.
    """

    site = models.OneToOneField(Site, primary_key=True, on_delete=models.CASCADE, related_name="+")
    since = models.BigIntegerField()
    version = models.BigIntegerField()


class Subscriber(models.Model):
    """A member whom mail about missed messages may reach.

    `came`, `went`: when it was last noted to be here, and to be gone. `due`: when to look whether it missed something
    (0: it did not). `mailed`: when it last got a mail, in which all up to the version `told` was told. `off`: it
    wants none.
    """

    member = models.OneToOneField(Member, primary_key=True, on_delete=models.CASCADE, related_name="+")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    came = models.BigIntegerField()
    went = models.BigIntegerField(default=0)
    due = models.BigIntegerField(default=0)
    mailed = models.BigIntegerField(default=0)
    told = models.BigIntegerField(default=0)
    off = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["site", "due"], name="subscriber_due")]


class Export(models.Model):
    """A file with all of a site's data, asked for by its owner.

    `run`: the task that writes it; `alive`: when that task last said so.
    """

    class State(models.TextChoices):
        ASKED = "asked"
        WORKING = "working"
        READY = "ready"
        FAILED = "failed"
        EXPIRED = "expired"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    key = ExactCharField(max_length=40, unique=True, default=new_export_key)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    by = models.ForeignKey(Account, null=True, on_delete=models.SET_NULL, related_name="+")
    asked = models.BigIntegerField()
    run = ExactCharField(max_length=64, blank=True, default="")
    alive = models.BigIntegerField(default=0)
    messages = models.BigIntegerField(default=0, help_text="Written so far.")
    ready = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0, help_text="Bytes.")

    class Meta:
        indexes = [models.Index(fields=["site", "state"], name="export_state")]

    @property
    def ends(self) -> int:
        """Until when it can be fetched, once it is ready."""
        return self.ready + EXPORT_LIFE_MS

"""Accounts, sites, and what lets a page and a member in: keys, secrets, origins.

A site is a tenant: every other table of the product has it first in its indexes.
"""

import secrets
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone

from avchat.fields import ExactCharField

SITE_KEY_PREFIX = "pk_"


def new_site_key() -> str:
    """A fresh public key of a site: opaque and unguessable."""
    return SITE_KEY_PREFIX + secrets.token_urlsafe(12).replace("-", "x").replace("_", "y")


class AccountManager(BaseUserManager["Account"]):
    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "Account":
        """A new account. The e-mail address is kept in lower case, as people expect it to be compared."""
        account = self.model(email=email.strip().lower(), **extra)
        account.set_password(password)
        account.save(using=self._db)
        return account

    def get_by_natural_key(self, username: str | None) -> "Account":
        return self.get(email=(username or "").strip().lower())


class Account(AbstractBaseUser):
    """Somebody who runs sites: signs in to the dashboard."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80)
    created = models.DateTimeField(default=timezone.now)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = AccountManager()

    def __str__(self) -> str:
        return self.email


class Site(models.Model):
    """A community site that embeds the chat."""

    key = ExactCharField(max_length=40, unique=True, default=new_site_key)
    owner = models.ForeignKey(Account, null=True, blank=True, on_delete=models.CASCADE, related_name="sites")
    name = models.CharField(max_length=80)
    url = models.URLField(blank=True, default="")
    guests = models.BooleanField(default=False)
    suspended = models.BooleanField(default=False)
    grace = models.FloatField(default=10, help_text="Seconds that a member may be gone before others see it.")
    options = models.JSONField(default=dict, help_text="The look: accent, theme, side, offset, panel, phone, shortcut.")
    limited = models.BooleanField(default=True, help_text="Off for load tools: no rates are enforced.")
    created = models.DateTimeField(default=timezone.now)
    first_seen = models.DateTimeField(null=True, help_text="When the first member connected.")
    last_seen = models.DateTimeField(null=True, help_text="When a member last connected (to the half minute).")
    last_page = models.CharField(max_length=300, blank=True, default="", help_text="The origin it came from.")
    retention_days = models.PositiveIntegerField(null=True, help_text="Days that messages are kept; empty: for ever.")
    digest_since = models.BigIntegerField(
        null=True, help_text="Since when missed messages are mailed (ms); empty: not."
    )
    digest_minutes = models.PositiveIntegerField(
        default=30, db_default=30, help_text="How long a member has to be away before."
    )
    digest_excerpts = models.BooleanField(
        default=False, db_default=False, help_text="Whether the mails show how messages begin."
    )
    digest_base = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="Our address in the mails."
    )

    def __str__(self) -> str:
        return self.name


class Secret(models.Model):
    """A secret with which a site's server signs its members' tokens. Kept encrypted; see `crypto.py`."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="secrets")
    kid = ExactCharField(max_length=16)
    label = models.CharField(max_length=40)
    ciphertext = models.BinaryField()
    hint = models.CharField(max_length=4, help_text="The last characters, to tell secrets apart.")
    created = models.DateTimeField(default=timezone.now)
    last_used = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "kid"], name="secret_kid")]


class Origin(models.Model):
    """An origin (scheme, host, port) whose pages may open the site's chat."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="origins")
    origin = ExactCharField(max_length=300)
    last_used = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "origin"], name="origin_once")]

"""What accounts do with their sites: each function is one deed, whole or not at all, with the right to it checked.

`account` is who asks; a site without an owner belongs to the installation's operator, who asks with None.
What cannot be done raises `ValidationError` with a sentence for the person, or `PermissionDenied`.
"""

import secrets as random
import time
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from avchat.tenants import crypto
from avchat.tenants.models import Account, Origin, Secret, Site
from avchat.tenants.origins import origin_of

SITES_PER_ACCOUNT = 200
SECRETS_PER_SITE = 10
ORIGINS_PER_SITE = 100
SECRET_PREFIX = "sk_"
MAX_RETENTION_DAYS = 3650
MAX_DIGEST_MINUTES = 1440


def sign_up(*, email: str, name: str, password: str) -> Account:
    """A new account. Refused for an address that has one, and for a password that is easily guessed."""
    email, name = email.strip().lower(), name.strip()
    validate_email(email)
    if not 1 <= len(name) <= 80:
        raise ValidationError({"name": "A name has 1 to 80 characters."})
    if Account.objects.filter(email=email).exists():
        raise ValidationError({"email": "There is an account with this address already."})
    try:
        validate_password(password, Account(email=email, name=name))
    except ValidationError as error:
        raise ValidationError({"password": error.messages}) from error
    account = Account(email=email, name=name)
    # Outside any transaction: hashing takes its time, and the database breaks off what idles for two seconds.
    account.set_password(password)
    try:
        with transaction.atomic():
            account.save()
    except IntegrityError as error:
        raise ValidationError({"email": "There is an account with this address already."}) from error
    return account


@transaction.atomic
def create_site(
    *, account: Account | None, name: str, url: str = "", guests: bool = False, limited: bool = True, grace: float = 10
) -> Site:
    """A new site with its key. Its address's origin, if an address is given, is the first that may embed it.

    `grace` is in seconds, at most an hour.
    """
    name = name.strip()
    if not 1 <= len(name) <= 80:
        raise ValidationError({"name": "A site's name has 1 to 80 characters."})
    if not 0 <= grace <= 3600:
        raise ValidationError({"grace": "The grace time is 0 to 3600 seconds."})
    if account and account.sites.count() >= SITES_PER_ACCOUNT:
        raise ValidationError(f"An account has at most {SITES_PER_ACCOUNT} sites.")
    site = Site(owner=account, name=name, guests=guests, limited=limited, grace=grace)
    if url.strip():
        try:
            site.url = origin_of(url)
        except ValidationError as error:
            raise ValidationError({"url": error.messages}) from error
    site.save()
    if site.url:
        add_origin(account=account, site=site, origin=site.url)
    return site


@transaction.atomic
def add_secret(*, account: Account | None, site: Site, label: str) -> tuple[Secret, str]:
    """A new secret of the site, and its text, which cannot be had again."""
    _check_right(account, site)
    label = label.strip() or timezone.now().strftime("Secret of %-d %B %Y")
    if len(label) > 40:
        raise ValidationError({"label": "A label has at most 40 characters."})
    if site.secrets.count() >= SECRETS_PER_SITE:
        raise ValidationError({"label": f"A site has at most {SECRETS_PER_SITE} secrets. Retire one first."})
    text = SECRET_PREFIX + random.token_urlsafe(32)
    kid = "k" + random.token_hex(5)
    secret = Secret.objects.create(site=site, kid=kid, label=label, ciphertext=crypto.encrypt(text), hint=text[-4:])
    return secret, text


@transaction.atomic
def retire_secret(*, account: Account | None, site: Site, kid: str) -> None:
    """The tokens that this secret signed let nobody in any more. Who is connected stays so."""
    _check_right(account, site)
    for secret in site.secrets.filter(kid=kid):
        secret.delete()


@transaction.atomic
def add_origin(*, account: Account | None, site: Site, origin: str) -> Origin:
    """Pages of this origin may open the site's chat. A page's address does as well; added twice is added once."""
    _check_right(account, site)
    text = origin_of(origin)
    known = site.origins.filter(origin=text).first()
    if known is None and site.origins.count() >= ORIGINS_PER_SITE:
        raise ValidationError(f"A site has at most {ORIGINS_PER_SITE} origins.")
    return known or Origin.objects.create(site=site, origin=text)


@transaction.atomic
def remove_origin(*, account: Account | None, site: Site, origin: str) -> None:
    """Pages of this origin may not open the site's chat any more."""
    _check_right(account, site)
    for each in site.origins.filter(origin=origin):
        each.delete()


@transaction.atomic
def set_guests(*, account: Account | None, site: Site, allowed: bool) -> None:
    """Let visitors without a token in as guests, or not."""
    _check_right(account, site)
    site.guests = allowed
    site.save(update_fields=["guests"])


@transaction.atomic
def set_retention(*, account: Account | None, site: Site, days: int | None) -> None:
    """Keep messages for this many days (1 to 3650), or for ever (None)."""
    _check_right(account, site)
    if days is not None and not 1 <= days <= MAX_RETENTION_DAYS:
        raise ValidationError({"days": f"Messages are kept for 1 to {MAX_RETENTION_DAYS} days, or for ever."})
    site.retention_days = days
    site.save(update_fields=["retention_days"])


@transaction.atomic
def set_digest(
    *, account: Account | None, site: Site, on: bool, minutes: int = 30, excerpts: bool = False, base: str = ""
) -> None:
    """Mail members what they missed once they were away for some minutes (1 to 1440), or do not.

    `base` is the service's own address, for the links in the mails.
    """
    _check_right(account, site)
    if not 1 <= minutes <= MAX_DIGEST_MINUTES:
        raise ValidationError({"minutes": f"It is 1 to {MAX_DIGEST_MINUTES} minutes."})
    if not on:
        site.digest_since = None
    elif site.digest_since is None:
        site.digest_since = time.time_ns() // 1_000_000
    site.digest_minutes, site.digest_excerpts, site.digest_base = minutes, excerpts, base[:300]
    site.save(update_fields=["digest_since", "digest_minutes", "digest_excerpts", "digest_base"])


@transaction.atomic
def reencrypt_secrets() -> int:
    """Put every secret under the installation's current key; how many there were. `KeyLost` leaves all as they are."""
    count = 0
    for secret in Secret.objects.select_for_update().iterator():
        secret.ciphertext = crypto.encrypt(crypto.decrypt(bytes(secret.ciphertext)))
        secret.save(update_fields=["ciphertext"])
        count += 1
    return count


@transaction.atomic
def note_connection(site_id: int, origin: str | None, kid: str) -> None:
    """Remember that a member connected just now, from a page of this origin, with a token of this secret."""
    now = timezone.now()
    seen: dict[str, Any] = {"last_seen": now} | ({"last_page": origin[:300]} if origin else {})
    Site.objects.filter(pk=site_id).update(**seen)
    Site.objects.filter(pk=site_id, first_seen=None).update(first_seen=now)
    if origin:
        Origin.objects.filter(site_id=site_id, origin=origin).update(last_used=now)
    if kid:
        Secret.objects.filter(site_id=site_id, kid=kid).update(last_used=now)


def _check_right(account: Account | None, site: Site) -> None:
    if site.owner_id != (account.pk if account else None):
        raise PermissionDenied("This site belongs to another account.")

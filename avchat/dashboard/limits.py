"""How often an address may try to log in, sign up or ask for a reset mail.

Counted in the cache: a guard against guessing and flooding, not a ledger.
"""

import hashlib

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

WINDOW_SECONDS = 600
FAILURES_PER_ACCOUNT = 10
FAILURES_PER_ADDRESS = 60
SIGN_UPS_PER_ADDRESS = 20
RESETS_PER_ACCOUNT = 5
RESETS_PER_ADDRESS = 20


def may_log_in(request: HttpRequest, email: str) -> bool:
    """Whether another try is let through: of this address for this account, and of this address at all."""
    address = _address(request)
    for_account: int = cache.get(_key("log-in", address, email), 0)
    at_all: int = cache.get(_key("log-in", address), 0)
    return for_account < FAILURES_PER_ACCOUNT and at_all < FAILURES_PER_ADDRESS


def note_failure(request: HttpRequest, email: str) -> None:
    """Count a log-in that failed."""
    address = _address(request)
    _count(_key("log-in", address, email))
    _count(_key("log-in", address))


def may_sign_up(request: HttpRequest) -> bool:
    """Whether this address may make one more account; it is counted."""
    return _count(_key("sign-up", _address(request))) <= SIGN_UPS_PER_ADDRESS


def may_ask_for_reset(request: HttpRequest, email: str) -> bool:
    """Whether one more reset mail is asked for; it is counted, whether or not there is such an account.

    A mailbox is counted wherever its mails are asked for: nobody's is flooded from many addresses.
    """
    of_address = _count(_key("reset-from", _address(request)))
    return of_address <= RESETS_PER_ADDRESS and _count(_key("reset-to", email)) <= RESETS_PER_ACCOUNT


def _key(*what: str) -> str:
    text = "\n".join(each.strip().lower() for each in what)
    return "limit-" + hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _address(request: HttpRequest) -> str:
    """The client's address; behind a trusted proxy, the one that it names."""
    peer: str = request.META.get("REMOTE_ADDR", "")
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded.rsplit(",", 1)[-1].strip() if forwarded and peer in settings.TRUSTED_PROXIES else peer


def _count(key: str) -> int:
    cache.add(key, 0, WINDOW_SECONDS)
    try:
        return int(cache.incr(key))
    except ValueError:
        # It ran out between the two.
        return 1

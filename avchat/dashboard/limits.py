"""How often an address may try to log in, sign up or ask for a reset mail, at whatever node.

Each has a number of tries at once, and gets them back over `WINDOW_SECONDS`: a guard against guessing and flooding,
not a ledger.
"""

import hashlib

from django.conf import settings
from django.http import HttpRequest

from im.rates import Guard

WINDOW_SECONDS = 600
FAILURES_PER_ACCOUNT = 10
FAILURES_PER_ADDRESS = 60
SIGN_UPS_PER_ADDRESS = 20
RESETS_PER_ACCOUNT = 5
RESETS_PER_ADDRESS = 20


def _guard(kind: str, tries: int) -> Guard:
    return Guard(kind, tries / WINDOW_SECONDS, tries)


GUARDS = {
    "account": _guard("log-in-account", FAILURES_PER_ACCOUNT),
    "address": _guard("log-in-address", FAILURES_PER_ADDRESS),
    "sign-up": _guard("sign-up", SIGN_UPS_PER_ADDRESS),
    "reset-to": _guard("reset-to", RESETS_PER_ACCOUNT),
    "reset-from": _guard("reset-from", RESETS_PER_ADDRESS),
}


def may_log_in(request: HttpRequest, email: str) -> bool:
    """Whether another try is let through: of this address for this account, and of this address at all."""
    address = _address(request)
    wait = GUARDS["account"].empty(_who(address, email)) or GUARDS["address"].empty(_who(address))
    return not wait


def note_failure(request: HttpRequest, email: str) -> None:
    """Count a log-in that failed."""
    address = _address(request)
    GUARDS["account"].take(_who(address, email))
    GUARDS["address"].take(_who(address))


def may_sign_up(request: HttpRequest) -> bool:
    """Whether this address may make one more account; it is counted."""
    return not GUARDS["sign-up"].take(_who(_address(request)))


def may_ask_for_reset(request: HttpRequest, email: str) -> bool:
    """Whether one more reset mail is asked for; it is counted, whether or not there is such an account.

    A mailbox is counted wherever its mails are asked for: nobody's is flooded from many addresses.
    """
    return not (GUARDS["reset-from"].take(_who(_address(request))) or GUARDS["reset-to"].take(_who(email)))


def _who(*what: str) -> str:
    """A name that says nothing of whom it stands for."""
    text = "\n".join(each.strip().lower() for each in what)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _address(request: HttpRequest) -> str:
    """The client's address; behind a trusted proxy, the one that it names."""
    peer: str = request.META.get("REMOTE_ADDR", "")
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded.rsplit(",", 1)[-1].strip() if forwarded and peer in settings.TRUSTED_PROXIES else peer

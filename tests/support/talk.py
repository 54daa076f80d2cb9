"""A site's members and what they say, stored through the messenger's own services, without a node."""

import itertools
from types import SimpleNamespace
from typing import Any

from django.db import transaction

from avchat.tenants import directory, tokens
from avchat.tenants.models import Site
from im import members
from im import transaction as transactions
from im.caller import Caller
from im.dispatch import routes
from im.events import SendOk
from im.models import Member
from im.protocol import Frame, MessageSend, Target
from im.transaction import Transaction

# The connection that a frame came by; there is none here.
NOBODY = SimpleNamespace(node=None)


class Talk:
    """The talk of one site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._keys = itertools.count(1)
        # Ids come again in the next test, and what was learned of them must not.
        transactions._members.clear()
        transactions._blocks.clear()
        transactions._ids.clear()

    def join(self, sub: str, email: str = "", origin: str = "") -> Member:
        """A member."""
        claims = tokens.Claims(
            sub=sub,
            name=sub.title(),
            avatar="",
            url="",
            role="member",
            groups=(),
            email=email,
            origin=origin,
            guest=False,
            kid="",
        )
        with transaction.atomic():
            return members.enroll(self._begin(), self.site.pk, [claims])[sub]

    def say(self, who: Member, to: Member | str, body: str = "hello", **more: Any) -> SendOk:
        """`who` sends a message to a member, or in a conversation."""
        target = Target(conversation=to) if isinstance(to, str) else Target(member=to.sub)
        answer = self.do(who, MessageSend(to=target, body=body, key=f"key {next(self._keys)}", **more))
        assert isinstance(answer, SendOk)
        return answer

    def do(self, who: Member, frame: Frame) -> Any:
        """A member's frame, as the journal would store it."""
        info = directory.site(self.site.key)
        assert info is not None
        caller = Caller(info, who.pk, who.sub, who.role)
        with transaction.atomic():
            tx = self._begin()
            answer = routes[type(frame)].service(tx, caller, NOBODY, frame)
            tx.finish()
        return answer

    def _begin(self) -> Transaction:
        tx = Transaction()
        tx.lock_sites([self.site.pk])
        return tx

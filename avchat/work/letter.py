"""The mail about missed messages, and the signed link by which a member wants no more of them.

The link needs no login and does not age: whoever has the mail may stop its like, and start it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formataddr, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.signing import BadSignature, Signer
from django.template.loader import render_to_string
from django.urls import reverse

from avchat.tenants.models import Site
from avchat.work.models import Subscriber
from im.models import Member

EXCERPT = 140
"""Characters of a message that a mail shows."""

_signer = Signer(sep="~", salt="avchat.work.letter")


@dataclass(slots=True)
class Missed:
    """What a member missed in a conversation (its name; empty: of two) from one sender; `last`: the latest words."""

    sender: int
    where: str
    count: int
    last: str
    who: str = ""

    @property
    def excerpt(self) -> str:
        """How the latest words begin, on one line."""
        text = " ".join(self.last.split())
        return text if len(text) <= EXCERPT else text[: EXCERPT - 1].rstrip() + "…"


def letter(site: Site, member: Member, missed: Sequence[Missed], *, connection: Any = None) -> EmailMultiAlternatives:
    """The mail to a member about what it missed."""
    base = (settings.PUBLIC_URL or site.digest_base).rstrip("/")
    stop = base + reverse("letters", args=[_signer.sign(f"{site.pk}.{member.pk}")])
    people = list(dict.fromkeys(each.who for each in missed))
    context = {
        "site": site,
        "member": member,
        "missed": missed,
        "people": _listed(people),
        "count": sum(each.count for each in missed),
        "page": member.origin or site.url or site.last_page,
        "stop": stop,
    }
    subject = " ".join(render_to_string("work/mail/digest-subject.txt", context).split())
    mail = EmailMultiAlternatives(
        subject,
        render_to_string("work/mail/digest.txt", context),
        formataddr((f"{' '.join(site.name.split())} via AVChat IM", parseaddr(settings.DEFAULT_FROM_EMAIL)[1])),
        [member.email],
        connection=connection,
        # RFC 8058: the mail program's own button; RFC 3834: no holiday answers, please.
        headers={
            "List-Unsubscribe": f"<{stop}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )
    mail.attach_alternative(render_to_string("work/mail/digest.html", context), "text/html")
    return mail


def subscriber(token: str) -> Subscriber | None:
    """Whose mails a link is about; None for one that was not made here, or whose member is gone."""
    try:
        site_id, member_id = map(int, _signer.unsign(token).split("."))
    except (BadSignature, ValueError):
        return None
    return Subscriber.objects.filter(site=site_id, member=member_id).select_related("member", "site").first()


def turn(row: Subscriber, *, on: bool) -> None:
    """Lets a member have these mails, or no more of them. What it missed until then is not mailed later."""
    Subscriber.objects.filter(pk=row.pk).update(off=not on, due=0)


def _listed(people: Sequence[str]) -> str:
    if len(people) < 3:
        return " and ".join(people)
    return f"{people[0]}, {people[1]} and {len(people) - 2} other{'s' if len(people) > 3 else ''}"

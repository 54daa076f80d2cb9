"""Digests: one mail to a member who is away, about what others wrote meanwhile.

Two steps, each of which may be repeated or cut off. Looking through: the site's new messages, in the order of
versions, make those due who have not read them and can be reached (`DigestMark` says how far that got, stored
together with who is due). Sending: of those that are due, who is away and still has something unread gets its mail.

A member gets another one when it has been back since, or a day later, and never about the same messages. Who is
here, has read all, wants no mail, or has no address gets none; what is hidden, deleted, or by somebody whom the
member has blocked is not spoken of.
"""

import logging
import time
from smtplib import SMTPDataError, SMTPRecipientsRefused
from typing import Any

from django.core.mail import get_connection
from django.db import transaction
from django.db.models import F, QuerySet

from avchat.tenants.models import Site
from avchat.work.clock import breathe
from avchat.work.letter import Missed, letter
from avchat.work.models import DigestMark, Subscriber
from avchat.work.visits import GOOD_MS
from im import database
from im.models import Conversation, Hidden, Member, Message, Participant, SiteVersion
from im.transaction import read_blocks

logger = logging.getLogger(__name__)

PAGE = 200
"""Conversations that are looked through, or members that are seen to, in one go."""
TURN_S = 60.0
"""How long a site's turn is, in seconds, before others get theirs."""
RETRY_MS = 5 * 60_000
"""When a mail that did not go out is tried again, in milliseconds."""
MINUTE_MS = 60_000
DAY_MS = 24 * 3600 * 1000
SHOWN = 20
"""Senders that a mail names, and conversations that are looked into for it."""


def sites() -> list[int]:
    """The sites that mail, and where something was said or somebody is due."""
    mailing = {site.pk: site for site in Site.objects.filter(digest_since__isnull=False, suspended=False)}
    marks = {mark.site_id: mark for mark in DigestMark.objects.filter(site__in=mailing)}
    versions = dict(SiteVersion.objects.filter(site__in=mailing).values_list("site", "version"))
    due = Subscriber.objects.filter(site__in=mailing, due__gt=0, due__lte=database.now_ms())
    waiting = set(due.order_by().values_list("site", flat=True).distinct())
    return [
        id
        for id, site in mailing.items()
        if id in waiting
        or id not in marks
        or (marks[id].since, marks[id].version) != (site.digest_since, versions.get(id, 0))
    ]


def look_through(site_id: int) -> None:
    """Makes those due who have not read what is new since this was last done."""
    site = Site.objects.filter(pk=site_id, digest_since__isnull=False).first()
    if site is None or site.digest_since is None:
        return
    version = SiteVersion.objects.filter(site=site_id).values_list("version", flat=True).first() or 0
    mark, made = DigestMark.objects.get_or_create(site=site, defaults={"since": site.digest_since, "version": version})
    if not made and mark.since != site.digest_since:
        # What was said before it was turned on again is nobody's news.
        DigestMark.objects.filter(site=site).update(since=site.digest_since, version=version)
        return
    at = mark.version
    while at < version:
        changed = Conversation.objects.filter(site=site_id, version__gt=at, version__lte=version).order_by("version")
        page = list(changed.values_list("id", "version")[:PAGE])
        upto = page[-1][1] if len(page) == PAGE else version
        due = database.now_ms() + site.digest_minutes * MINUTE_MS
        with transaction.atomic():
            for conversation, _ in page:
                _make_due(site_id, conversation, at, due)
            DigestMark.objects.filter(site=site, version__lt=upto).update(version=upto)
        at = upto
        breathe(0)


def _make_due(site_id: int, conversation: int, since: int, due: int) -> None:
    """Makes those in a conversation due who have not read what others said in it after a version."""
    new = _words(conversation).filter(version__gt=since, born__gt=since)
    said = list(new.values_list("sender", flat=True).distinct()[:2])
    if not said:
        return
    behind = Participant.objects.filter(
        site=site_id, conversation=conversation, left=0, shown=True, read_seq__lt=F("conversation__seq")
    )
    if len(said) == 1:
        behind = behind.exclude(member=said[0])
    # Not as a subquery: MariaDB would look at each of the site's subscribers, and ask of each whether it is behind.
    members = list(behind.values_list("member", flat=True))
    Subscriber.objects.filter(site=site_id, member__in=members, off=False, due=0).update(due=due)


def send_due(site_id: int) -> None:
    """Mails those who are due, away, and have something unread; puts the others off, or lets them be.

    Raises:
        Exception: as sending mail does, where it did not go out; who is due stays so.
    """
    site = Site.objects.filter(pk=site_id, digest_since__isnull=False, suspended=False).first()
    if site is None:
        return
    until = time.monotonic() + TURN_S
    due = Subscriber.objects.filter(site=site_id, due__gt=0, due__lte=database.now_ms()).order_by("due", "member")
    post = get_connection()
    try:
        for row in due.select_related("member")[:PAGE]:
            _see_to(site, row, post)
            breathe(0)
            if time.monotonic() > until:
                break
    finally:
        post.close()


def _see_to(site: Site, row: Subscriber, post: Any) -> None:
    now = database.now_ms()
    version = SiteVersion.objects.get(site=site.pk).version
    missed = _missed(site, row) if row.member.email and not row.off else []
    later = _when(site, row, now) if missed else 0
    as_read = Subscriber.objects.filter(pk=row.pk, due=row.due, mailed=row.mailed, off=row.off)
    if later is not None:
        as_read.update(due=later)
        return
    # Marked before it is sent: a process that dies between the two loses one mail, which the next message makes up
    # for; the other way round somebody would get the same mail twice, or as often as it happens. And only who finds
    # the row as it was read sends, so that of two processes one does.
    if as_read.update(due=0, mailed=now, told=version):
        try:
            post.open()
            letter(site, row.member, missed, connection=post).send()
        except Exception as error:
            if _refused(error):
                logger.info("Member %s cannot be reached by mail: %s", row.pk, error)
                return
            # It did not go out: as before, but behind the others, so that one bad address keeps nobody waiting.
            before = {"due": now + RETRY_MS, "mailed": row.mailed, "told": row.told}
            Subscriber.objects.filter(pk=row.pk, mailed=now).update(**before)
            raise


def _refused(error: Exception) -> bool:
    """Whether the mail server will not take this mail, however often it is asked."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, SMTPDataError) and error.smtp_code >= 500


def _when(site: Site, row: Subscriber, now: int) -> int | None:
    """None: the member gets its mail now. Else when to look again; 0: not until there is news."""
    wait = site.digest_minutes * MINUTE_MS
    last = max(row.came, row.went)
    if last < (site.digest_since or 0):
        # Not seen since it was turned on: it may well be here.
        return 0
    if row.went > row.came:
        gone = row.went
    elif now > row.came + GOOD_MS:
        gone = row.came + GOOD_MS
    else:
        return now + wait
    if now < gone + wait:
        return gone + wait
    if row.mailed > last and now < row.mailed + DAY_MS:
        return row.mailed + DAY_MS
    return None


def _missed(site: Site, row: Subscriber) -> list[Missed]:
    """What the member has not read and was not told yet, by conversation and sender; the latest first."""
    mine = Participant.objects.filter(
        site=site.pk, member=row.pk, left=0, shown=True, conversation__seq__gt=F("read_seq"),
        conversation__version__gt=row.told,
    ).order_by("-conversation__latest")  # fmt: skip
    blocked = read_blocks(site.pk, [row.pk])[row.pk].of
    found: list[Missed] = []
    for conversation, name, read_seq in mine.values_list("conversation", "conversation__name", "read_seq")[:SHOWN]:
        hidden = Hidden.objects.filter(conversation=conversation, member=row.pk, seq__gt=read_seq)
        news = _words(conversation).filter(seq__gt=read_seq, born__gt=row.told).exclude(sender=row.pk)
        news = news.exclude(sender__in=blocked).exclude(seq__in=hidden.values("seq"))
        by: dict[int, Missed] = {}
        for sender, said in news.order_by("-seq").values_list("sender", "body")[:PAGE]:
            if sender in by:
                by[sender].count += 1
            elif sender is not None:
                by[sender] = Missed(sender, name, 1, said)
        found += by.values()
    found = found[:SHOWN]
    names = dict(Member.objects.filter(site=site.pk, id__in=[each.sender for each in found]).values_list("id", "name"))
    for each in found:
        each.who = names[each.sender]
    return found


def _words(conversation: int) -> QuerySet[Message]:
    """Members' words that are still there."""
    return Message.objects.filter(conversation=conversation, deleted=False, system__isnull=True)

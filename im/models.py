"""What the messenger stores. Every row is a site's, and every change of it carries the site's next version.

A version is a number that grows by one with each stored change of a site (`SiteVersion`, given out by the
journal alone, so that versions commit in order and without gaps). A conversation carries the version of its
last change, and so do the rows in it: what a member missed since a version is found by index look-ups.
Times are integers, milliseconds since 1970 UTC.

A row's site has no index of its own: a planner that knows no figures would take it for the narrowest there is.
"""

import secrets

from django.db import models

from avchat.fields import ExactCharField
from avchat.tenants.models import Site


def new_id() -> str:
    """An opaque, unguessable id of 128 random bits."""
    return secrets.token_urlsafe(16)


def new_epoch() -> str:
    return secrets.token_urlsafe(6)


class SiteVersion(models.Model):
    """The version of a site's last change. `epoch` changes when the history of versions does (a restored backup)."""

    site = models.OneToOneField(Site, primary_key=True, on_delete=models.CASCADE, related_name="+")
    epoch = ExactCharField(max_length=12, default=new_epoch)
    version = models.BigIntegerField(default=0)
    blocks = models.BigIntegerField(default=0, help_text="The version of the last change of the site's blocks.")


class Member(models.Model):
    """A member of a site, as its tokens describe it; its tabs, lists (contacts, blocks) and choice have versions."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    sub = ExactCharField(max_length=140)
    name = models.CharField(max_length=80)
    sort = ExactCharField(max_length=80, help_text="The name folded, for order and search.")
    avatar = models.CharField(max_length=500, blank=True, default="")
    url = models.CharField(max_length=500, blank=True, default="")
    role = models.CharField(max_length=12, default="member")
    groups = models.JSONField(default=list)
    email = models.CharField(
        max_length=254, blank=True, default="", db_default="", help_text="For mails; never shown to others."
    )
    origin = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="Where one with an e-mail came from."
    )
    show = models.CharField(max_length=10, default="online")
    status = models.CharField(max_length=140, blank=True, default="")
    tabs = models.JSONField(default=list)
    seen = models.BigIntegerField(default=0)
    created = models.BigIntegerField()
    tabs_version = models.BigIntegerField(default=0)
    lists_version = models.BigIntegerField(default=0)
    choice_version = models.BigIntegerField(default=0, db_default=0, help_text="Of the last choice of presence.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "sub"], name="member_sub")]
        indexes = [
            models.Index(fields=["site", "sort", "id"], name="member_sort"),
            models.Index(fields=["site", "created"], name="member_created"),
        ]

    def __str__(self) -> str:
        return self.name


class MemberWord(models.Model):
    """A folded word of a member's name: the directory finds members by how any word of the name begins."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    word = ExactCharField(max_length=80)
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="words")

    class Meta:
        indexes = [models.Index(fields=["site", "word", "member"], name="member_word")]


class Contact(models.Model):
    """A member whom another has added to its contacts."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    owner = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "owner", "member"], name="contact_once")]


class Block(models.Model):
    """`owner` has blocked `member`, who cannot tell: since this version, at this time."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    owner = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    version = models.BigIntegerField()
    time = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "owner", "member"], name="block_once")]
        indexes = [models.Index(fields=["site", "member"], name="block_member")]


class Conversation(models.Model):
    """A conversation: of two (`pair` names both), or a group. `seq`: the last one given out.

    `version`: last change of anything in it; `shape`: of its name or members; `latest`: of its last message.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = ExactCharField(max_length=24, unique=True, default=new_id)
    pair = ExactCharField(max_length=48, null=True)  # only NULL is unique many times
    name = models.CharField(max_length=80, blank=True, default="")
    seq = models.BigIntegerField(default=0)
    version = models.BigIntegerField(default=0)
    shape = models.BigIntegerField(default=0)
    latest = models.BigIntegerField(default=0)
    created = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "pair"], name="conversation_pair")]
        indexes = [models.Index(fields=["site", "version"], name="conversation_version")]

    def __str__(self) -> str:
        return str(self.key)


class Participant(models.Model):
    """A member in a conversation, and up to where it has read (`told_seq`: as far as others were told).

    `joined`, `left`: the versions in which it came, and left (0: is in it). `shown`: it knows of the conversation;
    one of two is shown to a member with the first message that the member may see.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="participants")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    joined = models.BigIntegerField()
    left = models.BigIntegerField(default=0)
    shown = models.BooleanField(default=True)
    told_seq = models.BigIntegerField(default=0)
    read_seq = models.BigIntegerField(default=0)
    read_time = models.BigIntegerField(default=0)
    read_version = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "member"], name="participant_once")]
        indexes = [models.Index(fields=["site", "member", "left"], name="participant_member")]


class Message(models.Model):
    """A message. `born`: the version in which it came; `version`: of its last change; `key`: its sender's own."""

    pk = models.CompositePrimaryKey("conversation_id", "seq")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    seq = models.BigIntegerField()
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    sender = models.ForeignKey(Member, null=True, on_delete=models.SET_NULL, related_name="+")
    key = ExactCharField(max_length=64, null=True)  # only NULL is unique many times
    body = models.TextField(blank=True, default="")
    time = models.BigIntegerField()
    reply_to = models.BigIntegerField(null=True)
    edited = models.BigIntegerField(null=True)
    deleted = models.BooleanField(default=False)
    system = models.JSONField(null=True)
    born = models.BigIntegerField()
    version = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sender", "key"], name="message_key")]
        indexes = [
            models.Index(fields=["conversation", "version"], name="message_version"),
            models.Index(fields=["site", "time"], name="message_time"),
        ]


class Hidden(models.Model):
    """A message that `member` does not see: its sender was blocked by the member when it was sent."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+")
    seq = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "member", "seq"], name="hidden_once")]


class Reaction(models.Model):
    """An emoji that a member put on a message; the row stays when it is taken off, so that a resume can tell."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+")
    seq = models.BigIntegerField()
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    emoji = ExactCharField(max_length=32)
    on = models.BooleanField(default=True)
    version = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "seq", "member", "emoji"], name="reaction_once")]
        indexes = [models.Index(fields=["conversation", "version"], name="reaction_version")]


class Report(models.Model):
    """A message that a member brought to the moderators' notice, with its words as they were."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    reporter = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="+")
    seq = models.BigIntegerField()
    reason = models.CharField(max_length=1000, blank=True)
    body = models.TextField(blank=True)
    created = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "reporter", "conversation", "seq"], name="report_once")]


class JournalMark(models.Model):
    """How far a journal has got: the number of its last commit, which that commit itself has set, and when."""

    journal = ExactCharField(max_length=24, primary_key=True)
    batch = models.BigIntegerField()
    time = models.BigIntegerField(db_index=True)

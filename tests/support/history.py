"""A conversation of many messages, for work that takes its time, and what an export has of it."""

import json
import zipfile
from pathlib import Path

HISTORY = """
import time
site = Site.objects.latest("pk")
now = int(time.time() * 1000)
SiteVersion.objects.create(site=site, version=1)
ann = Member.objects.create(site=site, sub="ann", name="Ann", sort="ann", created=now)
room = Conversation.objects.create(site=site, name="Room", created=now, seq={old} + {fresh}, version=1, latest=1)
Participant.objects.create(site=site, conversation=room, member=ann, joined=1)
day = 24 * 3600 * 1000
Message.objects.bulk_create(
    [Message(conversation=room, seq=seq, site=site, sender=ann, key=f"k{{seq}}", body="hello there " * 5,
             time=now - 40 * day + seq if seq <= {old} else now, born=1, version=1)
     for seq in range(1, {old} + {fresh} + 1)],
    batch_size=500,
)
Site.objects.filter(pk=site.pk).update(retention_days=30)
"""
"""Code that makes it, of the newest site; `old` of its messages are older than the site keeps them."""


def exported(folder: Path) -> list[int]:
    """The seqs in the one export that is there."""
    (file,) = folder.glob("*.zip")
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return [json.loads(line)["seq"] for line in archive.read("messages.jsonl").splitlines()]

"""`manage.py restored`: to be run once after a backup was put back, before the first node starts."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from im.models import SiteVersion, new_epoch


class Command(BaseCommand):
    """Gives every site a new epoch: positions that clients have from after the backup mean nothing any more.

    Clients that come back with one load afresh, instead of going on from a version that is given out a second time.
    """

    help = "Tell the messenger that its database is a restored backup."

    def handle(self, *args: Any, **options: Any) -> None:
        """In one transaction: a site has its new epoch, or none has."""
        with transaction.atomic():
            rows = list(SiteVersion.objects.select_for_update())
            for row in rows:
                row.epoch = new_epoch()
            SiteVersion.objects.bulk_update(rows, ["epoch"], batch_size=500)
        self.stdout.write(f"{len(rows)} sites: their clients load afresh.")

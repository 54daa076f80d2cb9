"""Exports: files with all that is stored of a site, for its owner.

Written aside and renamed when it is whole, so that a half one is never handed out. Who writes it says every few
seconds that it is alive; where it no longer does, another begins anew, and so does the same task when it comes again
because its worker was killed. Should two write the same one, each has a file of its own, and one of them finds
out and stops. A file can be fetched for a week.

What is changed meanwhile may stand in an export as it was or as it is: it is read in batches, not at one moment.
"""

import contextlib
import logging
import os
import time
import uuid
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from avchat.tenants.models import Account, Site
from avchat.work import archive
from avchat.work.clock import Ending, breathe
from avchat.work.models import EXPORT_LIFE_MS, Export
from im import database

logger = logging.getLogger(__name__)

State = Export.State

HALF_MS = 24 * 3600 * 1000
"""How long a file that nobody goes on with is left where it is."""
STALE_MS = 120_000
"""After how long silence who writes an export is taken for dead."""
ALIVE_S = 2.0
"""How often who writes says that it is alive, in seconds."""
LISTED = 10
"""Exports that a site's page lists."""


class Superseded(Exception):
    """Another one writes this export now."""


def ask(*, account: Account | None, site: Site) -> Export:
    """Has an export written. While one is on its way, it is that one."""
    with transaction.atomic():
        # One at a time, also when it is asked for twice in the same moment.
        Site.objects.select_for_update().get(pk=site.pk)
        under_way = Export.objects.filter(site=site, state__in=(State.ASKED, State.WORKING)).first()
        return under_way or Export.objects.create(site=site, by=account, asked=database.now_ms())


def of(site: Site) -> list[Export]:
    """The site's exports, the latest first."""
    return list(Export.objects.filter(site=site).order_by("-pk")[:LISTED])


def ready(site: Site, key: str) -> Export | None:
    """The site's export of this key, if it can be fetched."""
    found = Export.objects.filter(
        site=site, key=key, state=State.READY, ready__gt=database.now_ms() - EXPORT_LIFE_MS
    ).first()
    return found if found and path(found).is_file() else None


def path(export: Export) -> Path:
    """Where an export's file is, once it is ready."""
    return Path(settings.EXPORTS) / f"{export.key}.zip"


def waiting() -> list[int]:
    """Exports that nobody writes."""
    return list(Export.objects.filter(_free()).order_by("pk").values_list("pk", flat=True))


def write(export_id: int, *, run: str | None) -> None:
    """Writes an export, unless somebody else is at it. `run`: the task's id, by which it knows its own broken run."""
    run = run or uuid.uuid4().hex
    begun = Export.objects.filter(_free() | Q(state=State.WORKING, run=run), pk=export_id)
    if not begun.update(state=State.WORKING, run=run, alive=database.now_ms(), messages=0):
        return
    row = Export.objects.select_related("site").get(pk=export_id)
    whole = path(row)
    whole.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = whole.with_suffix(f".{uuid.uuid4().hex}.part")
    mine = Export.objects.filter(pk=export_id, run=run, state=State.WORKING)
    try:
        _write_aside(row, aside)
        aside.rename(whole)
        # A process that dies here has it written once more, under the same name.
        mine.update(state=State.READY, ready=database.now_ms(), size=whole.stat().st_size)
    except Superseded:
        logger.info("Export %s is being written by another worker", export_id)
    except Ending:
        mine.update(state=State.ASKED)
        raise
    except Exception:
        mine.update(state=State.FAILED)
        raise
    finally:
        aside.unlink(missing_ok=True)


def clean_up() -> None:
    """Removes the files of exports that are over, and those that nobody will finish or knows of."""
    now = database.now_ms()
    Export.objects.filter(state=State.READY, ready__lt=now - EXPORT_LIFE_MS).update(state=State.EXPIRED)
    folder = Path(settings.EXPORTS)
    if not folder.is_dir():
        return
    kept = set(Export.objects.filter(state__in=(State.READY, State.WORKING)).values_list("key", flat=True))
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            half = file.suffix == ".part" and file.stat().st_mtime * 1000 < now - HALF_MS
            if half or (file.suffix == ".zip" and file.stem not in kept):
                file.unlink()


def _free() -> Q:
    """Asked for, or left by who began to write it."""
    return Q(state=State.ASKED) | Q(state=State.WORKING, alive__lt=database.now_ms() - STALE_MS)


def _write_aside(row: Export, aside: Path) -> None:
    told = batch = time.monotonic()

    def written(part: str, count: int) -> None:
        nonlocal told, batch
        now = time.monotonic()
        if now - told > ALIVE_S:
            told = now
            mine = Export.objects.filter(pk=row.pk, run=row.run, state=State.WORKING)
            messages = count if part == "messages.jsonl" else 0
            if not mine.update(alive=database.now_ms(), messages=messages):
                raise Superseded
        breathe(now - batch)
        batch = time.monotonic()

    with aside.open("xb") as file:
        aside.chmod(0o600)
        archive.write(row.site, file, written)
        file.flush()
        os.fsync(file.fileno())

"""The tasks, as Celery and the clock know them. Each may run twice, also at once, and be cut off anywhere.

Those of the schedule only look for where something is due, and have each site seen to by a task of its own.
"""

import logging
from collections.abc import Iterable
from typing import Any

from kombu.exceptions import OperationalError

from avchat.celery import app
from avchat.work import digest, exports, retention, statistics

logger = logging.getLogger(__name__)

SOON_S = 600
"""For how long such a task is worth doing, in seconds; by then the schedule has asked again."""
EXPORT_S = 3000
"""How long an export may take, in seconds: less than a message to a worker may be invisible."""


@app.task
def count_days() -> None:
    """Has every site's figures brought up to date."""
    _each(count_site, statistics.sites())


@app.task
def count_site(site_id: int) -> None:
    """Counts a site's days that are not counted for good."""
    statistics.count(site_id)


@app.task
def trim_history() -> None:
    """Has the sites seen to that have messages beyond their time."""
    _each(trim_site, retention.sites())


@app.task
def trim_site(site_id: int) -> None:
    """Deletes a site's messages that are beyond their time; where there are very many, in several turns."""
    # What is deleted can no longer be counted.
    statistics.count(site_id)
    if not retention.trim(site_id):
        trim_site.delay(site_id)


@app.task
def mail_digests() -> None:
    """Has the sites seen to whose members may have missed something."""
    _each(mail_site, digest.sites())


@app.task
def mail_site(site_id: int) -> None:
    """Mails a site's members what they missed."""
    digest.look_through(site_id)
    digest.send_due(site_id)


@app.task
def write_exports() -> None:
    """Removes exports that are over, and has those written that wait or were left half done."""
    exports.clean_up()
    _each(write_export, exports.waiting())


@app.task(bind=True, soft_time_limit=EXPORT_S, time_limit=EXPORT_S + 60)
def write_export(self: Any, export_id: int) -> None:
    """Writes an export."""
    exports.write(export_id, run=self.request.id)


def soon(task: Any, *args: int) -> None:
    """Has a task run soon, for somebody who waits. Where the broker is away, the schedule finds what is due."""
    try:
        task.delay(*args)
    except OperationalError:
        logger.warning("The broker does not answer; %s waits for the schedule", task.name)


def _each(task: Any, ids: Iterable[int]) -> None:
    for id in ids:
        task.apply_async((id,), expires=SOON_S)

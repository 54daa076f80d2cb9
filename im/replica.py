"""Reading from a replica of the database, where there is one (`AVCHAT_REPLICA_URL`).

Promises that nobody is shown less than the primary would show: who may read a conversation, and how far it has got,
is asked of the primary; its pages are read from the replica only once it has got as far, and from the primary
otherwise. A replica that is late or gone costs nothing but the primary's time.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, models

from im.models import Conversation, SiteVersion

logger = logging.getLogger(__name__)

ALIAS = "replica"
PAUSE_S = 10.0
"""How long a replica that failed is left alone, in seconds."""

T = TypeVar("T")

_here = threading.local()
_rests_until = 0.0


class Router:
    """Django's database router: reads inside `page` may go to the replica, all else is the primary's."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        """The replica, where this thread reads a page from it."""
        return getattr(_here, "alias", DEFAULT_DB_ALIAS)

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        """The primary."""
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool:
        """They hold the same rows."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """The replica gets its tables from the primary."""
        return db == DEFAULT_DB_ALIAS


def page(room: Conversation, read: Callable[[], T]) -> T:
    """What `read` reads of a conversation, which the primary has just shown to be as `room` is."""
    global _rests_until
    if ALIAS in settings.DATABASES and time.monotonic() >= _rests_until:
        site = SiteVersion.objects.get(site=room.site_id)
        try:
            with _replica():
                if _has(site, room):
                    return read()
        except (OperationalError, InterfaceError):
            logger.warning("The replica does not answer; history is read from the primary", exc_info=True)
            _rests_until = time.monotonic() + PAUSE_S
    return read()


def _has(site: SiteVersion, room: Conversation) -> bool:
    """Whether the replica has all changes of the conversation, and of who has blocked whom: versions come in order."""
    needed = max(room.version, site.blocks)
    return SiteVersion.objects.filter(site=site.site_id, epoch=site.epoch, version__gte=needed).exists()


@contextmanager
def _replica() -> Iterator[None]:
    _here.alias = ALIAS
    try:
        yield
    finally:
        del _here.alias

"""The Celery application: who does the work that nobody waits for.

With a broker (`AVCHAT_BROKER_URL`) tasks go to workers: `celery -A avchat worker --beat`. Without one, the process
that serves does them in a thread of its own (`avchat.work.clock`); a task and its `delay()` are the same in both.

A task is acknowledged when it is done, so one whose worker was killed comes again; the schedule also finds by itself
what is due. Therefore every task may be run twice, also at the same time, and may be cut off anywhere.
"""

import os
from typing import Any

import celery
from django.conf import settings

from avchat.work import clock

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avchat.settings")


class Task(celery.Task):
    """A task for the broker, or for this process's clock where there is none."""

    abstract = True

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Has the task run soon, elsewhere."""
        if settings.CELERY_BROKER_URL:
            return super().apply_async(args, kwargs, **options)
        return clock.submit(self, *(args or ()), **(kwargs or {}))


app = celery.Celery("avchat", task_cls=Task)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

"""The Celery application: who does the work that nobody waits for.

With a broker (`AVCHAT_BROKER_URL`) tasks go to workers, which do them in threads. Without one, the process that serves
does them in a thread of its own (`avchat.work.clock`); a task, its time limit and its `delay()` are the same in both.

A task is acknowledged when it is done, so one whose worker was killed comes again; the schedule also finds by itself
what is due. Therefore every task may be run twice, also at the same time, and may be cut off anywhere. A worker that
is told to end makes use of that: its tasks stop at their next breath and go back to the broker, and what does not
breathe within `ENDING_S` is cut off with the process and left to the schedule.
"""

import os
import signal
from typing import Any

import celery
from celery import signals
from celery.exceptions import Reject
from django.conf import settings

from avchat.work import clock

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avchat.settings")


ENDING_S = 3
"""How long a worker that is told to end may still live, in whole seconds."""


class Task(celery.Task):
    """A task for the broker, or for this process's clock where there is none."""

    abstract = True

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Has the task run soon, elsewhere."""
        if settings.CELERY_BROKER_URL:
            return super().apply_async(args, kwargs, **options)
        return clock.submit(self, *(args or ()), **(kwargs or {}))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Does the task here and now, within its time.

        Raises:
            Overdue: it took longer than it may; as the task itself raises otherwise.
            Ending, Reject: the process ends; in a worker the broker gives the task to the next one.
        """
        try:
            with clock.within(self.soft_time_limit or settings.CELERY_TASK_SOFT_TIME_LIMIT):
                return self.run(*args, **kwargs)
        except clock.Ending:
            if self.request.called_directly:
                raise
            raise Reject("The worker ends", requeue=True) from None


@signals.worker_shutting_down.connect
def _end(**_: Any) -> None:
    clock.end()
    # By the kernel, whatever the process is doing then: it waits for its threads otherwise, for as long as they take.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(ENDING_S)


app = celery.Celery("avchat", task_cls=Task)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

"""The Celery application: `celery --app avchat worker` runs what the product has to do apart from requests."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avchat.settings")

app = Celery("avchat", broker=os.environ.get("AVCHAT_BROKER_URL", "memory://"))
app.autodiscover_tasks()

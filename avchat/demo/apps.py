"""The demo community as a Django application: where it is wanted, its members are at home."""

from django.apps import AppConfig
from django.conf import settings


class DemoConfig(AppConfig):
    name = "avchat.demo"

    def ready(self) -> None:
        if settings.DEMO_BOTS:
            from avchat.demo import bots
            from im import hooks

            hooks.started.append(bots.start)

"""Presence as a Django application: its frames and hooks are registered with the messenger."""

from django.apps import AppConfig


class PresenceConfig(AppConfig):
    name = "presence"

    def ready(self) -> None:
        from presence import contacts, directory, monitor, services  # noqa: F401  (registers frames and hooks)

"""The messenger as a Django application: the services register the frames that they answer."""

from django.apps import AppConfig


class ImConfig(AppConfig):
    name = "im"

    def ready(self) -> None:
        from im import services  # noqa: F401  (registers the frames)

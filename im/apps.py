"""The messenger as a Django application: the services register the frames that they answer."""

from django.apps import AppConfig


class ImConfig(AppConfig):
    name = "im"

    def ready(self) -> None:
        from avchat.tenants import directory
        from im import services  # noqa: F401  (registers the frames)
        from im.nodes import announce

        directory.changed.append(announce.site_changed)

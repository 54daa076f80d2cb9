"""The tenants' place among Django's applications: its signals keep the directory of sites fresh."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "avchat.tenants"

    def ready(self) -> None:
        from avchat.tenants import directory

        directory.watch()

"""Operations among Django's applications: brings the checks of the installation's services."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "avchat.ops"

    def ready(self) -> None:
        from avchat import checks  # noqa: F401  (registers them)

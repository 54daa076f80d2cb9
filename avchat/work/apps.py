"""The work's place among Django's applications: it notes when members who get mail come and go."""

from django.apps import AppConfig


class WorkConfig(AppConfig):
    name = "avchat.work"

    def ready(self) -> None:
        from avchat.work import visits

        visits.listen()

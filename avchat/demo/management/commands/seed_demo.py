"""`manage.py seed_demo`: the demo community with its site, members and history; quick where they are there already."""

from typing import Any

from django.core.management.base import BaseCommand

from avchat.demo import history, site


class Command(BaseCommand):
    help = "Set up the demo community at /demo/."

    def handle(self, *args: Any, **options: Any) -> None:
        site.set_up()
        history.put_in_place()
        self.stdout.write("The demo community is at /demo/.")

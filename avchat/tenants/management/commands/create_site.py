"""`manage.py create_site NAME`: a new site with a first secret, made beside a running server."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from avchat.tenants import services
from avchat.tenants.models import Account


class Command(BaseCommand):
    help = "Create a site and its first secret, which is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--origin", action="append", default=[], metavar="URL", help="may embed the site; repeatable"
        )
        parser.add_argument("--guests", action="store_true", help="let visitors without a token in")
        parser.add_argument("--limits", choices=["default", "none"], default="default", help="none is for load tools")
        parser.add_argument("--grace", type=float, default=10, metavar="SECONDS", help="a member may be gone unseen")
        parser.add_argument("--owner", metavar="EMAIL", help="the account whose dashboard shows the site")
        parser.add_argument("--json", action="store_true", help="end with one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = Account.objects.filter(email=(options["owner"] or "").strip().lower()).first()
        if options["owner"] and owner is None:
            raise CommandError(f"There is no account {options['owner']}.")
        try:
            with transaction.atomic():
                site = services.create_site(
                    account=owner,
                    name=options["name"],
                    guests=options["guests"],
                    limited=options["limits"] != "none",
                    grace=options["grace"],
                )
                for origin in options["origin"]:
                    services.add_origin(account=owner, site=site, origin=origin)
                _, secret = services.add_secret(account=owner, site=site, label="First")
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if options["json"]:
            self.stdout.write(json.dumps({"key": site.key, "secret": secret}))
        else:
            self.stdout.write(f"Site key: {site.key}\nSecret (shown this once): {secret}")

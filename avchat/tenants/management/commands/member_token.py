"""`manage.py member_token SITE_KEY SUB`: a member's token, as the site's own server would mint it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from avchat.tenants import directory, tokens


class Command(BaseCommand):
    help = "Print a member token that is signed with the site's newest secret."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("site_key")
        parser.add_argument("sub", help="the member's id on the community site")
        parser.add_argument("--name", help="the member's name (default: the id)")
        parser.add_argument("--role", choices=["member", "moderator"], default="member")
        parser.add_argument("--avatar", metavar="URL")
        parser.add_argument("--email", metavar="ADDRESS", help="for mails to the member")
        parser.add_argument("--ttl", type=float, default=tokens.MAX_SECONDS, metavar="SECONDS", help="at most 86400")

    def handle(self, *args: Any, **options: Any) -> None:
        site = directory.site(options["site_key"])
        if site is None:
            raise CommandError(f"There is no site with the key {options['site_key']}.")
        try:
            token = tokens.mint(
                site,
                options["sub"],
                options["name"] or options["sub"][:80],
                role=options["role"],
                avatar=options["avatar"],
                email=options["email"],
                ttl=options["ttl"],
            )
        except tokens.TokenError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(token)

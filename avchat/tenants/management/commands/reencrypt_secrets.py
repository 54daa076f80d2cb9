"""`manage.py reencrypt_secrets`: the last step of changing the installation's key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from avchat.tenants import crypto, services


class Command(BaseCommand):
    help = "Put all sites' secrets under the current key, so that AVCHAT_SECRET_KEY_FALLBACKS can be emptied."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = services.reencrypt_secrets()
        except crypto.KeyLost as error:
            raise CommandError(f"{error} Put it into AVCHAT_SECRET_KEY_FALLBACKS.") from error
        self.stdout.write(f"{count} secrets are under the current key.")

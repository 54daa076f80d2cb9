"""The demo community as a site of the service: its key, and the tokens that its server signs."""

from avchat.demo.people import Person
from avchat.tenants import directory, services, tokens
from avchat.tenants.models import Site

KEY = "pk_porchlight"
NAME = "Porchlight Astronomy"
TOKEN_SECONDS = 3600


def set_up() -> Site:
    """The demo site, made if it is not there yet."""
    site, made = Site.objects.get_or_create(
        key=KEY, defaults={"name": NAME, "guests": True, "options": {"panel": "open"}}
    )
    if made:
        services.add_secret(account=None, site=site, label="The demo's own")
    return site


def token(person: Person) -> str:
    """A member token, as the community's own server would sign it for who is logged in."""
    site = directory.site(KEY)
    if site is None:
        raise LookupError("The demo site is not set up.")
    return tokens.mint(
        site,
        person.id,
        person.name,
        avatar=person.avatar,
        role="moderator" if person.moderator else "member",
        ttl=TOKEN_SECONDS,
    )

"""Who asks: a member of a site, as a connection's hello proved it. The first argument of every service."""

from dataclasses import dataclass

from avchat.tenants.directory import SiteInfo


@dataclass(slots=True, frozen=True)
class Caller:
    """An authenticated member. `id` is the database's, `sub` the site's own."""

    site: SiteInfo
    id: int
    sub: str
    role: str

    @property
    def site_id(self) -> int:
        return self.site.id

    @property
    def moderator(self) -> bool:
        """True when the site says that this member moderates."""
        return self.role == "moderator"

"""The names under which the directory finds which node has what."""


def member(id: int) -> str:
    """A connected member, by its database id."""
    return f"m:{id}"


def member_of(name: str) -> int | None:
    """The member that has a name; None where it is none of a member."""
    return int(name[2:]) if name.startswith("m:") else None


def site(id: int) -> str:
    """A site with connected members."""
    return f"s:{id}"


def watched(site_id: int, sub: str) -> str:
    """A member of whose presence somebody wants to know."""
    return f"w:{site_id}:{sub}"

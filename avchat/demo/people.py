"""The members of Porchlight Astronomy. All of them are made up."""

from pathlib import Path
from typing import Literal

from msgspec import Struct, json

DATA = Path(__file__).parent / "data"


class Person(Struct, frozen=True, forbid_unknown_fields=True):
    """A member: `id` is what the community site calls them, and so their `sub` in tokens."""

    id: str
    name: str
    arabic: str
    about: str
    show: Literal["online", "chat", "away", "xa", "dnd", "offline"] = "online"
    status: str = ""
    picture: bool = False
    moderator: bool = False

    @property
    def avatar(self) -> str | None:
        """Where the picture is, for those who have one."""
        return f"/demo/avatars/{self.id}.svg" if self.picture else None


PEOPLE = json.decode((DATA / "people.json").read_bytes(), type=list[Person])
BY_ID = {person.id: person for person in PEOPLE}

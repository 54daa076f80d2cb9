"""The members of Porchlight Astronomy. All of them are made up."""

from dataclasses import dataclass
from typing import Literal

Show = Literal["online", "chat", "away", "xa", "dnd", "offline"]


@dataclass(frozen=True, slots=True)
class Person:
    """A member: `id` is what the community site calls them, and so their `sub` in tokens."""

    id: str
    name: str
    arabic: str
    show: Show = "online"
    status: str = ""
    about: str = ""
    picture: bool = False
    moderator: bool = False

    @property
    def avatar(self) -> str | None:
        """Where the picture is, for those who have one."""
        return f"/demo/avatars/{self.id}.svg" if self.picture else None

    @property
    def first(self) -> str:
        """What friends call them."""
        return self.name.split()[-1] if self.id == "minh-anh" else self.name.split()[0]


PEOPLE = [
    Person("maren", "Maren Whitlock", "مارِن وِتلوك", "chat", "Outside until 2 am",
           "Founded Porchlight on a kitchen table. Brings the biscuits.", True, True),
    Person("tomas", "Tomás Herrera", "توماس هيريرا", "online", "Saturn until the clouds come",
           "Planets through an 8-inch Dobsonian that he built with his daughter.", True),
    Person("aiko", "Aiko Morita", "أيكو موريتا", "chat", "Ask me about guiding",
           "Guiding, mounts, and the patience that they take."),
    Person("kwame", "Kwame Boateng", "كوامي بواتنغ", "online", "Stacking 412 frames…",
           "Deep sky from a Bortle 6 garden. Owns too many hard disks.", True),
    Person("priya", "Priya Raman", "بريا رامان", "dnd", "Imaging run, back at 1",
           "Writes the scripts that focus everybody’s telescopes."),
    Person("oluwaseun", "Oluwaseun Adeyemi", "أولوواسيون أدييمي", "online", 'Looking for a 2" diagonal',
           "Buys, sells, and knows who has a spare."),
    Person("ingrid", "Ingrid Solberg", "إنغريد سولبرغ", "online", "",
           "Building an observatory in the shed, week 14.", True, True),
    Person("mateusz", "Mateusz Zieliński", "ماتيوش جيلينسكي", "away", "Away from the eyepiece",
           "Sketches what he sees, and says where the clouds are."),
    Person("leilani", "Leilani Kahale", "ليلاني كاهالي", "xa", "Gone to fetch the kids",
           "Pencil, red torch, Jupiter.", True),
    Person("yusuf", "Yusuf Demir", "يوسف دمير", "away", "", "Settles arguments about headlamps.", True),
    Person("siobhan", "Siobhán Byrne", "شيفون بيرن", "online", "First light tonight!",
           "New here, with a second-hand telescope and a cat.", True),
    Person("minh-anh", "Nguyễn Minh Anh", "نغوين منه آنه", "offline", "", "Finder scopes, and finding things with them."),
    Person("farah", "Farah Haddad", "فرح حدّاد", "offline", "", "Dew heaters, batteries, everything that freezes."),
    Person("chloe", "Chloé Lefèvre", "كلويه لوفيفر", "offline", "", "Binoculars and a deck chair."),
    Person("dmitri", "Dmitri Sokolov", "دميتري سوكولوف", "offline", "", "Variable stars, one estimate a night."),
]  # fmt: skip
BY_ID = {person.id: person for person in PEOPLE}

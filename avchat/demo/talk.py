"""What was said on Porchlight before anybody came to look."""

import random
from typing import Literal

from msgspec import Struct, json

from avchat.demo.people import DATA

LOBBY_NIGHTS = 13
LOBBY_AGO = 9


class Said(Struct, frozen=True, forbid_unknown_fields=True):
    """A message of the history. `minutes`: since the one before it. `reply`: how many messages back it answers."""

    by: str
    text: str
    minutes: float = 1
    reply: int = 0
    # Each a member's id and an emoji.
    reactions: list[tuple[str, str]] = []
    edited_from: str = ""
    deleted: bool = False


class Talk(Struct, frozen=True, forbid_unknown_fields=True):
    """A conversation: of its members, with a name where it is a group. `ago`: minutes since its last message.

    `unread`: how many messages at its end the first of its members has not read; `tab`: the state of its tab.
    """

    members: list[str]
    ago: float
    said: list[Said]
    name: str = ""
    unread: int = 0
    tab: Literal["open", "minimized", ""] = ""
    also_read: list[str] = []


class _Data(Struct, forbid_unknown_fields=True):
    chatter: list[tuple[str, str]]
    words: dict[str, list[str]]
    answers: list[str]
    lobby_end: list[Said]
    talks: list[Talk]


_data = json.decode((DATA / "talk.json").read_bytes(), type=_Data)
TALKS = _data.talks
CHATTER = _data.chatter


def chatter(dice: random.Random, form: str) -> str:
    """A sentence of small talk, with its gaps filled in."""
    return form.format(**{word: dice.choice(choices) for word, choices in _data.words.items()})


def lobby(people: list[str]) -> Talk:
    """The forum's lobby: nights of small talk, more than two hundred messages, the same on every installation."""
    dice = random.Random(98)
    said: list[Said] = []
    for _ in range(LOBBY_NIGHTS):
        for by, form in dice.sample(CHATTER, 10):
            pause = 480 if len(said) % 18 == 0 else dice.randint(2, 70)
            said.append(Said(by, chatter(dice, form), pause))
            if dice.random() < 0.7:
                other = dice.choice([person for person in people if person != by])
                answers_it = dice.random() < 0.4
                said.append(Said(other, dice.choice(_data.answers), dice.randint(1, 6), int(answers_it)))
    said += _data.lobby_end
    return Talk(people, LOBBY_AGO, said, "Forum lobby", unread=4, also_read=["tomas", "ingrid", "yusuf"])

"""Tags of the demo community: its files, and numbers and names in the page's language."""

from django import template

from avchat.demo.people import BY_ID, Person
from avchat.demo.texts import ARABIC_DIGITS
from avchat.demo.views import FILES

register = template.Library()


@register.simple_tag
def file(name: str) -> str:
    """The address of one of the demo's files."""
    return FILES.address(name)


@register.filter
def digits(number: int, arabic: bool) -> str:
    """A number as the page's readers write it."""
    text = f"{number:,}"
    return text.translate(ARABIC_DIGITS) if arabic else text


@register.filter
def called(person: Person, arabic: bool) -> str:
    """A member's name in the page's script."""
    return person.arabic if arabic else person.name


@register.filter
def member(id: str) -> Person:
    """The member of this id."""
    return BY_ID[id]

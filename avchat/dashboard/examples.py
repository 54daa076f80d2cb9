"""Server-side examples: how a site's own server mints a member token, in four languages.

They are whole files that tests run, so what the dashboard shows is what works.
"""

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from django.utils.safestring import SafeString, mark_safe

FOLDER = Path(__file__).parent / "examples"
SITE_KEY = "__SITE_KEY__"
PARTS = re.compile(r"(?P<comment>(?:(?<=\s)|^)(?:#|//)[^\n]*)|(?P<string>\"[^\"\n]*\"|'[^'\n]*')", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """One language's way."""

    id: str
    language: str
    file: str
    needs: str

    @property
    def code_id(self) -> str:
        """The element of the page that holds the code."""
        return f"code-{self.id}"

    def source(self, site_key: str) -> str:
        """The code with the site's key in it."""
        return (FOLDER / self.file).read_text().replace(SITE_KEY, site_key)


EXAMPLES = [
    Example("python", "Python", "token.py.txt", "Needs PyJWT: pip install PyJWT"),
    Example("php", "PHP", "token.php.txt", "Needs nothing else."),
    Example("node", "Node", "token.mjs.txt", "Needs nothing else."),
    Example("ruby", "Ruby", "token.rb.txt", "Needs nothing else."),
]


def coloured(source: str) -> SafeString:
    """The code as HTML, with its comments and strings marked."""
    pieces: list[str] = []
    at = 0
    for match in PARTS.finditer(source):
        kind = "c" if match["comment"] else "s"
        pieces += [escape(source[at : match.start()]), f'<span class="{kind}">', escape(match[0]), "</span>"]
        at = match.end()
    return mark_safe("".join([*pieces, escape(source[at:])]))

"""Tags of the service's own pages: icons, and people's and sites' initials.

The icons are Lucide's (https://lucide.dev, ISC licence), each as it stands inside its <svg>.
"""

import json
import zlib
from pathlib import Path

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

HUES = 8
ICONS: dict[str, str] = json.loads((Path(__file__).parent.parent / "icons.json").read_bytes())

register = template.Library()


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon, hidden from those who hear the page: what it says stands in words beside it."""
    return format_html(
        '<svg class="i {}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>', classes, mark_safe(ICONS[name])
    )


@register.filter
def initials(name: str) -> str:
    """The first letters of the first and the last word."""
    words = [word for word in name.split() if word[0].isalnum()] or [name[:1]]
    return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper()


@register.filter
def hue(key: str) -> int:
    """A number of a colour that stays with the key."""
    return zlib.crc32(key.encode()) % HUES

"""The script that a site's pages load: the loader with the site's settings in it.

Promises a script that a browser runs without an error whatever the address: for a site that is not there it
only says so in the console.
"""

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from avchat.assets.dist import Build
from avchat.tenants.directory import SiteInfo

PLACE = "__AVCHAT_CONFIG__"
LOOK: dict[str, Any] = {
    "accent": "#0b6e8f",
    "theme": "auto",
    "side": "end",
    "offset": 0,
    "panel": "closed",
    "phone": True,
    "shortcut": "Alt+Shift+C",
}
RIGHT_TO_LEFT = {"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"}


def base_url(request: HttpRequest) -> str:
    """The service's own origin, as pages reach it; no slash at the end."""
    return settings.PUBLIC_URL.rstrip("/") or f"{request.scheme}://{request.get_host()}"


def snippet(request: HttpRequest, site_key: str, token: str) -> str:
    """The line that a site's pages carry; `token` is put in as it stands."""
    return f'<script async src="{base_url(request)}/embed/{site_key}.js" data-token="{token}"></script>'


def loader(build: Build, site: SiteInfo, base: str) -> str:
    """The loader with this site's settings."""
    config = {
        "key": site.key,
        "name": site.name,
        "base": base,
        "chat": build.address("chat"),
        "locales": build.locales,
        "rtl": sorted(RIGHT_TO_LEFT & build.locales.keys()),
        "guests": site.guests,
        **{option: site.options.get(option, default) for option, default in LOOK.items()},
    }
    source = (build.read(build.files["loader"]) or b"").decode()
    return source.replace(PLACE, script_json(config), 1)


def warning(text: str) -> str:
    """A script that does nothing but tell the page's developer."""
    return f"console.warn({script_json('AVChat IM: ' + text)});\n"


def script_json(value: Any) -> str:
    """JSON that is safe inside a script, wherever that script stands."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

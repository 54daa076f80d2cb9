"""Origins as browsers write them: scheme://host, and the port where it is not the scheme's own.

Promises that what people type and what a browser sends in its `Origin` header become the same text, so that
two origins are the same exactly when their texts are.
"""

import ipaddress
import re
from urllib.parse import urlsplit

import idna
from django.core.exceptions import ValidationError

PORTS = {"http": 80, "https": 443}
LOCAL_HOST = re.compile(r"(localhost|127\.[\d.]+|\[::1\])(:|/|$)", re.IGNORECASE)
HOST_FORM = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?"
)
ADVICE = "Write it like https://forum.example.org, without a path."


def origin_of(text: str) -> str:
    """The origin of an address as people write it: `Forum.Example.org/latest` is https://forum.example.org.

    `ValidationError` where it is no address of a web page.
    """
    text = text.strip()
    if not text:
        raise ValidationError(f"The address is missing. {ADVICE}")
    if len(text) > 2000:
        raise ValidationError(f"This address is too long. {ADVICE}")
    if "*" in text:
        raise ValidationError("An origin is one exact address; add each one of them, without *.")
    if "://" not in text:
        text = ("http://" if LOCAL_HOST.match(text) else "https://") + text
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError as error:
        raise ValidationError(f"This is no web address. {ADVICE}") from error
    if scheme not in PORTS:
        raise ValidationError("An origin begins with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise ValidationError(f"An origin has no user name in it. {ADVICE}")
    port_text = "" if port in (None, PORTS[scheme]) else f":{port}"
    return f"{scheme}://{_host(host)}{port_text}"


def _host(host: str) -> str:
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError as error:
            raise ValidationError(f"This is no web address. {ADVICE}") from error
    try:
        ascii_host = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValidationError(f"This is no web address. {ADVICE}") from error
    if not HOST_FORM.fullmatch(ascii_host):
        raise ValidationError(f"This is no web address. {ADVICE}")
    return ascii_host

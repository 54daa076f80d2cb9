"""How files go out to pages of other origins: compressed, revalidated, open to any page that embeds the chat."""

import gzip
import hashlib
import zlib
from functools import lru_cache

import brotli  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import get_conditional_response

from avchat.cache import Shelf

TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
IMMUTABLE = "public, max-age=31536000, immutable"

# Named by what is in it. To render a loader costs less than to ask memcached; to compress it costs milliseconds.
_shelf = Shelf("packed", bytes, seconds=24 * 3600)


def deliver(request: HttpRequest, body: bytes, kind: str, cache: str) -> HttpResponse:
    """The body with its type (`js`, `css` ...) and caching, or 304 where the browser has it already."""
    encoding = preferred(request.headers.get("Accept-Encoding", ""))
    etag = _etag(body, encoding)
    fresh = HttpResponse(_compress(body, encoding), content_type=TYPES[kind])
    fresh["ETag"] = etag
    fresh["Cache-Control"] = cache
    fresh["Vary"] = "Accept-Encoding"
    if encoding != "identity":
        fresh["Content-Encoding"] = encoding
    found = get_conditional_response(request, etag=etag, response=fresh)
    response = found if isinstance(found, HttpResponseNotModified) else fresh
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def preferred(accepted: str) -> str:
    """The encoding to send for an `Accept-Encoding` header: br, gzip or identity."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(",")[:20]:
        name, _, parameter = part.partition(";")
        try:
            weights[name.strip()] = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
    for encoding in ("br", "gzip"):
        if weights.get(encoding, weights.get("*", 0)) > 0:
            return encoding
    return "identity"


@lru_cache(maxsize=1024)
def _etag(body: bytes, encoding: str) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:24]}-{encoding}"'


@lru_cache(maxsize=256)
def _compress(body: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return body
    name = f"{hashlib.sha256(body).hexdigest()}.{encoding}"
    packed = _shelf.fetch({name: encoding}, lambda _: {encoding: _pack(body, encoding)})[encoding]
    # It is a script that runs on the sites' pages: what somebody else wrote into memcached does not go out.
    return packed if _unpack(packed, encoding) == body else _pack(body, encoding)


def _pack(body: bytes, encoding: str) -> bytes:
    return bytes(brotli.compress(body)) if encoding == "br" else gzip.compress(body, mtime=0)


def _unpack(packed: bytes, encoding: str) -> bytes | None:
    try:
        return bytes(brotli.decompress(packed)) if encoding == "br" else gzip.decompress(packed)
    except (brotli.error, OSError, EOFError, zlib.error):
        return None

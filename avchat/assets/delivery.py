"""How files go out to pages of other origins: compressed, revalidated, open to any page that embeds the chat."""

import gzip
import hashlib
from functools import lru_cache

import brotli  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import get_conditional_response

TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
IMMUTABLE = "public, max-age=31536000, immutable"


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
    if encoding == "br":
        return bytes(brotli.compress(body))
    if encoding == "gzip":
        return gzip.compress(body, mtime=0)
    return body

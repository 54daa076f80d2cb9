"""The addresses of the loader and the widget's files."""

import logging

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe

from avchat.assets import delivery, dist, embed
from avchat.tenants import directory

LOADER_CACHE = "public, max-age=60, stale-while-revalidate=86400"
WARNING_CACHE = "public, max-age=60"

log = logging.getLogger(__name__)


@require_safe
def loader(request: HttpRequest, site_key: str) -> HttpResponse:
    """The script of a site's embed snippet."""
    site = directory.site(site_key)
    if site is None:
        text = embed.warning(f"there is no site with the key {site_key}. Compare it with the one in your dashboard.")
        return delivery.deliver(request, text.encode(), "js", WARNING_CACHE)
    if site.suspended:
        text = embed.warning("the chat of this site is suspended. Its owner can ask the service why.")
        return delivery.deliver(request, text.encode(), "js", WARNING_CACHE)
    try:
        script = embed.loader(dist.current(), site, embed.base_url(request))
    except (dist.NotBuilt, KeyError, OSError) as error:
        log.error("The loader cannot be served: %s", error)
        text = embed.warning("the service's widget is not built. Its operator finds the reason in the log.")
        return delivery.deliver(request, text.encode(), "js", "no-store")
    return delivery.deliver(request, script.encode(), "js", LOADER_CACHE)


@require_safe
def file(request: HttpRequest, name: str) -> HttpResponse:
    """A file of the built widget, by the name in the manifest."""
    try:
        build = dist.current()
        # Without a site's settings the loader is not a script.
        body = None if name == build.files["loader"] else build.read(name)
    except (dist.NotBuilt, KeyError, OSError) as error:
        log.error("The widget's files cannot be served: %s", error)
        return _plain("The widget is not built on this server.", 503)
    if body is not None:
        return delivery.deliver(request, body, name.rsplit(".", 1)[-1], delivery.IMMUTABLE)
    # A page may still run a loader of before an update, which names files of before.
    if successor := build.successor(name):
        moved = HttpResponseRedirect(f"/assets/{successor}")
        moved["Access-Control-Allow-Origin"] = "*"
        moved["Cross-Origin-Resource-Policy"] = "cross-origin"
        moved["Cache-Control"] = "no-store"
        return moved
    return _plain("There is no such file.", 404)


def _plain(text: str, status: int) -> HttpResponse:
    response = HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    response["Access-Control-Allow-Origin"] = "*"
    response["Cache-Control"] = "no-store"
    return response

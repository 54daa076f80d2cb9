"""The pages of Porchlight Astronomy, each with the embed snippet as a site's owner would paste it."""

from pathlib import Path
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from avchat.assets.delivery import deliver
from avchat.assets.embed import base_url
from avchat.assets.pages import PageFiles
from avchat.demo import site
from avchat.demo.content import PAGES, TOPICS
from avchat.demo.people import BY_ID, PEOPLE, Person
from avchat.demo.texts import TEXTS

HERE = Path(__file__).parent
FILES = PageFiles(HERE / "files", "/demo/files/")
FIRST = "maren"
# Who the second window is for: the one whom the first member talks with, and the other way round.
PARTNERS = {"tomas": "maren"}
GUEST = "guest"


def policy(base: str) -> str:
    """A strict policy, as a careful site would have it: it names the service's origin and nothing else."""
    socket = base.replace("http", "ws", 1)
    return (
        f"default-src 'none'; script-src {base}; style-src {base}; img-src {base}; connect-src {base} {socket}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@require_safe
def front(request: HttpRequest, page: str = "forum") -> HttpResponse:
    """The first member's page, for who comes without being anybody."""
    return redirect(f"demo:{page}", member=FIRST)


@require_safe
def forum(request: HttpRequest, member: str) -> HttpResponse:
    """The topics of the forum, in English or (`?lang=ar`) in Arabic."""
    language = "ar" if request.GET.get("lang") == "ar" else "en"
    return _page(request, member, "forum", language, topics=PAGES.topics, online=PEOPLE[:5])


@require_safe
def topic(request: HttpRequest, member: str, slug: str) -> HttpResponse:
    """One topic and its posts."""
    if slug not in TOPICS:
        raise Http404
    return _page(request, member, "topic", topic=TOPICS[slug])


@require_safe
def log(request: HttpRequest, member: str) -> HttpResponse:
    """What members saw."""
    return _page(request, member, "log", entries=PAGES.entries)


@require_safe
def gallery(request: HttpRequest, member: str) -> HttpResponse:
    """What members photographed or drew."""
    return _page(request, member, "gallery", pictures=PAGES.pictures)


@require_safe
def meet_ups(request: HttpRequest, member: str) -> HttpResponse:
    """Evenings outside."""
    return _page(request, member, "meet-ups", meet_ups=PAGES.meet_ups)


@require_safe
def members(request: HttpRequest, member: str) -> HttpResponse:
    """Who is in the community."""
    return _page(request, member, "members")


@require_safe
def hostile(request: HttpRequest, member: str) -> HttpResponse:
    """A page whose own stylesheet would wreck anything that it reaches."""
    return _page(request, member, "hostile")


@require_safe
def chat_token(request: HttpRequest, member: str) -> HttpResponse:
    """A fresh token of the member, for a page that has been open for long."""
    person = _person(member)
    if person is None:
        raise Http404
    response = HttpResponse(_token(person), content_type="text/plain; charset=utf-8")
    patch_cache_control(response, no_store=True)
    return response


@require_safe
def files(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """A stylesheet, script or picture of the demo."""
    return FILES.serve(request, digest, name)


@require_safe
def avatar(request: HttpRequest, name: str) -> HttpResponse:
    """A member's picture."""
    person = BY_ID.get(name.removesuffix(".svg"))
    if person is None or person.avatar != f"/demo/avatars/{name}":
        raise Http404
    return deliver(request, (HERE / "avatars" / f"{person.id}.svg").read_bytes(), "svg", "public, max-age=86400")


def _person(member: str) -> Person | None:
    """The member whom an address names; None for a guest."""
    if member == GUEST:
        return None
    if member not in BY_ID:
        raise Http404
    return BY_ID[member]


def _token(person: Person) -> str:
    try:
        return site.token(person)
    except LookupError as error:
        raise Http404("The demo community is not set up: run manage.py seed_demo.") from error


def _page(request: HttpRequest, member: str, page: str, language: str = "en", **more: Any) -> HttpResponse:
    person = _person(member)
    base = base_url(request)
    context = {
        "me": person,
        "member": member,
        "page": page,
        "language": language,
        "arabic": language == "ar",
        "t": TEXTS[language],
        "people": PEOPLE,
        "partner": BY_ID[PARTNERS.get(member, "tomas")],
        "script": f"{base}/embed/{site.KEY}.js",
        "token": _token(person) if person else "",
        **more,
    }
    response = render(request, f"demo/{page}.html", context)
    response["Content-Security-Policy"] = policy(base)
    patch_cache_control(response, no_store=True)
    return response

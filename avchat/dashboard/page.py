"""What all pages of the dashboard share: their strict policy, their files, and notices that outlive a redirect."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from avchat.assets.pages import PageFiles
from avchat.tenants import crypto
from avchat.tenants.models import Account

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TOO_MANY = "That were many tries. Wait ten minutes, then try again."
FILES = PageFiles(Path(__file__).parent / "files", "/dashboard/files/")

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
OwnersView = Callable[Concatenate[HttpRequest, Account, P], HttpResponseBase]


def page(view: View[P]) -> View[P]:
    """A page of the dashboard: nothing inline runs on it, no other site frames it, no cache keeps it."""

    @wraps(view)
    def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Content-Security-Policy"] = POLICY
        return response

    return never_cache(answer)


def for_account(view: OwnersView[P]) -> View[P]:
    """A page for somebody who is logged in; others are sent to log in first."""

    def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        assert isinstance(request.user, Account)
        return view(request, request.user, *args, **kwargs)

    return page(wraps(view)(login_required(answer)))


@require_safe
def files(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """A stylesheet, script or picture of the dashboard."""
    return FILES.serve(request, digest, name)


def notice(request: HttpRequest, place: str, text: str, **undo: Any) -> None:
    """Say something at a place of the next page, with what takes it back: an address (`action`) and its fields."""
    request.session["notice"] = {"place": place, "text": text, "undo": undo}


def show_secret_once(request: HttpRequest, kid: str, text: str) -> None:
    """Let the next page show a secret. It waits in the session, and so in the database, only as ciphertext."""
    request.session["new_secret"] = {"kid": kid, "text": crypto.encrypt(text).decode()}


def take_notices(request: HttpRequest) -> dict[str, Any]:
    """What is to be said on this page, and on no other after it."""
    secret = request.session.pop("new_secret", None)
    if secret:
        secret["text"] = crypto.decrypt(secret["text"].encode())
    return {"notice": request.session.pop("notice", None), "new_secret": secret}


def back_to(place: str, site_key: str, view: str = "dashboard:install") -> HttpResponse:
    """To a card of one of a site's pages, after something was done there."""
    response = redirect(view, key=site_key)
    response["Location"] += f"#{place}"
    return response

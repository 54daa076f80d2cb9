"""What is kept of a site's talk, what is mailed of it, and how to take it along."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from avchat.assets.embed import base_url
from avchat.dashboard.forms import Digest, NamedSite, Retention
from avchat.dashboard.page import back_to, for_account, notice, take_notices
from avchat.dashboard.site_views import all_of, of
from avchat.dashboard.templatetags.dashboard import moment
from avchat.tenants import services
from avchat.tenants.models import Account, Site
from avchat.work import exports, tasks
from avchat.work import retention as retaining

PAGE = "dashboard:data"
CHUNK = 256 * 1024


@require_safe
@for_account
def data(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """All of it on one page."""
    return _data(request, account, of(account, key))


@require_safe
@for_account
def state(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """How the exports are doing, as a piece of the page that its script puts in place."""
    site = of(account, key)
    return render(request, "dashboard/parts/data-state.html", {"site": site, "exports": exports.of(site)})


@require_POST
@for_account
def digest(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """Mail members what they missed, or not."""
    site = of(account, key)
    on = request.POST.get("on") == "yes"
    _set_digest(request, account, site, on=on)
    text = "Members are mailed what they missed." if on else "Members get no more mails."
    notice(request, "digest", text, action=reverse("dashboard:digest", args=[key]), on="no" if on else "yes")
    return back_to("digest", key, PAGE)


@require_POST
@for_account
def digest_settings(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """After how long, and with how much in them."""
    site = of(account, key)
    form = Digest(request.POST)
    if not form.is_valid():
        form.describe()
        return _data(request, account, site, digest_form=form)
    _set_digest(request, account, site, **form.cleaned_data)
    notice(request, "digest", "Saved.")
    return back_to("digest", key, PAGE)


@require_POST
@for_account
def retention(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """Keep messages for so many days. Where that deletes some now, it is shown first how many."""
    site = of(account, key)
    form = Retention(request.POST)
    if not form.is_valid():
        form.describe()
        return _data(request, account, site, retention_form=form)
    days, before = form.cleaned_data["days"], site.retention_days
    if days and retaining.preview(site.pk, days):
        return redirect("dashboard:shorten", key=key, days=days)
    services.set_retention(account=account, site=site, days=days)
    action = reverse("dashboard:retention", args=[key])
    notice(request, "retention", f"{_kept(days)} Nothing is deleted now.", action=action, days=before or "")
    return back_to("retention", key, PAGE)


@for_account
def shorten(request: HttpRequest, account: Account, key: str, days: int) -> HttpResponse:
    """Keep messages for so many days, once the site's name was typed: how many go, and that there is no way back."""
    site = of(account, key)
    if not 1 <= days <= services.MAX_RETENTION_DAYS:
        raise Http404
    form = NamedSite(request.POST or None, site_name=site.name)
    if request.method == "POST" and form.is_valid():
        services.set_retention(account=account, site=site, days=days)
        tasks.soon(tasks.trim_site, site.pk)
        notice(request, "retention", f"{_kept(days)} Older ones are being deleted.")
        return back_to("retention", key, PAGE)
    form.describe()
    context = {
        "site": site,
        "sites": all_of(account),
        "here": "data",
        "form": form,
        "days": days,
        "count": retaining.preview(site.pk, days),
        "many": retaining.MANY,
        "before": moment(retaining.cutoff(days)),
    }
    return render(request, "dashboard/shorten.html", context, status=422 if form.errors else 200)


@require_POST
@for_account
def ask_for_export(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """Have an export written. It is not written here: it takes its time."""
    export = exports.ask(account=account, site=of(account, key))
    tasks.soon(tasks.write_export, export.pk)
    return back_to("exports", key, PAGE)


@require_safe
@for_account
def fetch(request: HttpRequest, account: Account, key: str, export: str) -> StreamingHttpResponse:
    """The file of an export; for nobody but the site's owner, and not once it has expired."""
    site = of(account, key)
    found = exports.ready(site, export)
    if found is None:
        raise Http404
    response = StreamingHttpResponse(_chunks(exports.path(found)), content_type="application/zip")
    day = moment(found.ready).date()
    name = f"{slugify(site.name) or site.key}-{day}.zip"
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["Content-Length"] = str(found.size)
    return response


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def _set_digest(request: HttpRequest, account: Account, site: Site, **changes: Any) -> None:
    now = {"on": site.digest_since is not None, "minutes": site.digest_minutes, "excerpts": site.digest_excerpts}
    try:
        services.set_digest(account=account, site=site, base=base_url(request), **now | changes)
    except ValidationError as error:
        raise Http404 from error


def _kept(days: int | None) -> str:
    if not days:
        return "Messages are kept for ever."
    return f"Messages are kept for {days} day{'' if days == 1 else 's'}."


def _data(request: HttpRequest, account: Account, site: Site, **forms: Any) -> HttpResponse:
    context = {
        "site": site,
        "sites": all_of(account),
        "here": "data",
        "exports": exports.of(site),
        "retention_form": Retention({"days": site.retention_days} if site.retention_days else None),
        "digest_form": Digest({"minutes": site.digest_minutes, "excerpts": site.digest_excerpts}),
        **take_notices(request),
        **forms,
    }
    return render(request, "dashboard/data.html", context, status=422 if any(f.errors for f in forms.values()) else 200)

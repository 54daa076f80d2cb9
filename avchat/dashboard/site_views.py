"""The sites of an account: all of them, a new one, and the page from which a site is installed."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from avchat.assets.embed import base_url
from avchat.dashboard import state as states
from avchat.dashboard.examples import EXAMPLES, coloured
from avchat.dashboard.forms import AddOrigin, AddSecret, AddSite, NamedSite
from avchat.dashboard.page import back_to, for_account, notice, show_secret_once, take_notices
from avchat.tenants import services
from avchat.tenants.models import Account, Site

SEARCH_FROM = 8


def of(account: Account, key: str) -> Site:
    """The account's site with this key; for all others there is no such page."""
    return get_object_or_404(Site, key=key, owner=account)


def all_of(account: Account) -> list[Site]:
    """All sites of the account, by name."""
    return list(account.sites.order_by("name", "pk"))


@require_safe
@for_account
def sites(request: HttpRequest, account: Account) -> HttpResponse:
    """All sites of the account."""
    query = request.GET.get("q", "").strip()[:80]
    everything = account.sites.order_by("name", "pk")
    found = everything.filter(name__icontains=query) | everything.filter(url__icontains=query) if query else everything
    context = {
        "rows": [(site, states.of_site(site)) for site in found],
        "count": everything.count(),
        "query": query,
        "search_from": SEARCH_FROM,
        "here": "sites",
        **take_notices(request),
    }
    return render(request, "dashboard/sites.html", context)


@for_account
def add_site(request: HttpRequest, account: Account) -> HttpResponse:
    """A new site: its name and address, then straight on to installing it."""
    form = AddSite(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                site = services.create_site(account=account, **form.cleaned_data)
                secret, text = services.add_secret(account=account, site=site, label="First")
        except ValidationError as error:
            form.add_error(None, error)
        else:
            show_secret_once(request, secret.kid, text)
            return redirect("dashboard:install", key=site.key)
    form.describe()
    context = {"form": form, "here": "sites"}
    return render(request, "dashboard/add-site.html", context, status=422 if form.errors else 200)


@require_safe
@for_account
def install(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """How the chat gets on a site's pages, and who may bring it there."""
    return _install(request, account, of(account, key))


@require_safe
@for_account
def state(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """How the site is doing, as pieces of the page that its script puts in place."""
    site = of(account, key)
    return render(request, "dashboard/parts/state.html", _state(site))


@require_POST
@for_account
def origins(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """Add an origin, or remove one."""
    site = of(account, key)
    action = reverse("dashboard:origins", args=[key])
    if removed := request.POST.get("remove", ""):
        services.remove_origin(account=account, site=site, origin=removed)
        notice(request, "origins", f"{removed} is removed.", action=action, origin=removed)
        return back_to("origins", key)
    form = AddOrigin(request.POST)
    if form.is_valid():
        try:
            services.add_origin(account=account, site=site, origin=form.cleaned_data["origin"])
        except ValidationError as error:
            form.add_error("origin", error)
        else:
            return back_to("origins", key)
    form.describe()
    return _install(request, account, site, origin_form=form)


@require_POST
@for_account
def guests(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """Let guests in, or not."""
    site = of(account, key)
    allowed = request.POST.get("allowed") == "yes"
    services.set_guests(account=account, site=site, allowed=allowed)
    text = "Guests are let in." if allowed else "Guests are not let in any more."
    action = reverse("dashboard:guests", args=[key])
    notice(request, "guests", text, action=action, allowed="no" if allowed else "yes")
    return back_to("guests", key)


@require_POST
@for_account
def secrets(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """Make one more secret, and show it once."""
    site = of(account, key)
    form = AddSecret(request.POST)
    if form.is_valid():
        try:
            secret, text = services.add_secret(account=account, site=site, label=form.cleaned_data["label"])
        except ValidationError as error:
            form.add_error(None, error)
        else:
            show_secret_once(request, secret.kid, text)
            return back_to("new-secret", key)
    form.describe()
    return _install(request, account, site, secret_form=form)


@for_account
def retire(request: HttpRequest, account: Account, key: str, kid: str) -> HttpResponse:
    """Retire a secret, once the site's name was typed."""
    site = of(account, key)
    secret = get_object_or_404(site.secrets, kid=kid)
    form = NamedSite(request.POST or None, site_name=site.name)
    if request.method == "POST" and form.is_valid():
        services.retire_secret(account=account, site=site, kid=kid)
        notice(request, "secrets", f"{secret.label} is retired.")
        return back_to("secrets", key)
    form.describe()
    context = {"site": site, "secret": secret, "form": form, "here": "install", "sites": all_of(account)}
    return render(request, "dashboard/retire.html", context, status=422 if form.errors else 200)


def _install(request: HttpRequest, account: Account, site: Site, **forms: Any) -> HttpResponse:
    context = {
        **_state(site),
        "sites": all_of(account),
        "base": base_url(request),
        "examples": [(each, source, coloured(source)) for each in EXAMPLES for source in [each.source(site.key)]],
        "origin_form": AddOrigin(),
        "secret_form": AddSecret(),
        "here": "install",
        **take_notices(request),
        **forms,
    }
    refused = any(form.errors for form in forms.values())
    return render(request, "dashboard/install.html", context, status=422 if refused else 200)


def _state(site: Site) -> dict[str, Any]:
    return {
        "site": site,
        "chip": states.of_site(site),
        "origins": [(each, states.of_origin(each)) for each in site.origins.order_by("pk")],
        "secrets": [(each, states.of_secret(each)) for each in site.secrets.order_by("-pk")],
    }

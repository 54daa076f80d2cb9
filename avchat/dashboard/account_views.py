"""Signing up, logging in and out, and changing one's password."""

from django.contrib import auth
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from avchat.dashboard import limits
from avchat.dashboard.forms import ChangePassword, LogIn, SignUp
from avchat.dashboard.page import TOO_MANY, for_account, notice, page, take_notices
from avchat.tenants import services
from avchat.tenants.models import Account


@sensitive_post_parameters("password")
@page
def sign_up(request: HttpRequest) -> HttpResponse:
    """A new account, logged in at once."""
    if request.user.is_authenticated:
        return redirect("dashboard:sites")
    form = SignUp(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not limits.may_sign_up(request):
            form.add_error(None, TOO_MANY)
        else:
            try:
                account = services.sign_up(**form.cleaned_data)
            except ValidationError as error:
                form.add_error(None, error)
            else:
                auth.login(request, account, backend="django.contrib.auth.backends.ModelBackend")
                return redirect("dashboard:sites")
    form.describe()
    return render(request, "dashboard/sign-up.html", {"form": form}, status=422 if form.errors else 200)


@sensitive_post_parameters("password")
@page
def log_in(request: HttpRequest) -> HttpResponse:
    """Logging in, and on to the page that was asked for."""
    target = _target(request)
    if request.user.is_authenticated:
        return redirect(target)
    # Asked before the password is looked at, so that a right guess among too many is no help.
    if request.method == "POST" and not limits.may_log_in(request, request.POST.get("username", "")):
        form = LogIn(request, initial={"username": request.POST.get("username", "")})
        return render(request, "dashboard/log-in.html", {"form": form, "target": target, "stop": TOO_MANY}, status=429)
    form = LogIn(request, request.POST or None)
    if request.method == "POST":
        if form.is_valid():
            auth.login(request, form.get_user())
            return redirect(target)
        limits.note_failure(request, request.POST.get("username", ""))
    form.describe()
    return render(
        request, "dashboard/log-in.html", {"form": form, "target": target}, status=422 if form.errors else 200
    )


@require_POST
@page
def log_out(request: HttpRequest) -> HttpResponse:
    """Logging out."""
    auth.logout(request)
    return redirect("dashboard:log-in")


@sensitive_post_parameters()
@for_account
def account(request: HttpRequest, account: Account) -> HttpResponse:
    """Who one is, and a new password."""
    form = ChangePassword(account, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, account)
        notice(request, "password", "Your password is changed. Other browsers are logged out.")
        return redirect("dashboard:account")
    form.describe()
    context = {"form": form, "here": "account", **take_notices(request)}
    return render(request, "dashboard/account.html", context, status=422 if form.errors else 200)


def _target(request: HttpRequest) -> str:
    """Where to go after logging in; never to another site."""
    wanted = request.POST.get("next", request.GET.get("next", ""))
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if safe else reverse("dashboard:sites")

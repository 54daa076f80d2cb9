"""A new password for somebody who has forgotten theirs, by a link that is mailed to them.

Promises that no answer tells whether an address has an account. The links are Django's: good for
`PASSWORD_RESET_TIMEOUT` seconds, and until the password is changed.
"""

from typing import Any

from django.contrib.auth.views import PasswordResetConfirmView, PasswordResetView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.decorators.http import require_safe
from django.views.generic.base import TemplateResponseMixin

from avchat.assets.embed import base_url
from avchat.dashboard import limits
from avchat.dashboard.forms import AskForReset, NewPassword
from avchat.dashboard.page import TOO_MANY, notice, page


class FormPage(TemplateResponseMixin):
    """A page with a form, whose errors are tied to its fields; what is refused is answered with 422."""

    def render_to_response(self, context: dict[str, Any], **more: Any) -> HttpResponse:
        form = context["form"]
        if form:
            form.describe()
            if form.errors:
                more.setdefault("status", 422)
        return super().render_to_response(context, **more)


class Ask(FormPage, PasswordResetView):
    """Asking for the link."""

    form_class = AskForReset
    template_name = "dashboard/reset.html"
    subject_template_name = "dashboard/mail/reset-subject.txt"
    email_template_name = "dashboard/mail/reset.txt"
    success_url = reverse_lazy("dashboard:reset-sent")

    def form_valid(self, form: Any) -> HttpResponse:
        if not limits.may_ask_for_reset(self.request, form.cleaned_data["email"]):
            return self.render_to_response(self.get_context_data(form=form, stop=TOO_MANY), status=429)
        self.extra_email_context = {"base": base_url(self.request)}
        return super().form_valid(form)


class Choose(FormPage, PasswordResetConfirmView):
    """Choosing the new password. Who has the link has shown who they are, and is logged in."""

    form_class = NewPassword
    template_name = "dashboard/reset-choose.html"
    success_url = reverse_lazy("dashboard:sites")
    post_reset_login = True

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        notice(self.request, "sites", "Your password is changed. Other browsers are logged out.")
        return response

    def render_to_response(self, context: dict[str, Any], **more: Any) -> HttpResponse:
        return super().render_to_response(context, **more, **({} if self.validlink else {"status": 410}))


@require_safe
@page
def sent(request: HttpRequest) -> HttpResponse:
    """What to do next; the same for all."""
    return render(request, "dashboard/reset-sent.html")


ask = page(Ask.as_view())
choose = page(Choose.as_view())

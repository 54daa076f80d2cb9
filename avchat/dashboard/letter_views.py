"""Where a member who got a mail about missed messages wants no more of them, or wants them again.

Without a log-in: the signed link is enough, and only what it names can be changed. Looking at the page changes
nothing, because mail programs follow links by themselves.
"""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from avchat.dashboard.page import page
from avchat.work.letter import subscriber, turn


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@page
def letters(request: HttpRequest, token: str) -> HttpResponse:
    """Stops the mails (also by a mail program's own button, RFC 8058), or starts them again."""
    row = subscriber(token)
    if row is None:
        raise Http404
    if request.method == "POST":
        row.off = request.POST.get("letters") != "on"
        turn(row, on=not row.off)
    return render(request, "dashboard/letters.html", {"row": row, "site_name": row.site.name})

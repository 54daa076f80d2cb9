"""A site's figures of the last days."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from avchat.dashboard import chart
from avchat.dashboard.page import for_account
from avchat.dashboard.site_views import all_of, of
from avchat.tenants.models import Account
from avchat.work.statistics import last_days

FIGURES = {
    "messages": "Messages today",
    "senders": "Members who wrote",
    "conversations": "Conversations",
    "newcomers": "New members",
}


@require_safe
@for_account
def statistics(request: HttpRequest, account: Account, key: str) -> HttpResponse:
    """Today's figures beside yesterday's, and the messages of each day."""
    site = of(account, key)
    days = last_days(site.pk)
    figures = []
    for name, label in FIGURES.items():
        values = [getattr(day, name) for day in days]
        figures.append({"label": label, "today": values[-1], "before": values[-2], "line": chart.sparkline(values)})
    messages = [(day.day, day.messages) for day in days]
    top = chart.scale([count for _, count in messages])
    context = {
        "site": site,
        "sites": all_of(account),
        "here": "statistics",
        "figures": figures,
        "days": days[::-1],
        "bars": chart.bars(messages, top),
        "marks": [top, top // 2, 0],
        "labels": [days[0].day, days[len(days) // 2].day, days[-1].day],
        "quiet": not any(count for _, count in messages),
    }
    return render(request, "dashboard/statistics.html", context)

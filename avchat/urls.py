"""The addresses of the service that Django answers; the messenger's own are in `avchat.asgi`."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from avchat.dashboard.letter_views import letters

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(url="/demo/" if settings.DEMO else "/dashboard/")),
    path("", include("avchat.assets.urls")),
    path("dashboard/", include("avchat.dashboard.urls")),
    path("letters/<str:token>", letters, name="letters"),
    path("demo/", include("avchat.demo.urls")),
]

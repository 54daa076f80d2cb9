"""The addresses of the service that Django answers; the messenger's own are in `avchat.asgi`."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("avchat.ops.urls")),
    path("", include("avchat.assets.urls")),
    path("dashboard/", include("avchat.dashboard.urls")),
    path("demo/", include("avchat.demo.urls")),
]

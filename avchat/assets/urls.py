"""The addresses that pages of the sites load from."""

from django.urls import path, re_path

from avchat.assets import views

urlpatterns = [
    re_path(r"^embed/(?P<site_key>[^/]{1,100})\.js$", views.loader, name="loader"),
    path("assets/<str:name>", views.file, name="asset"),
]

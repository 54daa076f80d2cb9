"""The addresses that operators and their tools ask."""

from django.urls import path

from avchat.ops import views

urlpatterns = [
    path("healthz", views.healthz),
    path("readyz", views.readyz),
]

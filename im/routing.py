"""The messenger's addresses."""

from channels.routing import URLRouter
from django.urls import path

from im.transports.events import EventsConsumer
from im.transports.http import BeginConsumer, EndConsumer, FramesConsumer
from im.transports.websocket import WebSocketConsumer

SESSIONS = "im/v1/sessions"

websocket = URLRouter([path("im/v1/ws", WebSocketConsumer.as_asgi())])
http = [
    path(SESSIONS, BeginConsumer.as_asgi()),
    path(f"{SESSIONS}/<str:session>", EndConsumer.as_asgi()),
    path(f"{SESSIONS}/<str:session>/frames", FramesConsumer.as_asgi()),
    path(f"{SESSIONS}/<str:session>/events", EventsConsumer.as_asgi()),
]

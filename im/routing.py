"""The messenger's addresses."""

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

from im.transports.events import EventsConsumer
from im.transports.http import BeginConsumer, EndConsumer, FramesConsumer
from im.transports.websocket import WebSocketConsumer

SESSIONS = "im/v1/sessions"


async def nowhere(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuses a WebSocket to an address that there is not."""
    await receive()
    await send({"type": "websocket.close"})


websocket = URLRouter([path("im/v1/ws", WebSocketConsumer.as_asgi()), re_path("", nowhere)])  # type: ignore[arg-type]
http = [
    path(SESSIONS, BeginConsumer.as_asgi()),
    path(f"{SESSIONS}/<str:session>", EndConsumer.as_asgi()),
    path(f"{SESSIONS}/<str:session>/frames", FramesConsumer.as_asgi()),
    path(f"{SESSIONS}/<str:session>/events", EventsConsumer.as_asgi()),
]

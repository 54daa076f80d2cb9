"""The ASGI application: the messenger's transports, and Django for everything else."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avchat.settings")
pages = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402

from im import routing  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": URLRouter([*routing.http, re_path("", pages)]),  # type: ignore[arg-type]
        "websocket": routing.websocket,
    }
)

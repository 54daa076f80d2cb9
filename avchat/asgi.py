"""The ASGI application: the messenger's transports, what operators ask, and Django for everything else."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avchat.settings")
django = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402

from avchat.ops import health  # noqa: E402
from avchat.pages import Pages  # noqa: E402
from im import routing  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": URLRouter([*routing.http, *health.urls, re_path("", Pages(django))]),  # type: ignore[arg-type]
        "websocket": routing.websocket,
    }
)

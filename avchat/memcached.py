"""How the installation talks to memcached: its servers, and what Django's cache is told of them.

Part of the settings, and so without Django. Promises that only bytes go in and come out (never a pickle, which
would run whatever somebody else wrote there), and that a server that is gone is waited for once, not at each call.
"""

import hashlib
import re
from typing import Any

SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")

CONNECT_SECONDS = 0.2
ANSWER_SECONDS = 0.2
DEAD_SECONDS = 5
"""How long a server that did not answer is left alone; its keys are the other servers' meanwhile."""
IDLE_SECONDS = 60
"""A connection that nobody used for so long is made anew: somebody on the way may have dropped it."""

FORM = 1
"""To be raised when what is stored takes another form, so that nodes of before and after an update stay apart."""


class Bytes:
    """pymemcache's serializer for values that are bytes already."""

    def serialize(self, key: bytes, value: object) -> tuple[bytes, int]:
        """The value as it is.

        Raises:
            TypeError: it is no bytes.
        """
        if not isinstance(value, bytes):
            raise TypeError("Only bytes are kept in memcached.")
        return value, 0

    def deserialize(self, key: bytes, value: bytes, flags: int) -> bytes:
        """The value as it is."""
        return value


def shared_cache(servers: list[str], secret: str) -> dict[str, Any]:
    """Django's settings for a cache on these servers (host:port each), for the installation with this key.

    A key lives on one server, chosen by rendezvous hashing: where one of n is gone, only its n-th moves. All nodes
    have to name the servers alike. Two installations that share servers by mistake do not see each other's values.

    Raises:
        ValueError: a server is not host:port.
    """
    for server in servers:
        if not SERVER.fullmatch(server):
            raise ValueError(f"AVCHAT_MEMCACHED: {server!r} is not host:port.")
    return {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": servers,
        "KEY_PREFIX": hashlib.sha256(b"memcached " + secret.encode()).hexdigest()[:12],
        "VERSION": FORM,
        "OPTIONS": {
            "serde": Bytes(),
            # Faults are `avchat.cache`'s to catch. Where the client swallows them, an invalidation that got lost
            # looks like one that was done, and writing several values never finds out that a server is gone.
            "ignore_exc": False,
            "no_delay": True,
            "use_pooling": True,
            "pool_idle_timeout": IDLE_SECONDS,
            "connect_timeout": CONNECT_SECONDS,
            "timeout": ANSWER_SECONDS,
            "retry_attempts": 0,
            "dead_timeout": DEAD_SECONDS,
        },
    }

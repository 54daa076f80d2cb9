"""A mail server of a test's own: keeps what it took, and can be told to hold the next mail for ever."""

import asyncio
import threading
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller

from tests.support.server import free_port


class Post:
    """An SMTP server on 127.0.0.1. `mails`: those that it has taken."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, Message]] = []
        self.holding = threading.Event()
        self.hold_from: int | None = None
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    @property
    def url(self) -> str:
        """As `AVCHAT_EMAIL_URL` names it."""
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> "Post":
        """Begins to take mails."""
        self._controller.start()
        return self

    def stop(self) -> None:
        """Ends."""
        self._controller.stop()

    def to(self) -> list[str]:
        """Who got mail, in order."""
        return [address for address, _ in self.mails]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """The library's hook: a mail has come."""
        if self.hold_from == len(self.mails):
            self.holding.set()
            await asyncio.Event().wait()
        self.mails.append((envelope.rcpt_tos[0], message_from_bytes(envelope.content)))
        return "250 OK"

"""The wire between the service and its database, for tests of what is lost on it.

A commit can be lost with its answer (the server has it, and nobody is told) or before it reaches the server.
"""

import contextlib
import select
import socket
import threading
from typing import Literal

COMMIT = b"\x03COMMIT"


class Wire:
    """Passes connections on to 127.0.0.1:`target`.

    `lose` says what becomes of the next commit, which ends its connection; while it is `gone`, no new one is made.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.lose: Literal["answer", "question"] | None = None
        self.lost = 0
        self.gone = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No longer takes connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.gone:
                    client.close()
                    continue
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self.target)) as server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    if end is client and self.lose and data.endswith(COMMIT):
                        how, self.lose = self.lose, None
                        self.lost += 1
                        if how == "answer":
                            server.sendall(data)
                            server.recv(65536)
                        return
                    (server if end is client else client).sendall(data)

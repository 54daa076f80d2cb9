"""A Redis server of a test's own, on a free port, with nothing in it and nothing kept of it.

Promises that a started server answers, that `start` after `kill` comes back empty on the same port, and that
nothing is left running after `stop`.
"""

import contextlib
import socket
import subprocess
import time
from pathlib import Path

from tests.support.server import free_port

START_SECONDS = 20


class Redis:
    """`redis-server` with its files below `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Its address, with the first of its databases."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> "Redis":
        """Starts the process and waits until it answers.

        Raises:
            RuntimeError: it ended, or did not answer within `START_SECONDS`; with its log.
        """
        log = self.directory / "redis.log"
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory), "--save", ""]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["redis-server", *options], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as link:
                link.sendall(b"PING\r\n")
                if link.recv(16).startswith(b"+PONG"):
                    return self
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"Redis did not start:\n{log.read_text()[-4000:]}")

    def stop(self) -> None:
        """Ends the process, as an operator would (SIGTERM)."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """Ends the process at once, as a crash would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

"""A Redis server of a test's own, on a free port and without a disk: what is stopped has forgotten everything."""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.support.server import free_port

START_SECONDS = 20


class Redis:
    """`redis-server` in a directory; `start` after `stop` or `kill` comes back on the same port, empty."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, as settings name it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> "Redis":
        """Starts it, unless it runs, and waits until it answers.

        Raises:
            RuntimeError: it ended, or did not answer in time.
        """
        if self._process is not None and self._process.poll() is None:
            return self
        command = shutil.which("redis-server") or "/usr/bin/redis-server"
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([command, *options], cwd=self.directory, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self._say(b"PING") == b"+PONG":
                    return self
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"Redis did not start:\n{(self.directory / 'redis.log').read_text()[-2000:]}")

    def empty(self) -> None:
        """Takes everything out."""
        assert self._say(b"FLUSHALL") == b"+OK"

    def _say(self, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(100).strip()

    def stop(self) -> None:
        """Ends it as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

"""A Celery worker of a test's own, beside a server whose environment names the broker."""

import signal
import subprocess
import time

from avchat.ops.cluster import parts
from tests.support.server import BASE, Server

START_SECONDS = 60
STOP_SECONDS = 15


class Worker:
    """The worker that a cluster and the containers run."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.log = server.log.with_name("worker.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Worker":
        """Starts it, and waits until it takes tasks.

        Raises:
            RuntimeError: it ended, or was not ready within `START_SECONDS`; with the end of its log.
        """
        self.log.write_bytes(b"")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                parts.python(parts.WORKER),
                cwd=BASE,
                env=self.server.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if b" ready." in self.log.read_bytes():
                return self
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"The worker did not start:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """Ends it at once, as a crash of the machine would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it, as an operator would (SIGTERM)."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process = None

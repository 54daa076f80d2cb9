"""A Celery worker of a test's own, beside a server whose environment names the broker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.server import BASE, Server

START_SECONDS = 60


class Worker:
    """`celery -A avchat worker` with one child that does the tasks; a process group, to be killed whole."""

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
        command = [sys.executable, "-m", "celery", "-A", "avchat", "worker", "-c", "1", "--loglevel", "INFO"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
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
        """Ends the worker and its child at once, as a crash of the machine would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def kill_child(self) -> None:
        """Ends the child alone at once; the worker starts another one."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)

    def stop(self) -> None:
        """Ends it, as an operator would (SIGTERM)."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if how == signal.SIGKILL:
            os.killpg(self._process.pid, how)
        else:
            self._process.send_signal(how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise
        finally:
            self._process = None

"""An installation and its commands; the real server as a process, with its own var/ directory, database and port.

Promises that a started server answers `/readyz`, that `restart` comes back on the same port with the same data, and
that nothing is left running after `stop`.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

BASE = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 20


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def fresh_database(directory: Path) -> str:
    """The address of an empty database of the kind that the tests run on."""
    if os.environ.get("AVCHAT_TEST_DATABASE") == "mariadb":
        from tests.support import mariadb

        return mariadb.shared().create()
    return f"sqlite:///{directory / 'db.sqlite3'}"


def inherited() -> dict[str, str]:
    """The environment of this process, without settings of the product."""
    ours = ("AVCHAT_", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


class Installation:
    """An installation that `manage.py` finds by its `environment`; `base` is the origin of the service."""

    base: str
    port: int
    environment: dict[str, str]

    def __init__(self) -> None:
        self._commands: subprocess.Popen[str] | None = None

    def manage(self, *arguments: str) -> str:
        """Runs `manage.py` beside the server; answers the last line of its output."""
        process = self.start_command(*arguments, output=subprocess.PIPE)
        output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)}: {output.decode()}")
        return output.decode().strip().rpartition("\n")[2]

    def command(self, *arguments: str) -> str:
        """As `manage`, but through one helper process that stays, so that a site costs milliseconds."""
        if self._commands is None:
            self._commands = subprocess.Popen(
                [sys.executable, "-m", "tests.support.commands"],
                cwd=BASE,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._commands.stdin is not None
        assert self._commands.stdout is not None
        self._commands.stdin.write(json.dumps(arguments) + "\n")
        self._commands.stdin.flush()
        answer: dict[str, str] = json.loads(self._commands.stdout.readline())
        if "error" in answer:
            raise RuntimeError(f"manage.py {' '.join(arguments)}: {answer['error']}")
        return answer["output"].strip().rpartition("\n")[2]

    def dismiss(self) -> None:
        """Ends the helper process of `command`."""
        if self._commands is not None:
            self._commands.communicate()
            self._commands = None

    def start_command(self, *arguments: str, output: int | IO[Any]) -> subprocess.Popen[bytes]:
        """Starts `manage.py` with these arguments, as a process of its own."""
        return self._python("manage.py", *arguments, output=output)

    def _python(self, *arguments: str, output: int | IO[Any]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=BASE,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A terminal's Ctrl-C is for whoever started this, and ends it.
            start_new_session=True,
        )


class Server(Installation):
    """`manage.py serve` below `directory`; `environment` sets what an operator would."""

    def __init__(self, directory: Path, **environment: str) -> None:
        super().__init__()
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = directory / "server.log"
        ours = {
            "AVCHAT_VAR": str(directory),
            "AVCHAT_DATABASE_URL": environment.get("AVCHAT_DATABASE_URL") or fresh_database(directory),
            "PYTHONUNBUFFERED": "1",
        }
        self.environment = inherited() | ours | environment
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        directory.mkdir(parents=True, exist_ok=True)
        self.manage("migrate", "--verbosity", "0")

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> "Server":
        """Starts the process and waits until it is ready.

        Raises:
            RuntimeError: it ended, or was not ready within `START_SECONDS`; with the end of its log.
        """
        with self.log.open("ab") as log:
            self._process = self._python(*self._serve(), output=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.running:
            try:
                with urllib.request.urlopen(f"{self.base}/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"The server did not start:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """Ends the process at once, as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """Asks the process to end, as an operator would (SIGTERM), and waits for it."""
        self._end(signal.SIGTERM)

    def stop(self) -> None:
        """Ends everything that this object started."""
        self._end(signal.SIGTERM)
        self.dismiss()

    def restart(self) -> None:
        """Comes back on the same port with the same data."""
        self.terminate()
        self.start()

    def complaints(self) -> list[str]:
        """The tracebacks that the server has logged since this was last asked."""
        text = self.log.read_text(errors="replace")
        fresh, self._read = text[self._read :], len(text)
        return re.findall(r"^.*\nTraceback \(most recent call last\):\n(?:(?:  .*)?\n)*.*", "\n" + fresh, re.MULTILINE)

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

    def _serve(self) -> list[str]:
        return ["manage.py", "serve", "--bind", f"127.0.0.1:{self.port}"]


class Daphne(Server):
    """The same application on Daphne as it is, which knows of no connection pool."""

    def _serve(self) -> list[str]:
        # Its handshakes are given five seconds otherwise, which a busy machine does not keep.
        patience = ["--websocket_connect_timeout", "60"]
        return [
            "-m",
            "daphne",
            "-v",
            "0",
            *patience,
            "-b",
            "127.0.0.1",
            "-p",
            str(self.port),
            "avchat.asgi:application",
        ]

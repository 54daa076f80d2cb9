"""A memcached of the tests' own, on a free port.

Promises that a started one answers, that `restart` comes back on the same port and empty, and that nothing is left
running after `stop`.
"""

import getpass
import signal
import socket
import subprocess
import time

from tests.support.server import free_port

START_SECONDS = 20


class Memcached:
    """The memcached that Debian installs."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> "Memcached":
        """Starts it and waits until it answers.

        Raises:
            RuntimeError: it ended, or did not answer within `START_SECONDS`.
        """
        here = ["-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-u", getpass.getuser()]
        # Items stay where they are, so that `contents` finds all of them.
        self._process = subprocess.Popen(["memcached", *here, "-m", "32", "-o", "no_modern"])
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.stats()
            except OSError:
                time.sleep(0.01)
            else:
                return self
        self.stop()
        raise RuntimeError("memcached did not start.")

    def kill(self) -> None:
        """Ends it at once, with all that it has."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it, frozen or not."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Comes back empty."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Answers nothing any more, as if cut off, and forgets nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Answers again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stats(self) -> dict[str, int]:
        """Its own counts that are numbers: `get_hits`, `curr_items`, `total_connections` ..."""
        pairs = (line.split()[1:3] for line in self._ask(b"stats") if line.startswith(b"STAT "))
        return {name.decode(): int(value) for name, value in pairs if value.isdigit()}

    def contents(self) -> dict[str, bytes]:
        """All that it has, by key."""
        slabs = {line.split(b":")[1] for line in self._ask(b"stats items")}
        lines = [line for slab in slabs for line in self._ask(b"stats cachedump " + slab + b" 0")]
        keys = [line.split()[1].decode() for line in lines]
        return {key: value for key in keys if (value := self._get(key)) is not None}

    def _get(self, key: str) -> bytes | None:
        lines = self._ask(f"get {key}".encode())
        return b"\r\n".join(lines[1:]) if lines else None

    def _ask(self, command: bytes) -> list[bytes]:
        """The lines of an answer that ends with END."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS) as connection:
            connection.sendall(command + b"\r\n")
            answer = b""
            while not answer.endswith(b"END\r\n"):
                data = connection.recv(1 << 16)
                if not data:
                    raise ConnectionError(f"memcached broke off after {answer[-100:]!r}")
                answer += data
        return answer.removesuffix(b"END\r\n").removesuffix(b"\r\n").replace(b"\r\n", b"\n").splitlines()

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

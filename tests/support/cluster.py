"""A cluster as an operator starts it, with a var/ directory and ports of its own, and hands to hurt its parts.

Promises that nothing of it is left running after `stop`.
"""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.server import BASE, Installation, free_port, inherited

NODES = 2
START_SECONDS = 180
BACK_SECONDS = 10
"""Within how many seconds a part is back, whatever ended it."""
STOP_SECONDS = 5
"""Within how many seconds everything has ended after Ctrl-C."""
# What is installed is current while tests run.
MAKE = ("make", "--old-file", ".venv/run.stamp", "--old-file", ".venv/mysql.stamp", "cluster")
MARK = "CLUSTER_TEST"


class Cluster(Installation):
    """`make cluster` below `var`. `wrapper`: a command that runs it, such as `unshare`."""

    def __init__(self, var: Path, *, nodes: int = NODES, wrapper: Sequence[str] = ()) -> None:
        super().__init__()
        self.var = var
        self.nodes = nodes
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = var / "cluster.log"
        self.environment = inherited() | {"AVCHAT_ENV_FILE": str(var / "cluster.env")}
        self._wrapper = wrapper
        self._known: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        var.mkdir(parents=True, exist_ok=True)

    def start(self) -> "Cluster":
        """Starts it and waits until it serves.

        Raises:
            RuntimeError: it ended, or did not serve within `START_SECONDS`; with what it said.
        """
        command = [*self._wrapper, *MAKE, f"NODES={self.nodes}", f"PORT={self.port}"]
        environment = inherited() | {"AVCHAT_VAR": str(self.var), MARK: str(self.var)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=BASE,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A terminal's Ctrl-C reaches the whole foreground group; so does `interrupt`.
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not (self.var / "cluster.json").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"The cluster did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)
        return self

    @property
    def state(self) -> dict[str, Any]:
        """What `cluster.json` says."""
        state: dict[str, Any] = json.loads((self.var / "cluster.json").read_text())
        return state

    @property
    def supervisor(self) -> int:
        """The process that keeps the others."""
        return int((self.var / "cluster" / "supervisor").read_text())

    @property
    def pids(self) -> dict[str, int]:
        """The process of every part, by the part's name."""
        state = self.state
        pids = {node["name"]: node["pid"] for node in state["nodes"]} | {
            name: service["pid"] for name, service in state["services"].items()
        }
        self._known |= set(pids.values())
        return pids

    @property
    def node_names(self) -> list[str]:
        """The names of the nodes."""
        return [node["name"] for node in self.state["nodes"]]

    def send(self, part: str, how: signal.Signals) -> int:
        """Sends a signal to a part; answers the process that got it."""
        pid = self.pids[part]
        os.kill(pid, how)
        return pid

    async def back(self, part: str, before: int, within: float = START_SECONDS) -> int:
        """Waits until another process than `before` does the part's work; answers which."""
        await until(lambda: self.pids[part] != before, f"{part} is not back", within)
        return self.pids[part]

    async def hit(self, part: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends a part and waits until it is back."""
        await self.back(part, self.send(part, how))

    def left(self) -> list[str]:
        """The command lines of the cluster's processes that run."""
        mark = f"{MARK}={self.var}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                # Redis writes its title over its environment.
                if int(process.name) in self._known or mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                # It has just ended.
                continue
        return [command for command in found if command]

    def interrupt(self) -> None:
        """What Ctrl-C in its terminal does."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)

    def wait(self, within: float) -> None:
        """Waits until the command that was started has ended."""
        assert self._process is not None
        self._process.wait(within)

    def stop(self) -> None:
        """Ends it; whatever does not end is made to."""
        self.dismiss()
        if self._process is None:
            return
        try:
            if self._process.poll() is None:
                self.interrupt()
            self._process.wait(4 * STOP_SECONDS)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None


async def until(holds: Callable[[], object], otherwise: str, within: float) -> None:
    """Waits until something holds.

    Raises:
        AssertionError: it did not within so many seconds; says `otherwise`.
    """
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"{otherwise} after {within} seconds"
        await asyncio.sleep(0.05)

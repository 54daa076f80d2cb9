"""The supervisor of a cluster: starts its parts in order, starts again what has ended, and ends them together.

Promises that `cluster.json` and `cluster.env` are there exactly as long as the cluster serves, that they name the
processes that answer, and that they are always whole. A part that has ended is started at once; one that ends again
within a second waits for a second. A process that is frozen has not ended and is left alone.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from avchat.ops.cluster import parts
from avchat.ops.cluster.part import Part, at_once
from avchat.ops.cluster.parts import Layout

START_S = 120
"""How long everything together may take to answer, in seconds."""
PAUSE_S = 1.0
"""What lies between two starts of the same part at least, in seconds."""
SETTLE_S = 4.0
"""How long the members of a node that has ended may take to come back, before the next node ends, in seconds."""
FRONT_PATIENCE_S, STORE_PATIENCE_S = 2.5, 1.5
"""How long what serves, and then what stores, gets to end by itself, in seconds. Both together stay below 5."""
ROLL = signal.SIGUSR1
"""The signal that has one node after the other ended and started again."""


class Failed(Exception):
    """The cluster cannot be started, or not be kept; says why."""


class Supervisor:
    """Runs one cluster below `var`. `say` is told, in lines, what happens."""

    def __init__(self, var: Path, *, nodes: int, port: int, say: Callable[[str], object]) -> None:
        self.var = var
        self.directory = var / "cluster"
        self.nodes = nodes
        self.port = port
        self.say = say
        self.layout: Layout
        self.parts: dict[str, Part] = {}
        self.pids: dict[str, int] = {}
        self.serving = False
        self._changed = asyncio.Event()
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._rolling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serves until SIGINT, SIGTERM or SIGHUP; then nothing is left running.

        Raises:
            Failed: another cluster runs here, the port is taken, or a part does not start.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with _alone(self.directory):
            _check_free(self.port)
            self._forget()
            work = asyncio.create_task(self._work())
            loop = asyncio.get_running_loop()
            for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(name, work.cancel)
            loop.add_signal_handler(ROLL, self._roll_once)
            try:
                await work
            except asyncio.CancelledError:
                pass
            except TimeoutError:
                raise Failed(f"The cluster did not start within {START_S} seconds.") from None
            finally:
                self._forget()
                await self._end()

    async def _work(self) -> None:
        async with asyncio.timeout(START_S):
            self.say("Starting MariaDB, Redis, memcached ...")
            # A first start makes the database's files, which takes a few seconds.
            self.layout = await asyncio.to_thread(Layout, self.directory, self.nodes, self.port)
            await self._start(await asyncio.to_thread(parts.stores, self.layout))
            self.say("Preparing the database ...")
            for command in (parts.MIGRATE, parts.SEED):
                await self._step(command)
            self.say(f"Starting {self.nodes} nodes, the worker, nginx ...")
            await self._start([*parts.nodes(self.layout), *parts.workers(self.layout)])
            await self._start([parts.nginx(self.layout)])
        self.serving = True
        self._tell()
        self.say(
            f"\n  Demo community  {self.layout.url}/demo/\n  Dashboard       {self.layout.url}/dashboard/\n"
            f"  Its parts       {self.var / 'cluster.json'}\n"
            f"  Commands        AVCHAT_ENV_FILE={self.var / 'cluster.env'} manage.py ...\n\nCtrl+C stops it."
        )
        await asyncio.gather(*self._keepers.values())

    async def _step(self, command: Iterable[str]) -> None:
        """Runs a command to its end."""
        command = parts.python([*command])
        step = Part("step", "", command, at_once, self.directory / "log" / "prepare.log")
        step.environment = self.layout.environment(**self.layout.settings)
        self.parts["step"] = step
        await step.start()
        if await step.ended():
            raise Failed(f"{' '.join(command)} failed:\n{_last_lines(step.log)}")

    async def _start(self, group: list[Part]) -> None:
        """Starts parts, waits until all of them answer, and keeps them running from then on."""
        for part in group:
            part.log.write_bytes(b"")
            self.parts[part.name] = part
            await part.start()
        for part, answers in zip(group, await asyncio.gather(*(part.answers() for part in group)), strict=True):
            if not answers:
                raise Failed(f"{part.name} does not start:\n{_last_lines(part.log)}")
            self._running(part)
            self._keepers[part.name] = asyncio.create_task(self._keep(part))

    async def _keep(self, part: Part) -> None:
        loop = asyncio.get_running_loop()
        while True:
            code = await part.ended()
            self.say(f"{part.name} has ended ({_how(code)}); starting it again.")
            began = loop.time()
            await part.start()
            if await part.answers():
                self._running(part)
            else:
                await asyncio.sleep(max(0.0, began + PAUSE_S - loop.time()))

    def _running(self, part: Part) -> None:
        assert part.process is not None
        self.pids[part.name] = part.process.pid
        self._changed.set()
        if self.serving:
            self._tell()

    def _tell(self) -> None:
        """Writes down what runs where."""
        layout = self.layout
        told = {
            "url": layout.url,
            "nodes": [
                {"name": name, "pid": self.pids[name], "url": f"http://{layout.addresses[name]}"}
                for name in layout.node_names
            ],
            "services": {
                name: {"pid": self.pids[name], "address": part.address}
                for name, part in self.parts.items()
                if name in self.pids and name not in layout.node_names
            },
        }
        settings = "".join(f"{name}={value}\n" for name, value in layout.settings.items())
        _write(self.var / "cluster.env", settings)
        _write(self.var / "cluster.json", json.dumps(told, indent=2) + "\n")

    def _forget(self) -> None:
        self.serving = False
        for name in ("cluster.json", "cluster.env"):
            (self.var / name).unlink(missing_ok=True)

    def _roll_once(self) -> None:
        if self.serving and (self._rolling is None or self._rolling.done()):
            self._rolling = asyncio.create_task(self._roll())

    async def _roll(self) -> None:
        """Ends one node after the other; each is back, and so are its members, before the next ends."""
        for name in self.layout.node_names:
            before = self.pids[name]
            with contextlib.suppress(ProcessLookupError):
                os.kill(before, signal.SIGTERM)
            while self.pids[name] == before:
                self._changed.clear()
                await self._changed.wait()
            if name != self.layout.node_names[-1]:
                await asyncio.sleep(SETTLE_S)
        self.say("Every node has been started again.")

    async def _end(self) -> None:
        """Ends first what serves and then what stores, so that nothing that was taken in is lost on the way."""
        tasks = [*self._keepers.values(), *([self._rolling] if self._rolling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stores = [self.parts.pop(name) for name in ("mariadb", "redis", "broker", "memcached") if name in self.parts]
        await asyncio.gather(*(part.stop(FRONT_PATIENCE_S) for part in self.parts.values()))
        await asyncio.gather(*(part.stop(STORE_PATIENCE_S) for part in stores))


def restart(var: Path) -> int:
    """Asks the cluster below `var` for a rolling restart; answers the supervisor's process.

    Raises:
        Failed: none runs there.
    """
    with contextlib.suppress(OSError, ValueError), (var / "cluster" / "supervisor").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = int(lock.read())
            os.kill(pid, ROLL)
            return pid
    raise Failed(f"No cluster runs below {var}.")


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Holds the directory for this process; the lock goes with the process, however it ends."""
    with (directory / "supervisor").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"A cluster runs below {directory} already.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((parts.HOST, port))
        except OSError:
            raise Failed(f"Port {port} is taken: choose another with 'make cluster PORT={port + 1}'.") from None


def _write(path: Path, text: str) -> None:
    """Replaces a file in one step; only its owner may read it."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"code {code}"


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])

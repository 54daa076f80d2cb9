"""A part of a cluster: a command that runs, the process that it is just now, and how one knows that it answers.

Promises that the process dies with the supervisor, however that ends, and that nothing of a part is left when
its process has ended.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROBE_S = 0.05
"""How often a part that starts is asked whether it answers, in seconds."""
ANSWER_S = 1.0
"""How long it may take to answer that, in seconds."""

Ready = Callable[["Part"], Awaitable[bool]]


@dataclass(slots=True)
class Part:
    """What runs as one process. `ready` tells whether it answers; `address` is host:port."""

    name: str
    address: str
    command: Sequence[str]
    ready: Ready
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> asyncio.subprocess.Process:
        """Starts the process; whether it answers is another matter (`answers`)."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                # It replaces itself by the command, which the kernel then kills when its parent dies.
                *("setpriv", "--pdeathsig", "KILL", "--", *self.command),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: a terminal's Ctrl-C is for the supervisor, which ends the parts in order.
                start_new_session=True,
            )
        return self.process

    async def answers(self) -> bool:
        """Waits until the process answers (True) or has ended (False)."""
        process = self.process
        while process is not None and process.returncode is None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    if await self.ready(self):
                        return True
            await asyncio.sleep(PROBE_S)
        return False

    async def ended(self) -> int:
        """Waits for the end of the process, and clears away what it has left; answers its code."""
        assert self.process is not None
        code = await self.process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return code

    async def stop(self, patience_s: float) -> None:
        """Asks the process to end, and makes it when it has not within `patience_s` seconds."""
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(patience_s):
                await self.ended()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.ended()


def replies(request: bytes, expected: bytes) -> Ready:
    """Ready when the part's address answers `request` with something that has `expected` in it."""

    async def ready(part: Part) -> bool:
        host, _, port = part.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request)
            answer = b""
            while expected not in answer and (data := await reader.read(4096)):
                answer += data
            return expected in answer
        finally:
            writer.transport.abort()

    return ready


def logs(text: str) -> Ready:
    """Ready when the part's process has written `text` into its log."""
    began = 0

    async def ready(part: Part) -> bool:
        nonlocal began
        with part.log.open() as log:
            log.seek(began)
            found = text in log.read()
        if found:
            # What its successor writes comes after this.
            began = part.log.stat().st_size
        return found

    return ready


async def at_once(part: Part) -> bool:
    """Ready as soon as it runs."""
    return True

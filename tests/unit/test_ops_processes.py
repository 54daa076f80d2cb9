"""Several serving processes under one."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management.base import CommandError

from avchat.ops.management.commands.serve import Command
from tests.support.server import BASE, free_port

SCRIPT = """
import os, sys, threading
import django
django.setup()
from avchat.ops import processes
from avchat.ops.server import _listener
def work(listener):
    def answer():
        while True:
            connection, _ = listener.accept()
            connection.sendall(str(os.getpid()).encode())
            connection.close()
    threading.Thread(target=answer, daemon=True).start()
    import signal
    signal.sigwait({signal.SIGTERM})
processes.PAUSE_S = 0
sockets = [_listener("127.0.0.1", int(sys.argv[1]), shared=True) for _ in range(3)]
processes.supervise(sockets, work, lambda: print("ready", flush=True))
"""


@pytest.fixture
def watched() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Three processes that answer with their pid, and the one that watches them; and their port."""
    port = free_port()
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(port)], cwd=BASE, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process, port
    if process.poll() is None:
        process.terminate()
    process.wait(20)
    process.stdout.close()


def pids(port: int) -> set[int]:
    """Who answers."""
    found = set()
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            # One that is just being killed may have taken the connection, and says nothing.
            if said := connection.recv(20):
                found.add(int(said))
    return found


def until(condition: Callable[[], Any]) -> None:
    """Waits for something."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_all_of_them_share_the_address(watched: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = watched
    assert len(pids(port)) == 3
    assert process.pid not in pids(port)


def test_one_that_dies_is_replaced_and_nobody_is_turned_away(watched: tuple[subprocess.Popen[bytes], int]) -> None:
    _, port = watched
    before = pids(port)
    dead = before.pop()
    os.kill(dead, signal.SIGKILL)
    until(lambda: len(pids(port)) == 3)
    after = pids(port)
    assert dead not in after
    assert before < after


def test_sigterm_ends_all_of_them_and_gives_the_address_up(watched: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = watched
    children = pids(port)
    process.terminate()
    assert process.wait(20) == 0
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 5):
        pytest.fail("somebody still listens")


def test_several_processes_need_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVCHAT_REDIS_URL", raising=False)
    with pytest.raises(CommandError, match="AVCHAT_REDIS_URL"):
        Command().handle(bind="127.0.0.1:1", processes=2)

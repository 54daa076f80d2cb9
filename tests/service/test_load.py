"""The load tools against a real server: few members, over each transport, through a restart, and cut off."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from avchat.ops.load.machine import tree
from tests.support.server import Server
from tests.support.site import TRANSPORTS

PATIENCE_S = 120.0


class Tool:
    """A load tool that runs, on a site of its own; what it says goes to a file."""

    def __init__(self, server: Server, directory: Path, command: str, *arguments: str) -> None:
        made = json.loads(server.command("create_site", "Load", "--json"))
        self.output = directory / f"{command}.log"
        with self.output.open("wb") as output:
            self.process = server.start_command(
                command, "--to", f"127.0.0.1:{server.port}", "--site", made["key"], *arguments, output=output
            )

    def until(self, condition: Callable[[str], bool]) -> None:
        """Waits until what it has said is so."""
        end = time.monotonic() + PATIENCE_S
        while not condition(self.output.read_text()):
            assert time.monotonic() < end, self.output.read_text()
            assert self.process.poll() is None, self.output.read_text()
            time.sleep(0.05)

    def report(self, status: int = 0) -> dict[str, Any]:
        """Waits for its end; the last line of what it says."""
        assert self.process.wait(PATIENCE_S) == status, self.output.read_text()
        found: dict[str, Any] = json.loads(self.output.read_text().splitlines()[-1])
        return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Tool]]:
    """Starts tools, which end with the test."""
    tools: list[Tool] = []

    def start(server: Server, command: str, *arguments: str) -> Tool:
        tools.append(Tool(server, tmp_path, command, *arguments))
        return tools[-1]

    yield start
    for tool in tools:
        if tool.process.poll() is None:
            tool.process.kill()
            tool.process.wait()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that a test may restart."""
    server = Server(tmp_path / "server")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.mark.parametrize("way", TRANSPORTS)
def test_members_talk_over_each_transport_and_everything_arrives(
    server: Server, start: Callable[..., Tool], way: str
) -> None:
    asked = ("--members=50", "--processes=2", "--rate=40", "--seconds=3", "--group=5", "--presence=5")
    report = start(server, "msggen", f"--transport={way}", f"--pid={server.pid}", *asked).report()
    assert report["came"] == report["here"] == report["members"] == 50
    assert report["transport"] == way
    assert report["sent"] == report["answered"] > 0
    # Each message has four recipients.
    assert report["delivered"] == 4 * report["sent"]
    for fault in ("lost", "doubled", "disordered", "strayed", "unanswered", "refused", "held_back", "not_taken"):
        assert report[fault] == 0, fault
    assert report["presence_set"] == report["presence_answered"] > 0
    assert report["presence_seen"] > 0
    assert report["presence_lost"] == 0
    assert 0 < report["p50_ms"] <= report["p99_ms"] <= report["p999_ms"] <= report["max_ms"]
    assert report["server_processes"] == 1
    assert report["cpu_percent"] > 0
    assert {"kb_per_member", "kb_per_member_idle"} <= report.keys()
    assert server.complaints() == []


@pytest.mark.parametrize("way", TRANSPORTS)
def test_members_who_talk_come_back_after_a_restart_and_nothing_is_lost(
    own_server: Server, start: Callable[..., Tool], way: str
) -> None:
    tool = start(own_server, "msggen", f"--transport={way}", "--members=20", "--rate=20", "--seconds=8")
    tool.until(lambda said: ", 1" in said and "delivered" in said)
    own_server.restart()
    report = tool.report()
    assert report["returned"] == report["resumed"] == 20
    assert report["here"] == 20
    assert report["sent"] == report["answered"] == report["delivered"] > 0
    for fault in ("lost", "doubled", "disordered", "strayed", "unanswered", "not_resumed"):
        assert report[fault] == 0, fault
    assert report["back_max_ms"] > 0


def test_members_who_are_thrown_out_by_a_crash_are_all_back(own_server: Server, start: Callable[..., Tool]) -> None:
    tool = start(own_server, "flood", "--members=60", "--processes=2")
    tool.until(lambda said: "hold: 60 of 60 members here" in said)
    own_server.kill()
    own_server.start()
    tool.until(lambda said: said.splitlines()[-1].startswith("hold: 60 of 60 members here, 60 returned"))
    tool.process.send_signal(signal.SIGINT)
    report = tool.report(130)
    assert report["returned"] == report["resumed"] == report["here"] == 60
    assert report["others"]["ended: 1006"] >= 60


def test_flood_brings_members_in_at_a_rate_and_ctrl_c_tells_the_figures_so_far(
    server: Server, start: Callable[..., Tool]
) -> None:
    tool = start(server, "flood", "--members=40", "--processes=2", "--come=200")
    tool.until(lambda said: "hold: 40 of 40 members here" in said)
    assert len(connected(tool)) == 3
    # As a terminal does: to all processes of the group.
    os.killpg(tool.process.pid, signal.SIGINT)
    report = tool.report(130)
    assert report["interrupted"]
    assert report["came"] == report["here"] == 40
    assert report["coming_per_second"] <= 200
    assert left(tool) == []


def test_ctrl_c_while_members_are_still_coming_ends_it_too(server: Server, start: Callable[..., Tool]) -> None:
    tool = start(server, "msggen", "--members=1000", "--come=5", "--processes=2")
    tool.until(lambda said: "come: 2 of" in said or "come: 3 of" in said or "come: 4 of" in said or "come: 5" in said)
    tool.process.send_signal(signal.SIGTERM)
    report = tool.report(130)
    assert 0 < report["came"] < 1000
    assert report["sent"] == 0
    assert left(tool) == []


def test_processes_of_members_end_with_the_one_that_has_started_them(
    server: Server, start: Callable[..., Tool]
) -> None:
    tool = start(server, "flood", "--members=10", "--processes=2")
    tool.until(lambda said: "hold: 10 of 10" in said)
    pids = connected(tool)
    tool.process.kill()
    tool.process.wait()
    end = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_that_loses_a_process_of_its_own_tells_no_figures(server: Server, start: Callable[..., Tool]) -> None:
    tool = start(server, "flood", "--members=10", "--processes=2")
    tool.until(lambda said: "hold: 10 of 10" in said)
    os.kill(max(connected(tool)), signal.SIGKILL)
    assert tool.process.wait(PATIENCE_S) == 1
    assert "A process of the load run has ended." in tool.output.read_text().splitlines()[-1]
    assert left(tool) == []


def test_members_who_are_not_let_in_are_counted_and_make_it_fail(server: Server, start: Callable[..., Tool]) -> None:
    report = start(server, "flood", "--members=3", "--seconds=0", "--secret=wrong").report(1)
    assert report["refused"] == 3
    assert report["came"] == 0
    assert report["others"]["refused: unauthorized"] == 3


def test_where_nobody_listens_the_figures_say_so(own_server: Server, start: Callable[..., Tool]) -> None:
    own_server.terminate()
    tool = start(own_server, "flood", "--members=2")
    tool.until(lambda said: said.count("come: 0 of 2") >= 2)
    tool.process.send_signal(signal.SIGINT)
    assert tool.report(130)["came"] == 0


def connected(tool: Tool) -> list[int]:
    """The tool's processes."""
    return tree(tool.process.pid)


def left(tool: Tool) -> list[str]:
    """Processes of the tool's group."""
    found = subprocess.run(["ps", "-o", "pid=", "-g", str(tool.process.pid)], capture_output=True, text=True)
    return found.stdout.split()

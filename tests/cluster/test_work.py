"""The cluster's worker: whatever ends it, it is back, and what it was at gets done."""

import asyncio
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.cluster import BACK_SECONDS, Cluster, until
from tests.support.history import HISTORY, exported
from tests.support.site import Site

MESSAGES = 60_000
PATIENCE_S = 90
"""The schedule asks every half minute."""


@pytest.fixture
def folder(cluster: Cluster) -> Path:
    """Where the exports of a site with many messages are written; there are no others."""
    Site(cluster)
    run(cluster, HISTORY.format(old=0, fresh=MESSAGES))
    folder = cluster.var / "cluster" / "exports"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def run(cluster: Cluster, code: str) -> str:
    """Runs code beside the cluster; answers the last line that it prints."""
    return cluster.command("shell", "--verbosity", "0", "--command", code)


def state(cluster: Cluster) -> str:
    """The state of the newest export."""
    return run(cluster, 'print(Export.objects.latest("pk").state)')


async def begun(cluster: Cluster, folder: Path) -> None:
    """Asks for an export, and waits until it is half written."""
    ask = 'exports.ask(account=None, site=Site.objects.latest("pk"))'
    run(cluster, f"from avchat.work import exports, tasks; tasks.write_export.delay({ask}.pk)")
    await until(lambda: any(part.stat().st_size for part in folder.glob("*.part")), "not begun", PATIENCE_S)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_worker_that_ends_in_the_middle_of_an_export_is_back_and_the_export_becomes_ready(
    cluster: Cluster, folder: Path, how: signal.Signals
) -> None:
    await begun(cluster, folder)
    before = cluster.send("celery", how)
    await cluster.back("celery", before, BACK_SECONDS)
    assert state(cluster) != "ready"
    if how == signal.SIGKILL:
        # Its silence would have to last for two minutes.
        run(cluster, 'Export.objects.filter(state="working").update(alive=1)')
    await until(lambda: state(cluster) == "ready", "not ready", PATIENCE_S)
    assert await asyncio.to_thread(exported, folder) == list(range(1, MESSAGES + 1))

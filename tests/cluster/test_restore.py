"""Backups as docs/operations.md describes them: put back, they have every message, and no client goes on wrongly."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.cluster import Cluster
from tests.support.server import Installation, Server
from tests.support.site import Site


async def talk_and_restore(site: Site, restore: Callable[[], Server]) -> None:
    """Talks, backs up, talks on; puts the backup back and checks what a client finds that was there all along."""
    ann, bob = await site.join("ann"), await site.join("bob")
    conversation = (await ann.send("bob", "kept"))["conversation"]
    await bob.event("message", body="kept")
    restored = restore()
    # What comes after the backup is lost with the machine; its versions are given out a second time.
    await ann.say(conversation, "lost")
    await bob.event("message", body="lost")
    cursor = bob.cursor
    await site.leave()
    try:
        restored.manage("restored")
        site.server = restored.start()
        again = await site.join("bob", resume=cursor)
        assert again.hello["resumed"] is False
        history = (await again.ok("history", conversation=conversation))["messages"]
        assert [(message["seq"], message["body"]) for message in history] == [(1, "kept")]
        ann = await site.join("ann")
        assert (await ann.say(conversation, "after"))["seq"] == 2
        await again.event("message", body="after")
        await site.leave()
    finally:
        restored.stop()


async def test_a_copy_of_sqlite_made_while_it_serves_has_everything(server: Server, tmp_path: Path) -> None:
    def restore() -> Server:
        source = Path(server.environment["AVCHAT_VAR"])
        with closing(sqlite3.connect(source / "db.sqlite3")) as database:
            database.execute("VACUUM INTO ?", [str(tmp_path / "copy")])
        var = tmp_path / "restored"
        var.mkdir()
        shutil.copy(tmp_path / "copy", var / "db.sqlite3")
        shutil.copy(source / "secret_key", var / "secret_key")
        return Server(var)

    await talk_and_restore(Site(server), restore)


async def test_a_dump_of_mariadb_made_while_it_serves_has_everything(cluster: Cluster, tmp_path: Path) -> None:
    def restore() -> Server:
        url = urlsplit(database_of(cluster))
        access = [f"--host={url.hostname}", f"--port={url.port}", f"--user={url.username}"]
        password = {"MYSQL_PWD": url.password or "", "PATH": "/usr/bin:/bin"}

        def run(*command: str, give: bytes = b"") -> bytes:
            return subprocess.run(
                [*command[:1], *access, *command[1:]], env=password, input=give, check=True, capture_output=True
            ).stdout

        dump = run("mariadb-dump", "--single-transaction", "--quick", "--no-tablespaces", "avchat")
        run("mariadb", "--execute=CREATE DATABASE avchat_restored")
        run("mariadb", "avchat_restored", give=dump)
        shutil.copy(cluster.var / "cluster" / "secret_key", tmp_path / "secret_key")
        return Server(tmp_path, AVCHAT_DATABASE_URL=f"{database_of(cluster)}_restored")

    # Both on the same node of the cluster, or on nodes that tell each other.
    await talk_and_restore(Site(cluster), restore)


def database_of(installation: Installation) -> str:
    """The address of an installation's database."""
    lines = Path(installation.environment["AVCHAT_ENV_FILE"]).read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("AVCHAT_DATABASE_URL="))


@pytest.mark.parametrize("command", ["mariadb-dump --single-transaction", "manage.py restored", "VACUUM INTO"])
def test_the_operators_page_says_how(command: str) -> None:
    assert command in Path("docs/operations.md").read_text()

"""Exports: all that is stored of a site, whole or not at all, and no secrets."""

import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from avchat.tenants import services
from avchat.tenants.models import Site
from avchat.work import archive, exports, tasks
from avchat.work.clock import Ending
from avchat.work.models import EXPORT_LIFE_MS, Export
from im import database
from im.protocol import BlockAdd, ConversationCreate, MessageDelete, MessageEdit, MessageReact
from tests.support.talk import Talk

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Site:
    settings.EXPORTS = tmp_path / "exports"
    site = services.create_site(account=None, name="Harbour", url="https://harbour.example")
    services.add_secret(account=None, site=site, label="First")
    return site


def written(site: Site) -> dict[str, list[Any]]:
    """The parts of a new export."""
    export = exports.ask(account=None, site=site)
    tasks.write_export(export.pk)
    return parts(exports.path(export))


def parts(file: Path) -> dict[str, list[Any]]:
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: [json.loads(line) for line in archive.read(name).splitlines()] for name in archive.namelist()}


def test_an_export_has_all_that_is_stored(site: Site) -> None:
    talk = Talk(site)
    ann, bob = talk.join("ann", "ann@example.org"), talk.join("bob")
    pair = talk.say(ann, bob, "first").conversation
    talk.say(bob, ann, "second ☕", reply_to=1)
    talk.do(bob, MessageReact(conversation=pair, seq=1, emoji="👍", on=True))
    talk.do(bob, MessageEdit(conversation=pair, seq=2, body="changed"))
    talk.say(ann, pair, "taken back")
    talk.do(ann, MessageDelete(conversation=pair, seq=3))
    room = talk.do(ann, ConversationCreate(members=["bob"], name="Harbour night")).conversation
    talk.do(bob, BlockAdd(member="ann"))
    talk.say(ann, room, "psst")
    found = written(site)
    (about,) = found["site.json"]
    assert (about["format"], about["name"], about["origins"]) == (
        "avchat-export", "Harbour", ["https://harbour.example"],
    )  # fmt: skip
    assert [(each["id"], each["name"], each["email"]) for each in found["members.jsonl"]] == [
        ("ann", "Ann", "ann@example.org"),
        ("bob", "Bob", ""),
    ]
    assert [(each["id"], each["kind"], each["name"]) for each in found["conversations.jsonl"]] == [
        (pair, "pair", ""),
        (room, "group", "Harbour night"),
    ]
    assert {(each["conversation"], each["member"]) for each in found["participants.jsonl"]} == {
        (pair, "ann"), (pair, "bob"), (room, "ann"), (room, "bob"),
    }  # fmt: skip
    said = [
        {name: value for name, value in each.items() if name not in ("time", "edited")}
        for each in found["messages.jsonl"]
    ]
    assert said == [
        {"conversation": pair, "seq": 1, "from": "ann", "body": "first", "reactions": {"👍": ["bob"]}},
        {"conversation": pair, "seq": 2, "from": "bob", "body": "changed", "reply_to": 1},
        {"conversation": pair, "seq": 3, "from": "ann", "body": "", "deleted": True},
        {"conversation": room, "seq": 1, "from": "ann", "body": "psst", "hidden_from": ["bob"]},
    ]


def test_an_export_has_no_secrets_and_nothing_of_another_site(site: Site) -> None:
    other = Talk(Site.objects.create(name="Elsewhere"))
    other.say(other.join("eve"), other.join("mal"), "not yours")
    secret, text = services.add_secret(account=None, site=site, label="Second")
    talk = Talk(site)
    talk.say(talk.join("ann"), talk.join("bob"))
    export = exports.ask(account=None, site=site)
    tasks.write_export(export.pk)
    with zipfile.ZipFile(exports.path(export)) as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist()).decode()
    for word in (text, secret.kid, bytes(secret.ciphertext).decode(), "not yours", "eve", "key 1"):
        assert word not in whole


@pytest.mark.parametrize("batch", [1, 3, 7, 1000])
def test_every_message_is_in_it_once_and_in_order_whatever_the_batches(
    site: Site, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(archive, "BATCH", batch)
    talk = Talk(site)
    ann = talk.join("ann")
    for number, sub in enumerate(("bob", "cid", "dee", "eve", "fay"), 1):
        to = talk.join(sub)
        for _ in range(number * 2):
            talk.say(ann, to)
    found = written(site)
    keys = [each["id"] for each in found["conversations.jsonl"]]
    expected = [(key, seq + 1) for number, key in enumerate(keys, 1) for seq in range(number * 2)]
    assert [(each["conversation"], each["seq"]) for each in found["messages.jsonl"]] == expected


def test_an_empty_site_can_be_exported(site: Site) -> None:
    found = written(site)
    assert found["messages.jsonl"] == []
    assert Export.objects.get().state == Export.State.READY


def test_only_the_installation_can_read_the_file(site: Site) -> None:
    written(site)
    file = exports.path(Export.objects.get())
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(file.parent).st_mode) == 0o700


def test_asked_twice_it_is_written_once(site: Site) -> None:
    first = exports.ask(account=None, site=site)
    assert exports.ask(account=None, site=site) == first
    tasks.write_export(first.pk)
    assert exports.ask(account=None, site=site) != first


@pytest.fixture
def broken(site: Site, monkeypatch: pytest.MonkeyPatch) -> Export:
    """An export whose writer was killed in the middle: nothing of what cleans up after an error was done."""
    talk = Talk(site)
    talk.say(talk.join("ann"), talk.join("bob"))
    export = exports.ask(account=None, site=site)
    Export.objects.filter(pk=export.pk).update(state=Export.State.WORKING, run="task 1", alive=database.now_ms())
    exports.path(export).parent.mkdir(mode=0o700)
    exports.path(export).with_suffix(".dead.part").write_bytes(b"PK half")
    return export


def test_a_half_export_is_never_handed_out(site: Site, broken: Export) -> None:
    assert exports.ready(site, broken.key) is None


def test_the_same_task_takes_up_what_it_had_begun(site: Site, broken: Export) -> None:
    exports.write(broken.pk, run="task 1")
    assert exports.ready(site, broken.key)
    assert len(parts(exports.path(broken))["messages.jsonl"]) == 1


def test_another_task_leaves_it_alone_while_somebody_writes(site: Site, broken: Export) -> None:
    assert exports.waiting() == []
    exports.write(broken.pk, run="task 2")
    assert exports.ready(site, broken.key) is None


def test_another_task_takes_it_over_once_nobody_says_to_be_alive(site: Site, broken: Export) -> None:
    Export.objects.update(alive=database.now_ms() - exports.STALE_MS - 1)
    assert exports.waiting() == [broken.pk]
    tasks.write_exports()
    exports.write(broken.pk, run="task 2")
    assert exports.ready(site, broken.key)


def test_who_was_taken_for_dead_stops_when_it_finds_out(
    site: Site, broken: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ALIVE_S", -1)

    def overtaken(worked_s: float) -> None:
        Export.objects.update(run="task 2")

    monkeypatch.setattr(exports, "breathe", overtaken)
    exports.write(broken.pk, run="task 1")
    assert Export.objects.get().state == Export.State.WORKING
    assert not exports.path(broken).exists()


def test_a_process_that_ends_gives_its_export_back(site: Site, broken: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    def ending(worked_s: float) -> None:
        raise Ending

    monkeypatch.setattr(exports, "breathe", ending)
    with pytest.raises(Ending):
        exports.write(broken.pk, run="task 1")
    assert exports.waiting() == [broken.pk]
    assert [file.name for file in exports.path(broken).parent.iterdir()] == [f"{broken.key}.dead.part"]


def test_an_export_that_cannot_be_written_says_so(site: Site, broken: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(archive, "write", full)
    with pytest.raises(OSError, match="No space"):
        exports.write(broken.pk, run="task 1")
    assert Export.objects.get().state == Export.State.FAILED


def test_a_week_later_the_file_is_gone(site: Site) -> None:
    written(site)
    export = Export.objects.get()
    assert exports.ready(site, export.key)
    Export.objects.update(ready=database.now_ms() - EXPORT_LIFE_MS - 1)
    assert exports.ready(site, export.key) is None
    exports.clean_up()
    assert not exports.path(export).exists()
    assert Export.objects.get().state == Export.State.EXPIRED


def test_files_that_nobody_knows_or_finishes_are_removed(site: Site, broken: Export) -> None:
    folder = exports.path(broken).parent
    (folder / "unknown.zip").write_bytes(b"")
    exports.clean_up()
    assert [file.name for file in folder.iterdir()] == [f"{broken.key}.dead.part"]
    os.utime(folder / f"{broken.key}.dead.part", (0, 0))
    exports.clean_up()
    assert list(folder.iterdir()) == []

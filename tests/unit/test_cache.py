"""Shelves in memcached: what is on them is right, and nothing depends on them."""

import gc
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from avchat import cache
from avchat.cache import Shelf
from avchat.memcached import Bytes, shared_cache
from tests.support.memcached import Memcached
from tests.support.server import free_port
from tests.support.wait import until

Share = Callable[..., None]


@pytest.fixture(autouse=True)
def _database(transactional_db: None) -> None:
    """What is asked inside a transaction is not kept, so that no test may run in one."""


class Source:
    """Rows as a database would have them, and how often each was asked for."""

    def __init__(self, **rows: str) -> None:
        self.rows = rows
        self.asked: list[str] = []
        self.shelf = Shelf("row", str, seconds=60)

    def load(self, names: list[str]) -> dict[str, str]:
        """The rows of these names."""
        self.asked += names
        return {name: self.rows[name] for name in names if name in self.rows}

    def fetch(self, *names: str) -> dict[str, str]:
        """The same, by way of the shelf."""
        return self.shelf.fetch({name: name for name in names}, self.load)


def test_what_was_loaded_once_is_not_loaded_again(memcached: Memcached, share: Share) -> None:
    share(memcached)
    source = Source(a="1", b="2", c="3")
    assert source.fetch("a", "b") == {"a": "1", "b": "2"}
    assert source.fetch("a", "b", "c") == {"a": "1", "b": "2", "c": "3"}
    assert source.asked == ["a", "b", "c"]
    # Another process, too.
    cache.reset()
    assert source.fetch("a", "b", "c") == {"a": "1", "b": "2", "c": "3"}
    assert source.asked == ["a", "b", "c"]


def test_any_number_may_be_asked_for_at_once(memcached: Memcached, share: Share) -> None:
    share(memcached)
    rows = {f"row-{number}-{'x' * 100}": str(number) for number in range(1_000)}
    source = Source(**rows)
    assert source.fetch(*rows) == rows
    assert source.fetch(*rows) == rows
    assert len(source.asked) == 1_000


def test_without_memcached_nothing_is_kept() -> None:
    source = Source(a="1")
    assert source.fetch("a") == source.fetch("a") == {"a": "1"}
    assert source.asked == ["a", "a"]
    source.shelf.forget(["a"])


def test_what_does_not_exist_is_asked_for_again(memcached: Memcached, share: Share) -> None:
    share(memcached)
    source = Source()
    assert source.fetch("a") == {}
    source.rows["a"] = "1"
    assert source.fetch("a") == {"a": "1"}


def test_what_a_transaction_sees_is_not_kept(memcached: Memcached, share: Share) -> None:
    share(memcached)
    source = Source(a="never committed")
    with transaction.atomic():
        source.fetch("a")
    source.rows["a"] = "1"
    assert source.fetch("a") == {"a": "1"}


def test_a_change_is_seen_at_once(memcached: Memcached, share: Share) -> None:
    share(memcached)
    source = Source(a="old", b="1")
    source.fetch("a", "b")
    source.rows["a"] = "new"
    source.shelf.forget(["a"])
    assert source.fetch("a", "b") == {"a": "new", "b": "1"}
    assert source.asked == ["a", "b", "a"]


def test_a_slow_reader_does_not_bring_back_what_was_forgotten_meanwhile(memcached: Memcached, share: Share) -> None:
    share(memcached)
    source = Source(a="old")
    has_read, may_go_on = threading.Event(), threading.Event()

    def slowly(names: list[str]) -> dict[str, str]:
        rows = source.load(names)
        has_read.set()
        assert may_go_on.wait(30)
        return rows

    got: list[dict[str, str]] = []
    reader = threading.Thread(target=lambda: got.append(source.shelf.fetch({"a": "a"}, slowly)))
    reader.start()
    assert has_read.wait(30)
    source.rows["a"] = "new"
    source.shelf.forget(["a"])
    may_go_on.set()
    reader.join()
    assert got == [{"a": "old"}]
    assert source.fetch("a") == {"a": "new"}


def test_a_reader_that_a_tombstone_may_not_have_outlived_keeps_nothing(
    memcached: Memcached, share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(memcached)
    source = Source(a="old")
    monkeypatch.setattr(cache, "READ_SECONDS", 0.0)
    assert source.fetch("a") == {"a": "old"}
    assert memcached.contents() == {}


def test_a_tombstone_outlives_every_reader_that_may_keep_what_it_read() -> None:
    # memcached counts whole seconds, and the last answer may take its time.
    assert cache.READ_SECONDS + 2 < cache.GRAVE_SECONDS


def test_a_process_that_dies_right_after_its_commit_leaves_nothing_old(memcached: Memcached, share: Share) -> None:
    share(memcached)
    source = Source(a="old")
    source.fetch("a")
    with transaction.atomic():
        source.shelf.forget(["a"])
        assert list(memcached.contents().values()) == [cache.GRAVE]


def test_a_value_is_forgotten_again_after_the_commit(memcached: Memcached, share: Share) -> None:
    share(memcached)
    source = Source(a="old")
    with transaction.atomic():
        source.shelf.forget(["a"])
        # The first tombstone is over, and others still read the old row.
        cache._client().delete(source.shelf._key("a"))
        reader = threading.Thread(target=lambda: source.fetch("a"))
        reader.start()
        reader.join()
        assert list(memcached.contents().values()) == [b'"old"']
        source.rows["a"] = "new"
    assert source.fetch("a") == {"a": "new"}


@pytest.mark.parametrize("nonsense", [b"{", b"\xff\xfe", b"17", b"null", b"[" * 10_000, b"\x80\x04N."])
def test_nonsense_in_memcached_is_no_answer(memcached: Memcached, share: Share, nonsense: bytes) -> None:
    share(memcached)
    source = Source(a="1")
    cache._client().set(source.shelf._key("a"), nonsense)
    assert source.fetch("a") == {"a": "1"}


def test_nothing_but_bytes_goes_to_memcached() -> None:
    assert Bytes().serialize(b"key", b"value") == (b"value", 0)
    # As a pickle would be told apart by its flags: there are none to believe.
    assert Bytes().deserialize(b"key", b"\x80\x04N.", 1) == b"\x80\x04N."
    with pytest.raises(TypeError):
        Bytes().serialize(b"key", {"a": "value"})


def test_what_is_too_large_is_not_kept(memcached: Memcached, share: Share) -> None:
    share(memcached)
    source = Source(a="x" * cache.MAX_VALUE, b="1")
    source.fetch("a", "b")
    source.fetch("a", "b")
    assert source.asked == ["a", "b", "a"]
    assert cache.counts["memcached", "fault"] == 0


@pytest.fixture(autouse=True)
def _no_counts() -> None:
    cache.counts.clear()


def test_hits_and_misses_are_counted(memcached: Memcached, share: Share) -> None:
    share(memcached)
    source = Source(a="1", b="2")
    source.fetch("a")
    source.fetch("a", "b")
    assert dict(cache.counts) == {("row", "miss"): 2, ("row", "hit"): 1}


def test_a_memcached_that_is_gone_changes_no_answer(
    memcached: Memcached, share: Share, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_complained", -1e9)
    share(memcached)
    source = Source(a="1")
    source.fetch("a")
    memcached.kill()
    for _ in range(5):
        assert source.fetch("a") == {"a": "1"}
        source.shelf.forget(["a"])
    assert [record.levelname for record in caplog.records if record.name == "avchat.cache"] == ["WARNING"]


@contextmanager
def silent_server() -> Iterator[tuple[str, list[Any]]]:
    """A server that takes connections and never answers; and those that it took."""
    taken: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            while True:
                try:
                    taken.append(listener.accept())
                except OSError:
                    return

        taker = threading.Thread(target=take)
        taker.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", taken
        listener.shutdown(socket.SHUT_RDWR)
        taker.join()
    for connection, _ in taken:
        connection.close()


def test_a_server_that_does_not_answer_is_waited_for_once(share: Share) -> None:
    with silent_server() as (address, taken):
        share(address, timeout=0.05)
        source = Source(a="1")
        for _ in range(10):
            assert source.fetch("a") == {"a": "1"}
            source.shelf.forget(["a"])
        assert len(taken) == 1


def test_a_memcached_that_comes_back_is_used_again_and_has_nothing_of_before(
    memcached: Memcached, share: Share
) -> None:
    share(memcached, dead_timeout=0.01)
    source = Source(a="old")
    source.fetch("a")
    memcached.kill()
    source.rows["a"] = "new"
    source.shelf.forget(["a"])
    memcached.start()
    assert source.fetch("a") == {"a": "new"}
    while memcached.stats()["get_hits"] == 0:
        assert source.fetch("a") == {"a": "new"}


def test_a_tombstone_arrives_though_memcached_was_restarted_behind_an_open_connection(
    memcached: Memcached, share: Share
) -> None:
    share(memcached)
    source = Source(a="old")
    source.fetch("a")
    memcached.restart()
    source.shelf.forget(["a"])
    assert list(memcached.contents().values()) == [cache.GRAVE]


def test_a_tombstone_that_did_not_arrive_is_set_when_memcached_answers_again(
    memcached: Memcached, share: Share
) -> None:
    share(memcached, timeout=0.05, dead_timeout=1)
    source = Source(a="old")
    source.fetch("a")
    memcached.freeze()
    # From here on nothing is sent to it for a while.
    source.fetch("b")
    source.rows["a"] = "new"
    source.shelf.forget(["a"])
    memcached.thaw()
    until(lambda: source.fetch("a") == {"a": "new"} and cache.GRAVE in memcached.contents().values())
    assert source.fetch("a") == {"a": "new"}


def test_of_two_servers_each_has_its_part_and_one_that_dies_takes_only_its_own(
    memcached: Memcached, second_memcached: Memcached, share: Share
) -> None:
    share(memcached, second_memcached)
    rows = {f"row-{number}": str(number) for number in range(100)}
    source = Source(**rows)
    source.fetch(*rows)
    kept = [server.contents() for server in (memcached, second_memcached)]
    assert len(kept[0]) + len(kept[1]) == 100
    assert min(len(kept[0]), len(kept[1])) > 10
    source.asked.clear()
    memcached.kill()
    assert source.fetch(*rows) == rows
    assert len(source.asked) == len(kept[0])
    source.asked.clear()
    assert source.fetch(*rows) == rows
    assert source.asked == []
    assert len(second_memcached.contents()) == 100
    source.rows["row-7"] = "new"
    source.shelf.forget(["row-7"])
    assert source.fetch("row-7") == {"row-7": "new"}


# pymemcache leaves the connections to a server that comes back to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_threads_share_servers_that_come_and_go(
    memcached: Memcached, second_memcached: Memcached, share: Share
) -> None:
    share(memcached, second_memcached, dead_timeout=0.01)
    rows = {f"row-{number}": str(number) for number in range(50)}
    source = Source(**rows)
    wrong: list[Any] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                if source.fetch(*rows) != rows:
                    wrong.append("another answer")
            except Exception as error:
                wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    for _ in range(5):
        memcached.restart()
        second_memcached.restart()
    over.set()
    for reader in readers:
        reader.join()
    cache.reset()
    gc.collect()
    assert wrong == []


def test_two_installations_on_one_memcached_do_not_see_each_others_values() -> None:
    ours, theirs = (shared_cache(["127.0.0.1:11211"], secret)["KEY_PREFIX"] for secret in ("ours", "theirs"))
    assert ours != theirs
    assert "ours" not in ours


@pytest.mark.parametrize("server", ["127.0.0.1", "host:port", "host:", ":11211", "a b:1", "http://host:1", "::1:11211"])
def test_what_is_no_server_is_said_at_the_start(server: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        shared_cache([server], "secret")


def test_servers_may_be_named_by_name_and_by_address() -> None:
    servers = ["cache-1.internal:11211", "10.0.0.7:11211", "[fd00::7]:11211"]
    assert shared_cache(servers, "secret")["LOCATION"] == servers


def test_a_forked_process_does_not_write_to_its_parents_connections(memcached: Memcached, share: Share) -> None:
    share(memcached)
    Source(a="1").fetch("a")
    assert cache._backend is not None
    child = os.fork()
    if child == 0:
        os._exit(0 if cache._backend is None else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_name_for_any_text() -> None:
    names = {cache.digest(text) for text in ("", "ann", "ann ", "Ann", "Ä", "a\nb", "\ud800", "x" * 140)}
    assert len(names) == 8
    assert all(name.isalnum() and len(name) == 32 for name in names)


def test_no_server_at_all_is_a_memcached_that_is_gone(share: Share) -> None:
    share(f"127.0.0.1:{free_port()}")
    source = Source(a="1")
    assert source.fetch("a") == source.fetch("a") == {"a": "1"}

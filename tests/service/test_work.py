"""Work by a real Celery worker over a real Redis: whatever is killed in the middle, the work gets done, once."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.history import HISTORY, exported
from tests.support.post import Post
from tests.support.redis import Redis
from tests.support.server import Server
from tests.support.worker import Worker

PATIENCE_S = 60.0
OLD, FRESH = 30_000, 10

AWAY = """
import time
site = Site.objects.get()
now = int(time.time() * 1000)
Site.objects.update(digest_since=1, digest_base="http://chat.example")
SiteVersion.objects.create(site=site, version=5)
DigestMark.objects.create(site=site, since=1, version=5)
ann = Member.objects.create(site=site, sub="ann", name="Ann", sort="ann", created=now)
for number in range(5):
    bob = Member.objects.create(site=site, sub=f"bob{number}", name="Bob", sort="bob", created=now,
                                email=f"bob{number}@example.org")
    room = Conversation.objects.create(site=site, created=now, seq=1, version=number + 1, latest=number + 1)
    for who in (ann, bob):
        Participant.objects.create(site=site, conversation=room, member=who, joined=1)
    Message.objects.create(conversation=room, seq=1, site=site, sender=ann, key=str(number), body="hello", time=now,
                           born=number + 1, version=number + 1)
    Subscriber.objects.create(member=bob, site=site, came=now - 7200000, went=now - 3600000, due=number + 1)
"""


class Bench:
    """A broker, a worker, and what they work on."""

    def __init__(self, directory: Path, post: Post) -> None:
        self.redis = Redis(directory / "redis").start()
        self.post = post
        self.server = Server(directory / "server", AVCHAT_BROKER_URL=self.redis.url, AVCHAT_EMAIL_URL=post.url)
        self.server.command("create_site", "Harbour", "--json")
        self.worker = Worker(self.server)

    def run(self, code: str) -> str:
        """Runs code beside the worker; answers the last line that it prints."""
        return self.server.command("shell", "--verbosity", "0", "--command", code)

    def ask(self, code: str) -> Any:
        """The value of an expression, beside the worker."""
        return json.loads(self.run(f"import json; print(json.dumps({code}))"))

    def delay(self, call: str) -> None:
        """Hands a task to the broker, as the schedule or a page does."""
        self.run(f"from avchat.work import tasks; tasks.{call}")

    def until(self, condition: Callable[[], Any]) -> None:
        """Waits until something holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.worker.log.read_text()[-3000:]
            time.sleep(0.02)

    def messages(self) -> int:
        """How many messages there are."""
        return int(self.ask("Message.objects.count()"))

    def state(self) -> str:
        """The state of the one export that there is."""
        return str(self.ask("Export.objects.get().state"))

    def stop(self) -> None:
        """Ends everything."""
        self.worker.stop()
        self.server.stop()
        self.redis.stop()


@pytest.fixture
def post() -> Iterator[Post]:
    post = Post().start()
    yield post
    post.stop()


@pytest.fixture
def bench(tmp_path: Path, post: Post) -> Iterator[Bench]:
    bench = Bench(tmp_path, post)
    try:
        yield bench
    finally:
        bench.stop()


def test_retention_killed_with_its_worker_goes_on_where_it_was(bench: Bench) -> None:
    bench.run(HISTORY.format(old=OLD, fresh=FRESH))
    bench.worker.start()
    bench.delay("trim_history.delay()")
    bench.until(lambda: bench.messages() < OLD)
    bench.worker.kill()
    left = bench.messages()
    assert FRESH < left < OLD + FRESH
    # Never a hole: what is left is the end of the conversation.
    assert bench.ask("Message.objects.order_by('seq').first().seq") == OLD + FRESH - left + 1
    bench.worker.start()
    bench.delay("trim_history.delay()")
    bench.until(lambda: bench.messages() == FRESH)
    seqs = bench.ask("list(Message.objects.order_by('seq').values_list('seq', flat=True))")
    assert seqs == list(range(OLD + 1, OLD + FRESH + 1))
    # What was deleted had been counted: 40 days ago is out of sight, today is not.
    assert bench.ask("Day.objects.latest('day').messages") == FRESH


def test_a_task_whose_worker_is_told_to_end_stops_at_its_next_breath_and_comes_again_by_itself(bench: Bench) -> None:
    bench.run(HISTORY.format(old=OLD, fresh=FRESH))
    bench.worker.start()
    bench.delay("trim_site.delay(1)")
    bench.until(lambda: bench.messages() < OLD)
    bench.worker.stop()
    assert bench.messages() > FRESH
    bench.worker.start()
    bench.until(lambda: bench.messages() == FRESH)


def test_a_worker_whose_task_takes_no_breath_ends_all_the_same(bench: Bench) -> None:
    bench.run(AWAY)
    bench.post.hold_from = 0
    bench.worker.start()
    bench.delay("mail_digests.delay()")
    assert bench.post.holding.wait(PATIENCE_S)
    bench.worker.stop()
    bench.post.hold_from = None
    bench.worker.start()
    bench.delay("mail_digests.delay()")
    bench.until(lambda: len(bench.post.mails) == 4)


def begin_export(bench: Bench) -> Path:
    """Has an export begun; answers its folder once it is half written."""
    bench.run(HISTORY.format(old=OLD * 2, fresh=FRESH))
    bench.worker.start()
    bench.run("from avchat.work import exports; exports.ask(account=None, site=Site.objects.get())")
    bench.delay("write_exports.delay()")
    folder = bench.server.log.parent / "exports"
    bench.until(lambda: any(file.stat().st_size for file in folder.glob("*.part")))
    return folder


def test_an_export_whose_worker_is_told_to_end_is_written_by_the_same_task_come_again(bench: Bench) -> None:
    folder = begin_export(bench)
    bench.worker.stop()
    assert bench.state() == "asked"
    assert list(folder.iterdir()) == []
    bench.worker.start()
    bench.until(lambda: bench.state() == "ready")
    assert exported(folder) == list(range(1, OLD * 2 + FRESH + 1))


def test_an_export_killed_with_its_worker_is_taken_over_once_it_is_silent(bench: Bench) -> None:
    folder = begin_export(bench)
    bench.worker.kill()
    bench.worker.start()
    bench.run("Export.objects.update(alive=1)")
    bench.delay("write_exports.delay()")
    bench.until(lambda: bench.state() == "ready")
    assert exported(folder) == list(range(1, OLD * 2 + FRESH + 1))


def test_of_digests_killed_in_the_middle_none_is_sent_twice_and_at_most_one_is_lost(bench: Bench) -> None:
    bench.run(AWAY)
    bench.post.hold_from = 2
    bench.worker.start()
    bench.delay("mail_digests.delay()")
    assert bench.post.holding.wait(PATIENCE_S)
    bench.worker.kill()
    bench.post.hold_from = None
    assert len(bench.post.mails) == 2
    bench.worker.start()
    for _ in range(2):
        bench.delay("mail_digests.delay()")
    bench.until(lambda: len(bench.post.mails) == 4)
    bench.until(lambda: bench.ask("Subscriber.objects.filter(due__gt=0).count()") == 0)
    assert sorted(bench.post.to()) == [f"bob{number}@example.org" for number in (0, 1, 3, 4)]


def test_several_schedules_at_once_do_no_harm(bench: Bench) -> None:
    bench.run(AWAY)
    other = Worker(bench.server)
    other.log = other.log.with_name("other.log")
    bench.worker.start()
    try:
        other.start()
        for _ in range(5):
            for name in ("mail_digests", "count_days", "trim_history", "write_exports"):
                bench.delay(f"{name}.delay()")
        bench.until(lambda: len(bench.post.mails) == 5)
        bench.delay("count_days.delay()")
        bench.until(lambda: bench.ask("[day.messages for day in Day.objects.order_by('day')][-1:]") == [5])
        assert len(set(bench.post.to())) == len(bench.post.mails) == 5
    finally:
        other.stop()


def test_a_worker_survives_a_broker_that_restarts_empty(bench: Bench) -> None:
    bench.run(HISTORY.format(old=1000, fresh=FRESH))
    bench.worker.start()
    bench.redis.kill()
    bench.redis.start()

    def trimmed() -> bool:
        bench.delay("trim_history.delay()")
        return bench.messages() == FRESH

    bench.until(trimmed)

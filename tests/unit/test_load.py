"""The load tools: what they check, how they count, and what they let themselves be asked for."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from avchat.ops.load import options, wire
from avchat.ops.load.figures import Figures, Histogram
from avchat.ops.load.graphs import Missing, draw
from avchat.ops.load.machine import tree, usage
from avchat.ops.load.member import Crowd, Member
from avchat.ops.load.network import Network
from avchat.ops.load.plan import SPARE, Impossible, Plan, processes_for
from avchat.ops.load.record import Record
from avchat.ops.load.sockets import Loop
from avchat.ops.load.talk import Talk

PLAN = Plan(name="localhost", address=("127.0.0.1", 1), site="pk_x", secret="sk_x", members=2)


class Pair:
    """Two members who talk, m0 to m1, and what each of them hears; there is no server."""

    def __init__(self, group: int = 2) -> None:
        self.figures = Figures()
        self.sent: list[dict[str, Any]] = []
        crowd = Crowd(Network(Loop(), PLAN.address, PLAN.name, []), "ws", lambda sub: b"{", self.figures)
        self.members = [Member(crowd, number, f"m{number}") for number in range(group)]
        for member in self.members:
            member._link = Ear(self.sent)  # type: ignore[assignment]
            member.come()
            self.hear(member, type="ok", id="hello", cursor="e.1.1")
        self.talk = Talk(crowd, self.members, run="avl.0", rate=1, presence_rate=0, group=group, size=80)
        crowd.talker = self.talk
        self.seq = 0

    def hear(self, member: Member, **frame: Any) -> None:
        """A member is told something."""
        member.heard(json.dumps(frame).encode())

    def open(self) -> None:
        """The conversation's first message, as it should be."""
        self.talk.open()
        self.deliver(self.stored())

    def say(self) -> dict[str, Any]:
        """The first member says something: it is stored, and answered."""
        self.talk._say(self.talk._open[0], self.members[0], 1.0)
        return self.stored()

    def stored(self) -> dict[str, Any]:
        """What was said last is answered; the event that others are to get."""
        frame = self.sent.pop()
        self.seq += 1
        self.hear(self.members[0], type="ok", id=frame["id"], conversation="c1", seq=self.seq, time=1)
        return {"type": "message", "conversation": "c1", "seq": self.seq, "from": "m0", "body": frame["body"]}

    def deliver(self, *events: dict[str, Any], to: int = 1) -> None:
        """Events come."""
        for event in events:
            self.hear(self.members[to], **event)

    @property
    def faults(self) -> dict[str, int]:
        """What the checker has noticed."""
        names = ("doubled", "disordered", "strayed")
        found = {name: self.figures.counts[name] for name in names} | {"lost": self.talk.lost()}
        return {name: count for name, count in found.items() if count}


class Ear:
    """A link that goes nowhere."""

    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self._sent = sent

    def open(self, hello: bytes) -> None:
        """Connects."""

    def send(self, frame: bytes) -> None:
        """Keeps what is said."""
        self._sent.append(json.loads(frame))

    def cut(self) -> None:
        """Leaves."""


@pytest.fixture
def pair() -> Pair:
    """Two members whose conversation has begun."""
    made = Pair()
    made.open()
    return made


def test_nothing_is_amiss_where_everything_arrives_once_and_in_order(pair: Pair) -> None:
    for _ in range(5):
        pair.deliver(pair.say())
    assert pair.faults == {}
    assert pair.figures.counts["delivered"] == pair.figures.counts["answered"] == pair.figures.counts["sent"] == 5
    assert pair.figures.times["delivery"].count == 5


def test_a_message_that_is_not_delivered_is_lost(pair: Pair) -> None:
    pair.deliver(pair.say())
    pair.say()
    pair.deliver(pair.say())
    assert pair.faults == {"lost": 1}


def test_the_last_message_that_is_not_delivered_is_lost_too(pair: Pair) -> None:
    pair.deliver(pair.say())
    pair.say()
    assert pair.faults == {"lost": 1}


def test_a_message_that_is_delivered_twice_is_doubled(pair: Pair) -> None:
    event = pair.say()
    pair.deliver(event, event)
    assert pair.faults == {"doubled": 1}


def test_messages_that_are_swapped_are_out_of_order(pair: Pair) -> None:
    one, other = pair.say(), pair.say()
    pair.deliver(other, one)
    assert pair.faults == {"disordered": 1}


def test_a_message_to_somebody_who_is_not_in_the_conversation_has_strayed() -> None:
    pair = Pair()
    pair.open()
    stranger = Member(pair.members[0]._crowd, 7, "m7")
    stranger.here = True
    pair.hear(stranger, **pair.say())
    assert pair.faults == {"strayed": 1, "lost": 1}


def test_a_message_that_comes_back_to_who_sent_it_is_doubled(pair: Pair) -> None:
    event = pair.say()
    pair.deliver(event)
    pair.deliver(event, to=0)
    assert pair.faults == {"doubled": 1}


def test_who_was_away_may_be_told_its_own_messages_again(pair: Pair) -> None:
    event = pair.say()
    pair.deliver(event)
    pair.members[0].returns = 1
    pair.deliver(event, to=0)
    assert pair.faults == {}


def test_an_answer_may_come_after_the_event_that_follows_it() -> None:
    record = Record(1)
    assert [record.heard(seq) for seq in (1, 2, 4)] == [None, None, None]
    assert record.lost(4) == 1
    assert record.answered(3) is None
    assert record.lost(4) == 0


def test_an_answer_may_come_before_the_events_that_precede_it() -> None:
    record = Record(1)
    assert record.heard(1) is None
    assert record.answered(4) is None
    assert record.lost(4) == 2
    assert [record.heard(seq) for seq in (2, 3, 5)] == [None, None, None]
    assert record.lost(5) == 0


def test_two_messages_with_one_seq_are_doubled() -> None:
    record = Record(1)
    assert record.heard(1) is None
    assert record.answered(1) == "doubled"
    assert record.answered(3) is None
    assert record.heard(3) == "doubled"
    assert record.lost(3) == 1


def test_percentiles_are_within_two_in_a_hundred_of_what_was_timed() -> None:
    histogram = Histogram()
    for ms in range(1, 1001):
        histogram.add(ms / 1000)
    for part, expected in ((0.5, 0.5), (0.99, 0.99), (0.999, 0.999)):
        assert histogram.percentile(part) == pytest.approx(expected, rel=0.021)
    assert histogram.summary("")["max_ms"] == 1000


def test_figures_of_several_processes_add_up() -> None:
    together, one = Figures(), Figures()
    one.counts["sent"] = 2
    one.times["delivery"].add(0.25)
    for _ in range(3):
        together.merge(json.loads(json.dumps(one.tell())))
    assert together.counts["sent"] == 6
    assert together.times["delivery"].count == 3
    assert together.times["delivery"].longest == 0.25
    assert Figures().times["delivery"].percentile(0.5) is None


def test_each_member_is_of_one_process_and_no_conversation_of_two() -> None:
    for members, processes, group in ((10, 3, 2), (7, 3, 2), (50, 4, 7), (5, 5, 2), (1, 1, 2)):
        plan = replace(PLAN, members=members, processes=processes, group=group)
        shares = [plan.share(process) for process in range(processes)]
        assert [number for share in shares for number in share] == list(range(members))
        assert all(share.start % group == 0 for share in shares if share)


def test_more_members_than_files_take_more_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avchat.ops.load.plan.capacity", lambda: 1000)
    assert processes_for(1000, None) == 1
    assert processes_for(1001, None) == 2
    assert processes_for(10, 4) == 4
    with pytest.raises(Impossible, match=f"3000 members take 3 processes: each may open {1000 + SPARE} files"):
        processes_for(3000, 2)
    with pytest.raises(Impossible):
        processes_for(1000 * 257, None)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_frames_of_any_length_are_taken_apart(size: int) -> None:
    payload = b"x" * size
    head = bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2) if size < 65536 else b""
    whole = (head or b"\x81\x7f" + size.to_bytes(8)) + payload
    assert list(wire.frames(whole + whole[:1])) == [(wire.TEXT, payload, len(whole))]
    assert all(list(wire.frames(whole[:cut])) == [] for cut in range(min(len(whole), 14)))


@pytest.mark.parametrize(
    "option",
    [
        "--members=0", "--members=2000001", "--members=1e3", "--members=-1", "--rate=nan", "--rate=inf", "--rate=-1",
        "--group=1", "--group=251", "--size=79", "--size=10001", "--seconds=x", "--seconds=604801", "--at-once=0",
        "--processes=0", "--processes=257", "--to=127.0.0.1", "--to=:80", "--to=127.0.0.1:0", "--to=127.0.0.1:65536",
        "--site=a/b", "--prefix=guest:", "--prefix=", "--pid=0", "--transport=tcp", "--come=-1", "--presence=x",
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused_in_words(option: str) -> None:
    with pytest.raises(CommandError, match=re.escape(option.split("=")[0])):
        call_command("msggen", "--site=pk_x", option)


def test_a_run_goes_to_this_machine_where_no_host_is_named() -> None:
    given = {
        "to": options.endpoint("127.0.0.1:8000"),
        "site": "pk_x",
        "secret": "sk_x",
        "members": 1,
        "transport": "ws",
    }
    given |= {"come": 0.0, "at_once": 1, "processes": None, "prefix": "m"}
    assert options.plan(given).address == ("127.0.0.1", 8000)
    assert options.plan(given).local
    assert not options.plan({**given, "to": ("192.0.2.1", 80)}).local
    with pytest.raises(Impossible, match=r"no host nowhere\.invalid"):
        options.plan({**given, "to": ("nowhere.invalid", 80)})


@pytest.mark.django_db
def test_a_site_that_is_not_known_here_needs_its_secret() -> None:
    with pytest.raises(CommandError, match="no site pk_x with a secret"):
        call_command("flood", "--site=pk_x")


def test_memory_is_that_of_a_process_and_of_those_it_has_started() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        pids = tree(os.getpid())
        assert {os.getpid(), child.pid} <= set(pids)
        alone, both = usage([os.getpid()]), usage([os.getpid(), child.pid])
        assert both.processes == 2
        assert 0 < alone.pss_kb <= alone.rss_kb < both.rss_kb
        assert alone.descriptors > 2
    finally:
        child.communicate(b"\n")
    assert tree(child.pid) == []
    assert usage([child.pid]).processes == 0


def watch(*arguments: str) -> list[dict[str, Any]]:
    """The samples that `watch` logs."""
    output = StringIO()
    call_command("watch", *arguments, stdout=output)
    return [json.loads(line) for line in output.getvalue().splitlines()]


@pytest.fixture
def asleep() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child
    child.communicate(b"\n")


def test_watch_logs_processes_and_kernel_and_draws_a_graph(asleep: subprocess.Popen[bytes], tmp_path: Path) -> None:
    png = tmp_path / "graph.png"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        found = watch(f"--pid=node={asleep.pid}", f"--pid=me={other.pid}", "--every=0.1", "--seconds=1", f"--png={png}")
        other.communicate()
    assert len(found) >= 2
    for sample in found:
        assert {"node", "me"} == {process["name"] for process in sample["processes"]}
        assert sample["rss_kb"] == sum(process["rss_kb"] for process in sample["processes"])
        assert sample["pss_kb"] > 0
        assert sample["descriptors"] > 0
        assert {"seconds", "time", "cpu_percent", "tcp_sockets", "tcp_kb", "slab_kb"} <= sample.keys()
    assert png.read_bytes().startswith(b"\x89PNG")
    log = tmp_path / "log"
    log.write_text("".join(json.dumps(sample) + "\n" for sample in found))
    again = tmp_path / "again.png"
    assert watch(f"--log={log}", f"--png={again}") == []
    assert again.read_bytes().startswith(b"\x89PNG")


def test_watch_ends_with_what_it_watches() -> None:
    child = subprocess.Popen(["sleep", "0.5"])
    seen = []

    class Output(StringIO):
        def write(self, text: str) -> int:
            seen.append(text)
            # Reaped, as the process's own parent would.
            child.poll()
            return len(text)

    call_command("watch", f"--pid={child.pid}", "--every=0.1", stdout=Output())
    assert child.returncode == 0
    assert json.loads(seen[0])["processes"][0]["pid"] == child.pid


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The signals are the test run's again afterwards."""
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name processes"),
        (["--pid=1", "--log=x", "--png=y"], "Name processes"),
        (["--log=x"], "Name processes"),
        (["--pid=4194304"], "There is no process 4194304"),
        (["--pid=1", "--pid=1"], "a name of its own"),
        (["--pid=a b=1"], "NAME=PID"),
        (["--every=0", "--pid=1"], "--every"),
        (["--log=/nowhere", "--png=/tmp/x.png"], "not what watch has logged"),
    ],
)
def test_watch_says_what_it_cannot_do(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=re.escape(words)):
        call_command("watch", *arguments)


def test_without_matplotlib_watch_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(Missing, match=r"avchat-im\[graphs\]"):
        draw([], tmp_path / "x.png")

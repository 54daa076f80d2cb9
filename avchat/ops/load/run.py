"""A load run from its beginning to its report: members come, talk or only listen, and leave.

With the server's processes named, memory is measured before the first member, with all of them connected, and after
they have talked; processor time while they talk (or listen).
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from avchat.ops.load.fleet import Fleet, Interrupted
from avchat.ops.load.machine import Usage, tree, usage
from avchat.ops.load.plan import Plan

FAULTS = ("lost", "doubled", "disordered", "strayed", "unanswered", "presence_lost", "presence_disordered")
"""What must not be: messages that a recipient was never told, told twice, told before an earlier one; told to somebody
who is not in the conversation; frames without an answer; watchers who did not end up with a member's last change of
presence; changes that were told after a later one."""
RETURNS = ("returned", "resumed", "not_resumed", "repeated", "closing")


SETTLE_S = 5.0
"""How long what is under way gets to arrive when a run is cut short, in seconds."""


@dataclass(slots=True)
class _Span:
    """What was measured from here to there."""

    seconds: float = 0.0
    server_s: float = 0.0
    client_s: float = 0.0


def run(plan: Plan, *, seconds: float | None, pids: Sequence[int], say: Callable[[str], object]) -> dict[str, Any]:
    """Runs it, until SIGINT or SIGTERM at the latest; answers the report.

    Args:
        seconds: how long members talk or listen; None: until told to end.
        pids: the server's processes; what descends from them counts too.

    Raises:
        Broken: one of the run's own processes has ended.
    """
    before = _usage(pids)
    idle: Usage | None = None
    coming, on = _Span(), _Span()
    interrupted = False
    with Fleet(plan, say) as fleet:
        try:
            with _measured(pids, coming):
                fleet.do("come")
            idle = _usage(pids)
            if plan.talks:
                fleet.do("open")
            with _measured(pids, on):
                fleet.do("talk" if plan.talks else "hold", seconds=seconds)
            if plan.talks:
                fleet.do("settle")
        except Interrupted:
            interrupted = True
            if plan.talks:
                # What is just on its way is not lost.
                fleet.do("settle", seconds=SETTLE_S)
        after = _usage(pids)
        fleet.end()
    report = _report(plan, fleet, coming, on)
    here = fleet.figures.counts["came"]
    if pids and here:
        report |= _memory(before, idle or after, after, here)
        report["cpu_percent"] = _percent(on.server_s, on.seconds)
    return report | {"interrupted": interrupted}


def faultless(report: dict[str, Any]) -> bool:
    """Whether all came, and nothing was amiss with what they said."""
    return not report["refused"] and not any(report.get(name) for name in FAULTS)


@contextmanager
def _measured(pids: Sequence[int], span: _Span) -> Iterator[None]:
    """Measures a span, also where it is cut off."""
    since, server_s, client_s = time.monotonic(), _usage(pids).cpu_s, _usage([os.getpid()]).cpu_s
    try:
        yield
    finally:
        span.seconds = time.monotonic() - since
        span.server_s = _usage(pids).cpu_s - server_s
        span.client_s = _usage([os.getpid()]).cpu_s - client_s


def _usage(pids: Sequence[int]) -> Usage:
    return usage({each for pid in pids for each in tree(pid)})


def _percent(seconds: float, of: float) -> float | None:
    return round(100 * seconds / of, 1) if of else None


def _memory(before: Usage, idle: Usage, after: Usage, members: int) -> dict[str, Any]:
    return {
        "server_processes": after.processes,
        "base_mb": round(before.pss_kb / 1024, 1),
        "kb_per_member_idle": round((idle.pss_kb - before.pss_kb) / members, 2),
        "kb_per_member": round((after.pss_kb - before.pss_kb) / members, 2),
    }


def _report(plan: Plan, fleet: Fleet, coming: _Span, on: _Span) -> dict[str, Any]:
    counts, times = fleet.figures.counts, fleet.figures.times
    report: dict[str, Any] = {
        "members": plan.members,
        "transport": plan.transport,
        "client_processes": plan.processes,
        "came": counts["came"],
        "refused": counts["refused"],
        "here": fleet.here,
        "coming_s": round(coming.seconds, 2),
        "coming_per_second": round(counts["came"] / coming.seconds, 1) if coming.seconds else None,
        **times["coming"].summary("coming_"),
        **{name: counts[name] for name in RETURNS},
        **times["back"].summary("back_"),
        "pings": counts["pings"],
        "seconds": round(on.seconds, 2),
        "client_cpu_percent": _percent(on.client_s, on.seconds),
    }
    if plan.talks:
        report |= {name: counts[name] for name in ("sent", "answered", "delivered", *FAULTS, "held_back", "not_taken")}
        report |= {name: counts[name] for name in ("presence_set", "presence_answered", "presence_seen")}
        report |= times["presence"].summary("presence_")
        report["sent_per_second"] = round(counts["sent"] / on.seconds, 1) if on.seconds else None
        report |= times["delivery"].summary("") | times["answer"].summary("answer_")
        report["faults"] = fleet.faults
    report["others"] = {name: count for name, count in sorted(counts.items()) if ": " in name}
    return report

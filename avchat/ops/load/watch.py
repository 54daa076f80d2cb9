"""Looks at processes again and again: a sample is what they and the kernel used at a moment, as JSON takes it."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from avchat.ops.load.machine import Usage, kernel_kb, sockets, tree, usage


def samples(pids: Mapping[str, int], every_s: float) -> Iterator[dict[str, Any]]:
    """A sample at once, and then one every so many seconds, as long as one of the processes is there.

    Args:
        pids: processes by the name that the sample shall have for each and what descends from it.
    """
    begun = time.monotonic()
    number = 0
    cpu: dict[int, tuple[float, float]] = {}
    while any((trees := _trees(pids)).values()):
        at = time.monotonic()
        yield _sample(trees, at - begun, at, cpu)
        number += 1
        time.sleep(max(0.0, begun + number * every_s - time.monotonic()))


def _trees(pids: Mapping[str, int]) -> dict[str, list[int]]:
    """The processes of each name; one that descends from two of them is the nearer one's."""
    found: dict[str, list[int]] = {}
    taken: set[int] = set()
    for name, pids_of in sorted(((name, tree(pid)) for name, pid in pids.items()), key=lambda each: len(each[1])):
        found[name] = [pid for pid in pids_of if pid not in taken]
        taken.update(pids_of)
    return found


def _sample(
    trees: Mapping[str, list[int]], since: float, at: float, cpu: dict[int, tuple[float, float]]
) -> dict[str, Any]:
    processes = []
    total = Usage()
    used = 0.0
    for name, pids in trees.items():
        for pid in pids:
            found = usage([pid])
            if not found.processes:
                continue
            before, then = cpu.get(pid, (found.cpu_s, at - 1))
            cpu[pid] = found.cpu_s, at
            percent = 100 * (found.cpu_s - before) / (at - then)
            used += percent
            total += found
            processes.append({"name": name, "pid": pid, **_told(found), "cpu_percent": round(percent, 1)})
    return {
        "seconds": round(since, 2),
        "time": round(time.time(), 2),
        **_told(total),
        "cpu_percent": round(used, 1),
        **sockets(),
        "slab_kb": kernel_kb(),
        "processes": processes,
    }


def _told(found: Usage) -> dict[str, int]:
    return {"rss_kb": found.rss_kb, "pss_kb": found.pss_kb, "descriptors": found.descriptors}

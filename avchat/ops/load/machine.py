"""What processes and the kernel use on this machine, from /proc: memory, processor time, descriptors, sockets."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(slots=True)
class Usage:
    """What one process, or several together, use. `pss_kb` shares out what processes have in common."""

    rss_kb: int = 0
    pss_kb: int = 0
    cpu_s: float = 0.0
    descriptors: int = 0
    processes: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        mine, theirs = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + theirs[name] for name in mine})


def tree(pid: int) -> list[int]:
    """A process and all that descend from it; none where it has ended."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        try:
            threads = list(Path(f"/proc/{each}/task").iterdir())
        except OSError:
            continue
        found.append(each)
        for thread in threads:
            # Children belong to the thread that forked them, which may end meanwhile.
            with contextlib.suppress(OSError):
                waiting += map(int, (thread / "children").read_text().split())
    return found


def usage(pids: Iterable[int]) -> Usage:
    """What these processes use together. Those that have ended use nothing."""
    total = Usage()
    for pid in pids:
        try:
            total += _usage(pid)
        except OSError:
            continue
    return total


def _usage(pid: int) -> Usage:
    rollup = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage(
        rss_kb=int(rollup["Rss"].split()[0]),
        pss_kb=int(rollup["Pss"].split()[0]),
        cpu_s=(int(fields[11]) + int(fields[12])) / TICK,
        descriptors=_descriptors(pid),
        processes=1,
    )


def _descriptors(pid: int) -> int:
    # Since Linux 6.2 the folder's size is their number; before, they have to be counted.
    return os.stat(f"/proc/{pid}/fd").st_size or len(os.listdir(f"/proc/{pid}/fd"))


def sockets() -> dict[str, int]:
    """The kernel's TCP sockets of the whole machine, both ends of those within it: how many, and their memory in KB."""
    found = {}
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        kind, _, rest = line.partition(": ")
        if kind == "TCP":
            words = rest.split()
            values = dict(zip(words[::2], map(int, words[1::2]), strict=True))
            found = {"tcp_sockets": values["inuse"], "tcp_orphans": values["orphan"], "tcp_kb": values["mem"] * PAGE_KB}
    return found


def kernel_kb() -> int:
    """Memory that the kernel has for its objects (slabs), in KB; sockets, their files and their epoll entries are."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Slab:"))

"""Draws what was watched: memory, the kernel's memory, processor time and connections over time, in one PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PANELS = (
    ("Memory of the processes, MB", 1024, (("pss_kb", "PSS"), ("rss_kb", "RSS"))),
    ("Memory of the kernel, MB", 1024, (("slab_kb", "objects (slabs)"), ("tcp_kb", "TCP buffers"))),
    ("Processor, % of one core", 1, (("cpu_percent", "all processes"),)),
    ("Connections", 1, (("descriptors", "open files of the processes"), ("tcp_sockets", "TCP sockets of the machine"))),
)


class Missing(Exception):
    """There is nothing to draw with; says what to install."""


def draw(samples: Sequence[dict[str, Any]], path: Path) -> None:
    """Writes the graph.

    Raises:
        Missing: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise Missing("Graphs are drawn by matplotlib: pip install 'avchat-im[graphs]'.") from None
    figure = Figure(figsize=(10, 12), layout="constrained")
    for axes, (title, unit, lines) in zip(figure.subplots(len(PANELS), sharex=True), PANELS, strict=True):
        for name, label in lines:
            axes.plot([each["seconds"] for each in samples], [each[name] / unit for each in samples], label=label)
        axes.set_title(title, loc="left")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(loc="best")
    axes.set_xlabel("seconds")
    figure.savefig(path, format="png", dpi=100)

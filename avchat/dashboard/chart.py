"""Figures as pictures: the points of a sparkline, and the bars and the scale of a chart of days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 84, 28
MARGIN = 4


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line of `WIDTH` by `HEIGHT`, zero-based, with a dot at its end."""

    points: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's bar, in percent of the chart; `top` is where it begins, from above."""

    day: date
    value: int
    left: float
    width: float
    top: float
    height: float


def sparkline(values: Sequence[int]) -> Sparkline:
    """The line of these values, at least one."""
    highest = max(*values, 1)
    step = (WIDTH - 2 * MARGIN) / max(len(values) - 1, 1)
    spots = [
        (round(MARGIN + i * step, 1), round(HEIGHT - MARGIN - value / highest * (HEIGHT - 2 * MARGIN), 1))
        for i, value in enumerate(values)
    ]
    return Sparkline(" ".join(f"{x},{y}" for x, y in spots), *spots[-1])


def scale(values: Sequence[int]) -> int:
    """The top of a scale that holds these values: 4, or the next 1, 2, 4, 6 or 8 times a power of ten."""
    highest = max(*values, 4)
    power: int = 10 ** (len(str(highest)) - 1)
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= highest)


def bars(days: Sequence[tuple[date, int]], top: int) -> list[Bar]:
    """The bars of these days, below `top`."""
    each = 100 / len(days)
    return [
        Bar(
            day,
            value,
            left=round(i * each + each * 0.15, 2),
            width=round(each * 0.7, 2),
            top=round(100 - value / top * 100, 2),
            height=round(value / top * 100, 2),
        )
        for i, (day, value) in enumerate(days)
    ]

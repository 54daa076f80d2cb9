"""Bounds of the load tools' numbers: what a command line may ask for."""

from argparse import ArgumentTypeError
from collections.abc import Callable

MAX_MEMBERS = 2_000_000
MAX_RATE = 1_000_000.0
MAX_SECONDS = 7 * 24 * 3600.0
MAX_BODY = 10_000
MIN_BODY = 80
MAX_GROUP = 250


def whole(low: int, high: int) -> Callable[[str], int]:
    """Takes a whole number within these bounds."""

    def take(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ArgumentTypeError(f"a whole number from {low} to {high} is needed, not {text!r}")
        return int(text)

    return take


def number(low: float, high: float) -> Callable[[str], float]:
    """Takes a number within these bounds."""

    def take(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        # A NaN is not within any.
        if not low <= value <= high:
            raise ArgumentTypeError(f"a number from {low:g} to {high:g} is needed, not {text!r}")
        return value

    return take

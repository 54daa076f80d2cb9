"""What a member of a conversation was told of it: each message once, in the order of `seq`, without a gap.

A member's own messages come as answers, and may come as events after it was away. An answer stands in no order to the
events of others, so that what is missing between two of those may be the member's own; only in the end is it lost.
"""

from typing import Literal

Fault = Literal["doubled", "disordered"]


class Record:
    """One member's record of one conversation, from the message `first` on.

    Of what is as it should be, one number is kept.
    """

    __slots__ = ("_early", "_missing", "_top")

    def __init__(self, first: int) -> None:
        # All up to here was told, but for what is missing.
        self._top = first - 1
        self._missing: set[int] | None = None
        # Answers that came before the events between.
        self._early: set[int] | None = None

    def heard(self, seq: int, *, own: bool = False) -> Fault | None:
        """A message has come as an event. `own`: it is the member's, and it was away; it may know it already."""
        if seq > self._top:
            early = self._early or set()
            if seq in early and not own:
                return "doubled"
            gap = set(range(self._top + 1, seq)) - early
            if gap:
                self._missing = (self._missing or set()) | gap
            self._top = seq
            self._catch_up()
            return None
        if self._found(seq):
            return None if own else "disordered"
        return None if own else "doubled"

    def answered(self, seq: int, *, again: bool = False) -> Fault | None:
        """The member's own message was answered with this `seq`. `again`: it may have come as an event before."""
        if seq > self._top:
            early = self._early or set()
            if seq in early:
                return None if again else "doubled"
            self._early = early | {seq}
            self._catch_up()
            return None
        return None if self._found(seq) or again else "doubled"

    def lost(self, last: int) -> int:
        """How many of the messages up to the `last` one were never told."""
        return len(self._missing or ()) + max(0, last - self._top) - len(self._early or ())

    def _found(self, seq: int) -> bool:
        """Whether this one was missing; it is not any more."""
        if self._missing is None or seq not in self._missing:
            return False
        self._missing.discard(seq)
        self._missing = self._missing or None
        return True

    def _catch_up(self) -> None:
        if self._early is None:
            return
        self._early = {seq for seq in self._early if seq > self._top}
        while self._top + 1 in self._early:
            self._top += 1
            self._early.discard(self._top)
        self._early = self._early or None

"""A timer wheel: many timers, one timer of the event loop.

Timers fire within `TICK_S` after their time. Setting and cancelling one is a dictionary look-up, so that a
hundred thousand grace times cost no more than their entries.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

TICK_S = 0.1


class Wheel:
    """Timers by name: setting one again moves it. Lives in one event loop and ticks only while it has timers."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots: dict[int, dict[Any, Callable[[], None]]] = {}
        self._slot_of: dict[Any, int] = {}
        self._done = 0
        self._ticking = False

    def set(self, name: Any, seconds: float, callback: Callable[[], None]) -> None:
        """Calls `callback` after `seconds`, unless the timer of this name is set again or cancelled before."""
        self.cancel(name)
        if not self._ticking:
            self._done = self._now()
        slot = max(math.ceil((self._loop.time() + seconds) / TICK_S), self._done + 1)
        self._slots.setdefault(slot, {})[name] = callback
        self._slot_of[name] = slot
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(TICK_S, self._tick)

    def cancel(self, name: Any) -> bool:
        """Takes a timer away; False where there was none."""
        slot = self._slot_of.pop(name, None)
        if slot is None:
            return False
        timers = self._slots[slot]
        del timers[name]
        if not timers:
            del self._slots[slot]
        return True

    def _now(self) -> int:
        return math.floor(self._loop.time() / TICK_S)

    def _tick(self) -> None:
        now = self._now()
        # A loop that was held up catches up slot by slot, or looks at what there is if it slept for long.
        late = range(self._done + 1, now + 1) if now - self._done < 1000 else sorted(s for s in self._slots if s <= now)
        for slot in late:
            for name in list(self._slots.get(slot, ())):
                callback = self._slots[slot].get(name) if slot in self._slots else None
                if callback is not None:
                    self.cancel(name)
                    try:
                        callback()
                    except Exception:
                        logger.exception("A timer failed")
        self._done = now
        self._ticking = bool(self._slots)
        if self._ticking:
            self._loop.call_later(TICK_S, self._tick)

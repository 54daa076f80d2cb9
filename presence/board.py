"""The presence board: how each member who is here is, from all of its connections together.

Says nothing to anybody; `presence.monitor` watches what changes. What others see of a member is its choice,
unless that is the plain one and all of its pages idle; invisible members look as if they had left.
"""

from collections import defaultdict
from collections.abc import Iterable

from im.caller import Caller
from im.events import Choice, Presence
from im.handler import Handler

Place = tuple[int, str]
"""Where a member is found: its site, and its id there."""

AWAY_FROM = ("online", "chat")
XA_FROM = ("online", "chat", "away")


class Entry:
    """A member who is here, or was a moment ago."""

    __slots__ = ("caller", "choice", "connections", "idle_since", "shown", "since")

    def __init__(self, caller: Caller, choice: Choice) -> None:
        self.caller = caller
        self.choice = choice
        self.connections: tuple[Handler, ...] = ()
        self.idle_since: int | None = None
        self.shown = "offline"
        self.since = 0

    @property
    def place(self) -> Place:
        """Where others look for it."""
        return self.caller.site_id, self.caller.sub

    @property
    def visible(self) -> bool:
        """True where others see the member here."""
        return self.shown != "offline"

    @property
    def rank(self) -> int:
        """How far from being looked at its pages are: 0 in use (or as it chose to look), 1 idle, 2 idle for long."""
        return 0 if self.shown == self.choice.show else 1 if self.shown == "away" else 2

    def public(self) -> Presence:
        """What others see."""
        status = self.choice.status if self.visible else ""
        return Presence(show=self.shown, status=status, since=self.since)  # type: ignore[arg-type]

    def own(self) -> Presence:
        """What the member itself sees: its choice."""
        return Presence(show=self.choice.show, status=self.choice.status, since=self.since)


class Board:
    """All members who are here on this node. Only the event loop uses it."""

    def __init__(self, away_ms: int, xa_ms: int) -> None:
        self._away_ms = away_ms
        self._xa_ms = xa_ms
        self._sites: dict[int, dict[str, Entry]] = defaultdict(dict)

    def find(self, site_id: int, sub: str) -> Entry | None:
        """The entry of a site's member, if it is here."""
        return self._sites[site_id].get(sub) if site_id in self._sites else None

    def all(self) -> Iterable[Entry]:
        """Everybody who is here."""
        return [entry for site in self._sites.values() for entry in site.values()]

    def visible(self, site_id: int) -> Iterable[Entry]:
        """The members of a site whom others see here."""
        return [entry for entry in self._sites.get(site_id, {}).values() if entry.visible]

    def enter(self, handler: Handler, choice: Choice) -> Entry:
        """A connection of a member; its entry is made with the first."""
        caller = handler.caller
        site = self._sites[caller.site_id]
        entry = site.get(caller.sub)
        if entry is None:
            entry = site[caller.sub] = Entry(caller, choice)
        entry.choice = choice
        entry.connections = (*entry.connections, handler)
        if entry.connections == handler.present.handlers:
            # As it is for nearly everybody, and then one tuple will do.
            entry.connections = handler.present.handlers
        return entry

    def leave(self, entry: Entry, handler: Handler) -> None:
        """A connection is gone; its entry stays until it is removed."""
        entry.connections = tuple(other for other in entry.connections if other is not handler)

    def remove(self, entry: Entry) -> None:
        """The member is gone."""
        site_id, sub = entry.place
        site = self._sites.get(site_id, {})
        site.pop(sub, None)
        if not site:
            self._sites.pop(site_id, None)

    def settle(self, entry: Entry, now: int) -> bool:
        """Works out how the member is now (ms since 1970); True if others see a difference."""
        if entry.connections:
            idle = all(handler.idle for handler in entry.connections)
            entry.idle_since = (entry.idle_since or now) if idle else None
        shown = self._shown(entry, now)
        if shown == entry.shown:
            return False
        entry.shown, entry.since = shown, now
        return True

    def _shown(self, entry: Entry, now: int) -> str:
        choice = entry.choice.show
        if choice == "invisible":
            return "offline"
        idle = now - entry.idle_since if entry.idle_since is not None else -1
        if idle >= self._xa_ms and choice in XA_FROM:
            return "xa"
        if idle >= self._away_ms and choice in AWAY_FROM:
            return "away"
        return choice

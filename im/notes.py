"""Notes: what nodes tell each other besides frames for members, by kind. Apps register what they do with theirs.

- A note of a transaction tells of a change that takes a version, and goes with its commit: at once on the node that
  made it, on others when the commit's turn has come. It may come late or twice, so that it carries the version, where
  what it tells depends on the order. Where its commit is lost, the feed finds out in the database what it told.
- Any other may be lost, too: what it tells is of the moment, or is looked up again by whoever listens.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from im.node import Node

Listener = Callable[..., None]


class Note(NamedTuple):
    """`args`: plain values that MessagePack knows. `names`: the nodes that have one of these get it (`im.nodes`).

    One without `args` was left out on its way to a node that seemed to have none of the names.
    """

    kind: str
    args: tuple[Any, ...] | None
    names: tuple[str, ...] = ()


listeners: dict[str, Listener] = {}


def on(kind: str) -> Callable[[Listener], Listener]:
    """Registers who listens to a kind: `(node, *args)`, in the event loop."""

    def decorate(listener: Listener) -> Listener:
        listeners[kind] = listener
        return listener

    return decorate


def hear(node: "Node", kind: str, args: tuple[Any, ...] | None) -> None:
    """Has a note take effect on a node; one of a kind that it does not know (a newer node's) has none."""
    listener = listeners.get(kind)
    if listener is not None and args is not None:
        listener(node, *args)

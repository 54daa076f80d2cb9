"""Notes: what nodes tell each other besides stored changes, by kind. Apps register what they do with theirs.

A note may be lost, come late or come twice; what it tells can be found out again, or is of the moment. It takes
effect on the node that makes it, too, where it is a transaction's.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from im.node import Node

Listener = Callable[..., None]


class Note(NamedTuple):
    """`args`: plain values that MessagePack knows. `names`: the nodes that have one of these get it (`im.nodes`)."""

    kind: str
    args: tuple[Any, ...]
    names: tuple[str, ...] = ()


listeners: dict[str, Listener] = {}


def on(kind: str) -> Callable[[Listener], Listener]:
    """Registers who listens to a kind: `(node, *args)`, in the event loop."""

    def decorate(listener: Listener) -> Listener:
        listeners[kind] = listener
        return listener

    return decorate


def hear(node: "Node", kind: str, args: tuple[Any, ...]) -> None:
    """Has a note take effect on a node; one of a kind that it does not know (a newer node's) has none."""
    listener = listeners.get(kind)
    if listener is not None:
        listener(node, *args)

"""Frames made at random: the process is unharmed, and another connection notices nothing."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.client import Connection, Ended, HelloRefused
from tests.support.site import Site

CODES = {
    "bad-frame",
    "unknown-type",
    "unauthorized",
    "forbidden",
    "not-found",
    "too-large",
    "rate-limited",
    "conflict",
    "unavailable",
}
OURS = "a conversation of the sender's"
"""Stands for the id of a conversation that the sender is in."""

# Without lone surrogates: a frame with one cannot be read as far as its id.
text = st.text(st.characters(), max_size=12)
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
    | st.sampled_from(["", " ", "\0", "a\0b", "x" * 129, "../", "%", OURS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=4,
)
member = st.sampled_from(["ann", "bob", "fuzz", "nobody"])
conversation = st.sampled_from([OURS, OURS, "nowhere"])
members = st.lists(member, max_size=3)
seq = st.integers(-1, 5)
limit = st.integers(0, 101)
flag = st.booleans()
tab = st.fixed_dictionaries({"conversation": conversation, "state": st.sampled_from(["open", "minimized", "closed"])})
guest = st.fixed_dictionaries({"name": text | junk})
place: dict[str, st.SearchStrategy[Any]] = {"conversation": conversation, "seq": seq}
to = st.fixed_dictionaries({}, optional={"member": member | junk, "conversation": conversation | junk})
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "hello": {"site": text, "token": text, "guest": guest, "resume": text},
    "message.send": {"to": to, "body": text, "key": text, "reply_to": seq, "attachments": st.just([])},
    "message.edit": {**place, "body": text},
    "message.delete": place,
    "message.react": {**place, "emoji": text, "on": flag},
    "message.read": place,
    "typing": {"conversation": conversation, "on": flag},
    "history": {"conversation": conversation, "before": seq, "limit": limit},
    "conversations": {"cursor": text, "limit": limit, "ids": st.lists(conversation, max_size=3)},
    "conversation.create": {"members": members, "name": text},
    "conversation.invite": {"conversation": conversation, "members": members},
    "conversation.leave": {"conversation": conversation},
    "conversation.rename": {"conversation": conversation, "name": text},
    "tabs.set": {"tabs": st.lists(tab, max_size=3)},
    "presence.idle": {"on": flag},
    "presence.set": {"show": st.sampled_from(["online", "xa", "invisible", "offline"]), "status": text},
    "presence.watch": {"members": members},
    "presence.unwatch": {"members": members},
    "members": {"query": text, "online": flag, "cursor": text, "limit": limit, "ids": members},
    "contacts": {},
    "contact.add": {"member": member},
    "contact.remove": {"member": member},
    "block.add": {"member": st.just("ann")},
    "block.remove": {"member": member},
    "report": {**place, "reason": text},
    "call.start": {"to": to, "media": text},
    "ice": {},
    "ping": {"x": junk},
}


def almost(type: str) -> st.SearchStrategy[dict[str, Any]]:
    """Frames of a type whose fields are as they should be, or are missing, or are anything at all."""
    return st.fixed_dictionaries(
        {"type": st.just(type)}, optional={name: fit | fit | fit | junk for name, fit in FIELDS[type].items()}
    )


frames = st.sampled_from(sorted(FIELDS)).flatmap(almost) | st.fixed_dictionaries({"type": junk})
relaxed = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    # A failing example is told as it is: to make it smaller takes longer than to read it.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def filled(value: Any, conversation: str) -> Any:
    """The value, with the sender's own conversation where one was to be."""
    return json.loads(json.dumps(value).replace(OURS, conversation))


class Target:
    """A member that sends what should not be sent, anew whenever it was cut off; and one who must not notice."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.sender: Connection | None = None
        self.bystander: Connection | None = None
        self.conversation = ""

    async def ready(self) -> Connection:
        """The sender's connection."""
        if self.bystander is None:
            self.bystander = await self.site.join("bob", transport="ws")
        if self.sender is None:
            self.sender = await self.site.join("fuzz")
            if not self.conversation:
                self.conversation = (await self.sender.send("bob", "hello"))["conversation"]
        return self.sender

    async def unharmed(self) -> None:
        """Checks that the process lives and that the bystander's connection still does its work."""
        assert self.site.server.running
        assert self.bystander is not None
        await self.bystander.ok("ping")


@pytest.fixture
def target(site: Site) -> Target:
    """One target for all examples of a test."""
    return Target(site)


@relaxed
@given(example=frames)
async def test_any_frame_is_answered_once_with_ok_or_an_error_of_the_contract(
    target: Target, example: dict[str, Any]
) -> None:
    sender = await target.ready()
    try:
        reply = await sender.request(**filled(example, target.conversation))
    except Ended:
        target.sender = None
    else:
        assert reply["type"] == "ok" or reply["code"] in CODES
    await target.unharmed()


@relaxed
@given(example=st.binary(max_size=200) | frames.map(lambda frame: mutilated(frame)))
async def test_any_bytes_do_no_harm(target: Target, example: bytes) -> None:
    sender = await target.ready()
    try:
        await sender.raw(b"{" + example)
    except Ended:
        target.sender = None
    await target.unharmed()


def mutilated(frame: dict[str, Any]) -> bytes:
    """The frame's JSON without its first and last character."""
    return json.dumps(filled(frame, "c")).encode()[2:-1]


@relaxed
@given(example=st.fixed_dictionaries({}, optional={name: fit | junk for name, fit in FIELDS["hello"].items()}))
async def test_any_hello_is_let_in_or_refused(target: Target, example: dict[str, Any]) -> None:
    await target.ready()
    try:
        await target.site.hello(filled(example, target.conversation))
    except HelloRefused as refused:
        allowed = {"bad-frame", "unauthorized", "forbidden", "rate-limited"}
        if refused.error["code"] not in allowed:
            raise
    await target.unharmed()

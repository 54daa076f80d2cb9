"""Frames made at random: the process is unharmed, and another connection notices nothing."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.client import Connection, Ended, HelloRefused
from tests.support.site import Site

TYPES = [
    "hello",
    "message.send",
    "message.edit",
    "message.delete",
    "message.react",
    "message.read",
    "typing",
    "history",
    "conversations",
    "conversation.create",
    "conversation.invite",
    "conversation.leave",
    "conversation.rename",
    "tabs.set",
    "presence.idle",
    "presence.set",
    "presence.watch",
    "presence.unwatch",
    "members",
    "contacts",
    "contact.add",
    "contact.remove",
    "block.add",
    "block.remove",
    "report",
    "call.start",
    "ice",
    "ping",
]
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
OURS = object()
"""Stands for the id of a conversation that the sender is in."""

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(
        ["ann", "bob", "fuzz", "", " ", "\0", "\ud800", "open", "online", "xa", "👍", "x" * 129, "../", "%"]
    ),
    st.just(OURS),
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner))
fields = {
    "to": st.fixed_dictionaries({}, optional={"member": scalars, "conversation": scalars}) | values,
    "guest": st.fixed_dictionaries({"name": scalars}) | values,
    "tabs": st.lists(st.fixed_dictionaries({"conversation": scalars, "state": scalars}), max_size=3) | values,
    "members": st.lists(scalars, max_size=4) | values,
    "ids": st.lists(scalars, max_size=4) | values,
    "conversation": st.just(OURS) | values,
    "seq": st.integers(-1, 5) | values,
    **dict.fromkeys(
        ["body", "key", "reply_to", "attachments", "emoji", "on", "before", "limit", "cursor", "name"], values
    ),
    **dict.fromkeys(["show", "status", "query", "online", "member", "reason", "site", "token", "resume"], values),
}
frames = st.builds(
    lambda type, rest: {"type": type, **rest},
    st.sampled_from(TYPES) | values,
    st.fixed_dictionaries({}, optional=fields),
)
relaxed = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def filled(value: Any, conversation: str) -> Any:
    """The value, with the sender's own conversation where one was to be."""
    if value is OURS:
        return conversation
    if isinstance(value, list):
        return [filled(item, conversation) for item in value]
    if isinstance(value, dict):
        return {name: filled(item, conversation) for name, item in value.items()}
    return value


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
    site: Site, example: dict[str, Any]
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
@given(
    example=st.fixed_dictionaries({}, optional={name: fields[name] for name in ("site", "token", "guest", "resume")})
)
async def test_any_hello_is_let_in_or_refused(target: Target, example: dict[str, Any]) -> None:
    await target.ready()
    try:
        await target.site.hello(filled(example, target.conversation))
    except HelloRefused as refused:
        allowed = {"bad-frame", "unauthorized", "forbidden", "rate-limited"}
        if refused.error["code"] not in allowed:
            raise
    await target.unharmed()

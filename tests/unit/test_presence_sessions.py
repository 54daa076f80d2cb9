"""Presence for sessions: between two reads nothing that changes is lost."""

import pytest

from avchat.tenants.models import Site
from im.node import Node
from presence import monitor
from tests.support.nodes import Reader, begin, read, seats, shows
from tests.support.wait import eventually


@pytest.mark.parametrize("during", [False, True], ids=["between-reads", "as-a-read-ends"])
async def test_a_change_that_is_about_to_be_told_comes_with_the_next_read(node: Node, site: Site, during: bool) -> None:
    id, desk = await begin(site, node, "bob")
    ann, cleo = await seats(site, ("ann", node), ("cleo", node))
    for watcher in (desk, cleo):
        await watcher.ask("presence.watch", members=["ann"])
    assert (await read(node, id)).frames == []

    reader = Reader()
    if during:
        handler, _ = await node.sessions.attach(id, reader, None)
    await ann.ask("presence.set", show="dnd", status="")
    assert monitor.of(node)._telling is not None
    if during:
        node.sessions.detach(handler, reader)
        await node.sessions.save(handler)
    await eventually(lambda: monitor.of(node)._telling is None)
    (news,) = (await read(node, id)).frames
    assert news["members"]["ann"]["show"] == "dnd"
    assert reader.frames == []
    assert (await read(node, id)).frames == []
    assert shows(cleo, "ann") == ["dnd"]

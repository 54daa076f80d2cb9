"""The same application on Daphne as it is: a plain ASGI application, whose consumers keep their connections."""

from tests.support.server import Server
from tests.support.site import Site


async def test_members_chat_over_every_transport(daphne: Server, transport: str) -> None:
    site = Site(daphne, transport=transport)
    ann, bob = await site.join("ann"), await site.join("bob")
    for number in range(3):
        await ann.send("bob", f"hello {number}")
        assert (await bob.event("message"))["body"] == f"hello {number}"
        await bob.send("ann", f"and back {number}")
        assert (await ann.event("message"))["body"] == f"and back {number}"
    await bob.drop()
    await ann.send("bob", "missed")
    again = await site.join("bob", resume=bob.cursor)
    await again.event("message", body="missed")
    await site.leave()
    assert daphne.complaints() == []

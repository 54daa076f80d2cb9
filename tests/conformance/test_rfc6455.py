"""RFC 6455, case by case, in the groups of the Autobahn test suite; against our server and against Daphne as it is.

Daphne drops the connection of one who violates the protocol without a close frame, which a client sees as 1006.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from tests.support.bare import BINARY, CLOSE, MASK, PING, PONG, TEXT, Bare, Told, frame
from tests.support.server import Server
from tests.support.site import Site

LIMIT = 64 * 1024
FAR = 1024 * 1024


class Case(NamedTuple):
    """What is sent, piece by piece, and what comes back: answers, pongs, and the close code if it is to end."""

    name: str
    pieces: Sequence[bytes]
    answers: Sequence[str] = ()
    pongs: Sequence[bytes] = ()
    code: int | None = None
    # Ours alone: the client has said how it ends, or it is a limit of the messenger's.
    polite: bool = False


def ask(id: str, size: int = 0) -> bytes:
    """A frame of the messenger's that is answered with this id; at least `size` bytes."""
    text = json.dumps({"type": "ping", "id": id, "pad": ""}, ensure_ascii=False).encode()
    return text[:-2] + b"x" * (size - len(text)) + text[-2:]


def bytewise(data: bytes) -> list[bytes]:
    """Every byte on its own."""
    return [data[at : at + 1] for at in range(len(data))]


def chopped(data: bytes, size: int) -> list[bytes]:
    """Pieces of `size` bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def fragments(opcode: int, *parts: bytes, between: bytes = b"") -> list[bytes]:
    """One message in as many frames, with something sent between them."""
    made = []
    for index, part in enumerate(parts):
        made.append(frame(opcode if index == 0 else 0, part, fin=index == len(parts) - 1))
        if between and index < len(parts) - 1:
            made.append(between)
    return made


def closing(code: int, reason: bytes = b"") -> bytes:
    """A close frame of the client's."""
    return frame(CLOSE, code.to_bytes(2) + reason)


GOOD = frame(TEXT, ask("a"))
AGAIN = frame(TEXT, ask("b"))

framing = [
    Case(f"a text of {size} bytes", [frame(TEXT, ask("a", size))], ["a"]) for size in (125, 126, 127, 128, 65535, LIMIT)
]
framing += [
    Case(f"a binary message of {size} bytes", [frame(BINARY, ask("a", size))], ["a"])
    for size in (125, 126, 127, 128, 65535, LIMIT)
]
framing += [
    Case("64 KiB in pieces of 997 bytes", chopped(frame(TEXT, ask("a", LIMIT)), 997), ["a"]),
    Case("every byte on its own", bytewise(GOOD), ["a"]),
    Case("many messages in one piece", [b"".join(frame(TEXT, ask(str(n))) for n in range(50))], [*map(str, range(50))]),
    Case("an empty text is no frame of the messenger's", [frame(TEXT)], ["bad-frame"]),
    Case("a mask of zeros", [frame(TEXT, ask("a"), mask=bytes(4))], ["a"]),
    Case("no mask", [frame(TEXT, ask("a"), mask=None)], code=1002),
    Case("a control frame without a mask", [frame(PING, mask=None)], code=1002),
    Case("a length of 16 bits that needs none", [frame(TEXT, ask("a"), size=2)], code=1002),
    Case("a length of 64 bits that needs 16", [frame(TEXT, ask("a", 300), size=8)], code=1002),
]

pings = [
    Case("a ping without content", [frame(PING)], pongs=[b""]),
    Case("a ping with content", [frame(PING, b"Hello, world!")], pongs=[b"Hello, world!"]),
    Case("a ping with bytes that are no text", [frame(PING, b"\x00\xff\xfe\xfd")], pongs=[b"\x00\xff\xfe\xfd"]),
    Case("a ping of 125 bytes", [frame(PING, b"\xfe" * 125)], pongs=[b"\xfe" * 125]),
    Case("a ping of 125 bytes, every byte on its own", bytewise(frame(PING, b"\xfe" * 125)), pongs=[b"\xfe" * 125]),
    Case("a ping of 126 bytes", [frame(PING, b"\xfe" * 126)], code=1002),
    Case("a pong that nobody asked for", [frame(PONG), GOOD], ["a"]),
    Case("a pong with content that nobody asked for", [frame(PONG, b"unsolicited"), GOOD], ["a"]),
    Case("a pong, then a ping", [frame(PONG, b"x"), frame(PING, b"y")], pongs=[b"y"]),
    Case("ten pings", [frame(PING, b"%d" % n) for n in range(10)], pongs=[b"%d" % n for n in range(10)]),
    Case(
        "ten pings in one piece",
        [b"".join(frame(PING, b"%d" % n) for n in range(10))],
        pongs=[b"%d" % n for n in range(10)],
    ),
]

reserved = [
    *(Case(f"reserved bits {rsv} on a text", [frame(TEXT, ask("a"), rsv=rsv)], code=1002) for rsv in range(1, 8)),
    Case("a reserved bit after a good message", [GOOD, frame(TEXT, ask("b"), rsv=4), AGAIN], ["a"], code=1002),
    Case("a reserved bit in the same piece", [GOOD + frame(TEXT, ask("b"), rsv=4) + AGAIN], ["a"], code=1002),
    Case("a reserved bit on a ping", [frame(PING, rsv=4)], code=1002),
    Case("a reserved bit on a binary message", [frame(BINARY, ask("a"), rsv=1)], code=1002),
    Case("a reserved bit on a close", [frame(CLOSE, rsv=2)], code=1002),
]

opcodes = [
    Case(f"opcode {opcode}, {name}", [GOOD, frame(opcode, payload), AGAIN], ["a"], code=1002)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    for name, payload in (("empty", b""), ("with content", b"reserved"))
]

TWO = fragments(TEXT, ask("a")[:9], ask("a")[9:])
fragmentation = [
    Case("a ping in fragments", [frame(PING, b"x", fin=False), frame(0, b"y")], code=1002),
    Case("a pong in fragments", [frame(PONG, b"x", fin=False), frame(0, b"y")], code=1002),
    Case("a close in fragments", [frame(CLOSE, b"\x03", fin=False), frame(0, b"\xe8")], code=1002),
    Case("a text in two fragments", TWO, ["a"]),
    Case("a text in two fragments in one piece", [b"".join(TWO)], ["a"]),
    Case("a text in two fragments, every byte on its own", bytewise(b"".join(TWO)), ["a"]),
    Case("a fragment for each byte", fragments(TEXT, *bytewise(ask("a"))), ["a"]),
    Case("fragments without content", fragments(TEXT, b"", ask("a"), b""), ["a"]),
    Case("a binary message in fragments", fragments(BINARY, ask("a")[:9], ask("a")[9:]), ["a"]),
    Case(
        "a ping between fragments",
        fragments(TEXT, ask("a")[:9], ask("a")[9:], between=frame(PING, b"!")),
        ["a"],
        [b"!"],
    ),
    Case(
        "pings and pongs between many fragments",
        fragments(TEXT, *bytewise(ask("a")), between=frame(PONG) + frame(PING, b"!")),
        ["a"],
        [b"!"] * (len(ask("a")) - 1),
    ),
    Case("a continuation of nothing", [frame(0, ask("a"))], code=1002),
    Case("a continuation of nothing that is not the last", [frame(0, ask("a"), fin=False)], code=1002),
    Case("a continuation after a whole message", [GOOD, frame(0, ask("b"))], ["a"], code=1002),
    Case("a text within a text", [frame(TEXT, ask("a")[:9], fin=False), AGAIN], code=1002),
    Case("a binary message within a text", [frame(TEXT, ask("a")[:9], fin=False), frame(BINARY, ask("b"))], code=1002),
    Case(
        "two messages in fragments",
        fragments(TEXT, ask("a")[:9], ask("a")[9:]) + fragments(TEXT, ask("b")[:5], ask("b")[5:]),
        ["a", "b"],
    ),
]

WORDS = (
    "κόσμε",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "\u00a0\u0800\U00010000",
    "\ud7ff\ue000\ufffd",
    "\U0010ffff",
    "\ufeff\ufffe",
)
BAD = {
    "a continuation byte alone": b"\x80",
    "a start without a continuation": b"\xce ",
    "a start at the end": b"\xce\xba\xe1\xbd",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "FE": b"\xfe",
    "FF": b"\xff",
    "an overlong slash": b"\xc0\xaf",
    "an overlong slash of three bytes": b"\xe0\x80\xaf",
    "an overlong zero": b"\xc0\x80",
    "a high surrogate": b"\xed\xa0\x80",
    "a low surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
}
utf8 = [Case(f"the text {word!a}", [frame(TEXT, ask(word))], [word]) for word in WORDS]
utf8 += [
    Case(f"the text {word!a} in fragments of a byte", fragments(TEXT, *bytewise(ask(word))), [word]) for word in WORDS
]
utf8 += [Case(f"not UTF-8: {name}", [frame(TEXT, b'{"x":"' + data + b'"}')], code=1007) for name, data in BAD.items()]
utf8 += [
    Case(f"not UTF-8 in fragments: {name}", fragments(TEXT, b'{"x":"', *bytewise(data), b'"}'), code=1007)
    for name, data in BAD.items()
]
utf8 += [Case("not UTF-8 in a ping", [frame(PING, b"\xff")], pongs=[b"\xff"])]

close = [
    Case("a close without a code", [frame(CLOSE)], code=0, polite=True),
    Case("two closes", [closing(1000), closing(1000)], code=1000, polite=True),
    Case("a ping after a close", [closing(1000) + frame(PING)], code=1000, polite=True),
    Case("a text after a close", [closing(1000) + GOOD], code=1000, polite=True),
    Case(
        "a close between fragments",
        [frame(TEXT, b"{", fin=False), closing(1000), frame(0, b"}")],
        code=1000,
        polite=True,
    ),
    Case("a close, every byte on its own", bytewise(closing(1000, b"bye")), code=1000, polite=True),
    Case("a close of one byte", [frame(CLOSE, b"\x03")], code=1002),
    Case("a reason of 123 bytes", [closing(1000, b"x" * 123)], code=1000, polite=True),
    Case("a reason of 124 bytes", [closing(1000, b"x" * 124)], code=1002),
    Case("a reason that is not UTF-8", [closing(1000, b"\xce\xba\xff")], code=1007),
    *(
        Case(f"close with {code}", [closing(code)], code=code, polite=True)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    ),
    *(
        Case(f"close with {code}, which there is not", [closing(code)], code=1002)
        for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    ),
]

limits = [
    Case("a byte too many for the messenger", [frame(TEXT, ask("a", LIMIT + 1))], ["a"], code=4413, polite=True),
    Case(
        "the same in fragments",
        fragments(TEXT, ask("a", LIMIT + 1)[:LIMIT], ask("a", LIMIT + 1)[LIMIT:]),
        ["a"],
        code=4413,
        polite=True,
    ),
    Case("a gigabyte that is announced", [b"\x81\xff" + (2**30).to_bytes(8) + MASK + b"x" * 50_000], code=1009),
    Case("all bytes that there are", [b"\x82\xff" + (2**63 - 1).to_bytes(8) + MASK], code=1009),
    Case("more bytes than there are", [b"\x82\xff" + (2**63).to_bytes(8) + MASK], code=1002),
    Case(
        "fragments without end", [frame(TEXT if not n else 0, b"x" * 60_000, fin=False) for n in range(40)], code=1009
    ),
]

GROUPS = {
    "framing": framing,
    "pings": pings,
    "reserved bits": reserved,
    "opcodes": opcodes,
    "fragmentation": fragmentation,
    "UTF-8": utf8,
    "close": close,
    "limits": limits,
}
CASES = [pytest.param(case, id=f"{group}: {case.name}") for group, cases in GROUPS.items() for case in cases]


async def sent(client: Bare, case: Case) -> Told:
    """What came back. Where the connection is to stay, it also has to be good for another message."""
    for piece in case.pieces:
        await client.send(piece)
        if len(case.pieces) > 1:
            # Pieces are to arrive as pieces, as far as that can be had.
            await asyncio.sleep(0)
    told = await client.told(None if case.code is not None else len(case.answers) + len(case.pongs))
    if case.code is None:
        await client.send(frame(TEXT, ask("still here")))
        assert (await client.told(1)).answers == ["still here"]
    return told


@pytest.fixture(scope="module")
def ours(server: Server) -> Site:
    """A site whose members may send as they like."""
    return Site(server, "--limits", "none")


@pytest.fixture(scope="module")
def daphnes(daphne: Server) -> Site:
    """The same on Daphne."""
    return Site(daphne, "--limits", "none")


@pytest.mark.parametrize("case", CASES)
async def test_our_server(ours: Site, case: Case) -> None:
    client = await Bare.join(ours, "ann")
    assert await sent(client, case) == Told([*case.answers], [*case.pongs], case.code)
    await ours.leave()
    assert ours.server.complaints() == []


@pytest.mark.parametrize("case", CASES)
async def test_daphne(daphnes: Site, case: Case) -> None:
    client = await Bare.join(daphnes, "ann")
    told = await sent(client, case)
    if case.code is not None and not case.polite and told.code is None:
        # Dropped, and what was answered before may have gone with it.
        assert told.answers == [*case.answers][: len(told.answers)]
    elif case.polite and told.code == 1000:
        # It answers every good close with this one.
        assert told.answers == [*case.answers]
    else:
        assert told == Told([*case.answers], [*case.pongs], case.code)
    await daphnes.leave()

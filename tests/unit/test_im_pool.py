"""The connection pool on its own: what its owners are told, and what one connection may do to the others."""

import asyncio
import contextlib
import itertools
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from im import framing, pool, sockets
from im.pool import Pool, Stream, WebSocket
from tests.support.bare import BINARY, CLOSE, PING, TEXT, frame


class Listener:
    """An owner that notes what it is told, and is congested if it is told so."""

    silence = b": \n\n"

    def __init__(self) -> None:
        self.frames: list[bytes | str] = []
        self.ends: list[int] = []
        self.congested = False
        self.room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_message: Callable[[bytes | str], None] = lambda data: None

    def on_frame(self, data: bytes | str) -> None:
        self.frames.append(data)
        self.on_message(data)

    async def uncongested(self) -> None:
        await self.room

    def disconnected(self, code: int) -> None:
        self.ends.append(code)


_peers: list["Peer"] = []


class Peer:
    """A client's end of a connection of the pool's."""

    def __init__(self, connections: Pool) -> None:
        self.connections = connections
        ours, self.socket = socket.socketpair()
        ours.setblocking(False)
        self.socket.setblocking(False)
        self.fd = ours.detach()
        self.owner = Listener()
        _peers.append(self)

    def websocket(self) -> WebSocket:
        """Has the pool take it for a WebSocket."""
        self.way = self.connections.websocket(self.fd, b"")
        self.connections.own(self.way, self.owner)
        return self.way

    def stream(self, *, kept: bool = False, chunked: bool = True) -> Stream:
        """Has the pool take it for a stream."""
        stream = self.connections.stream(self.fd, b"HEAD\r\n\r\n", chunked=chunked, kept=kept)
        self.connections.own(stream, self.owner)
        return stream

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    async def received(self, size: int) -> bytes:
        """The next bytes; fewer where the connection ends."""
        data = b""
        async with asyncio.timeout(10):
            while len(data) < size:
                more = await asyncio.get_running_loop().sock_recv(self.socket, size - len(data))
                if not more:
                    break
                data += more
        return data

    async def over(self) -> bytes:
        """All that comes until the connection ends."""
        return await self.received(100_000_000)


async def sent(peer: Peer, data: bytes) -> bool:
    """Sends bytes; False where there is no more room for them."""
    await asyncio.sleep(0)
    try:
        peer.socket.send(data)
    except BlockingIOError:
        return False
    return True


async def until(condition: Callable[[], object]) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what is waited for is told to nobody)
            await asyncio.sleep(0)


@contextlib.contextmanager
def fresh() -> Iterator[Pool]:
    """The pool of this event loop; it and its peers end with the block."""
    made = pool.current()
    try:
        yield made
    finally:
        made.stop()
        pool._current = None
        while _peers:
            _peers.pop().socket.close()


@pytest.fixture
async def connections() -> AsyncIterator[Pool]:
    """The pool of this test's event loop."""
    with fresh() as made:
        yield made


@pytest.fixture
async def peer(connections: Pool) -> Peer:
    """A connection."""
    return Peer(connections)


async def test_a_message_reaches_its_owner_and_the_answer_its_client(peer: Peer) -> None:
    way = peer.websocket()
    peer.owner.on_message = lambda data: way.write(b"seen")
    peer.send(frame(TEXT, "é".encode()) + frame(BINARY, b"\xff"))
    await until(lambda: len(peer.owner.frames) == 2)
    assert peer.owner.frames == ["é", b"\xff"]
    assert await peer.received(12) == b"\x81\x04seen" * 2


async def test_what_is_written_in_one_turn_goes_out_in_one_piece(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    way = peer.websocket()
    await asyncio.sleep(0)
    writes: list[int] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: writes.append(fd) or write(fd, data))
    for word in (b"a", b"b", b"c"):
        way.write(word)
    assert await peer.received(9) == b"\x81\x01a\x81\x01b\x81\x01c"
    assert writes.count(peer.fd) == 1


async def test_bytes_that_came_with_the_handshake_are_the_first_to_be_read(peer: Peer) -> None:
    way = peer.connections.websocket(peer.fd, b"head")
    whole = frame(TEXT, b"first")
    peer.send(whole[4:] + frame(TEXT, b"second"))
    peer.connections.own(way, peer.owner, rest=whole[:4])
    await until(lambda: len(peer.owner.frames) == 2)
    assert peer.owner.frames == ["first", "second"]
    assert await peer.received(4) == b"head"


async def test_another_owner_gets_what_the_former_one_left_lying(peer: Peer) -> None:
    peer.websocket()
    peer.owner.congested = True
    peer.send(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(TEXT, b"3"))
    await until(lambda: peer.owner.frames)
    other = Listener()
    peer.connections.own(peer.fd, other, ["1"])
    await until(lambda: len(other.frames) == 3)
    assert (peer.owner.frames, other.frames) == (["1"], ["1", "2", "3"])
    peer.owner.room.set_result(None)
    peer.socket.close()
    await until(lambda: other.ends)
    assert peer.owner.ends == []


async def test_nothing_is_read_for_an_owner_that_is_congested(peer: Peer) -> None:
    peer.websocket()
    peer.owner.congested = True
    peer.send(frame(TEXT, b"1"))
    await until(lambda: peer.owner.frames)
    many = frame(TEXT, b"x" * 1000) * 100
    assert not all([await sent(peer, many) for _ in range(500)])
    assert peer.owner.frames == ["1"]
    peer.owner.congested = False
    peer.owner.room.set_result(None)
    await until(lambda: len(peer.owner.frames) > 10)


async def test_a_client_that_does_not_read_is_cut_off_and_costs_no_other(connections: Pool) -> None:
    slow, other = Peer(connections), Peer(connections)
    way, good = slow.websocket(), other.websocket()
    other.owner.on_message = lambda data: good.write(b"here")
    written = 0
    while not slow.owner.ends and written < 20_000_000:
        written += 10_000
        way.write(b"x" * 10_000)
        other.send(frame(TEXT, b"?"))
        assert await other.received(6) == b"\x81\x04here"
    assert slow.owner.ends == [1006]
    assert written < 2 * sockets.MAX_UNREAD
    assert other.owner.ends == []


async def test_what_a_socket_does_not_take_at_once_is_sent_later_and_whole(peer: Peer) -> None:
    way = peer.websocket()
    way.write(b"x" * 3_000_000)
    way.close(1000, "")
    data = await peer.received(10 + 3_000_000 + 4)
    assert data[:2] + data[-4:] == b"\x81\x7f\x88\x02\x03\xe8"
    peer.send(frame(CLOSE, b"\x03\xe8"))
    assert await peer.over() == b""
    assert peer.owner.ends == [1000]


async def test_after_a_close_no_message_is_taken_and_none_is_sent(peer: Peer) -> None:
    way = peer.websocket()
    way.close(4400, "bad frames")
    way.write(b"too late")
    peer.send(frame(TEXT, b"too late") + frame(CLOSE, (4400).to_bytes(2)))
    assert await peer.over() == b"\x88\x0c\x11\x30bad frames"
    assert (peer.owner.frames, peer.owner.ends) == ([], [4400])


async def test_what_comes_in_the_same_piece_as_a_violation_is_not_taken(peer: Peer) -> None:
    peer.websocket()
    peer.send(frame(TEXT, b"good") + frame(3) + frame(TEXT, b"bad"))
    assert (await peer.over())[2:4] == (1002).to_bytes(2)
    assert (peer.owner.frames, peer.owner.ends) == (["good"], [1002])
    peer.socket.close()
    await until(lambda: not peer.connections.count)


async def test_an_owner_that_fails_loses_its_connection_and_no_other(connections: Pool) -> None:
    bad, good = Peer(connections), Peer(connections)
    bad.websocket()
    way = good.websocket()
    bad.owner.on_message = lambda data: 1 / 0
    good.owner.on_message = lambda data: way.write(b"fine")
    bad.send(frame(TEXT, b"!"))
    good.send(frame(TEXT, b"!"))
    assert (await bad.over())[2:4] == (1011).to_bytes(2)
    assert await good.received(6) == b"\x81\x04fine"


async def test_a_silent_client_is_pinged_and_then_let_go_of(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ROUND_S", 1)
    hurry(monkeypatch, peer.connections)
    peer.websocket()
    assert await peer.over() == b"\x89\x00"
    assert peer.owner.ends == [1006]


async def test_a_client_that_answers_pings_stays(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ROUND_S", 1)
    peer.websocket()
    hurry(monkeypatch, peer.connections)
    for _ in range(5):
        assert await peer.received(2) == b"\x89\x00"
        peer.send(frame(10))
    assert peer.owner.ends == []


async def test_a_client_that_never_ends_is_let_go_of(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ROUND_S", 1)
    peer.websocket().close(1012, "restart")
    hurry(monkeypatch, peer.connections)
    assert (await peer.over())[2:] == (1012).to_bytes(2) + b"restart"
    assert peer.owner.ends == [1006]


def hurry(monkeypatch: pytest.MonkeyPatch, connections: Pool) -> None:
    """Has the pool look after its connections many times a second."""
    later = connections.loop.call_later
    monkeypatch.setattr(connections.loop, "call_later", lambda delay, *args, **kw: later(delay / 50, *args, **kw))
    connections._timer.cancel()
    connections._sweep()


async def test_only_so_many_big_messages_are_on_their_way_at_once(connections: Pool) -> None:
    big = frame(TEXT, b"x" * 200_000)
    peers = [Peer(connections) for _ in range(pool.MAX_BIG + 1)]
    for one in peers:
        one.websocket()
        for at in range(0, 150_000, 10_000):
            one.send(big[at : at + 10_000])
            await asyncio.sleep(0)
    await until(lambda: any(one.owner.ends for one in peers))
    refused = [one for one in peers if one.owner.ends]
    assert [one.owner.ends for one in refused] == [[1009]]
    for one in peers:
        if one not in refused:
            one.send(big[150_000:])
    await until(lambda: sum(len(one.owner.frames) for one in peers) == pool.MAX_BIG)


async def test_a_stream_is_chunks_and_its_end(peer: Peer) -> None:
    stream = peer.stream()
    stream.write(b"one")
    stream.write(b"")
    stream.write(b"x" * 16)
    stream.close()
    assert await peer.over() == b"HEAD\r\n\r\n3\r\none\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"
    assert peer.owner.ends == [1000]


async def test_a_silent_stream_is_kept_alive(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ROUND_S", 1)
    peer.stream(chunked=False)
    hurry(monkeypatch, peer.connections)
    assert await peer.received(8 + 3 * 4) == b"HEAD\r\n\r\n" + b": \n\n" * 3


async def test_a_stream_whose_client_is_gone_is_over(peer: Peer) -> None:
    peer.stream()
    peer.socket.close()
    await until(lambda: peer.owner.ends)
    assert peer.owner.ends == [1006]
    assert peer.connections.count == 0


async def test_a_connection_that_is_kept_goes_back_with_what_the_client_sent_meanwhile(peer: Peer) -> None:
    back: list[int] = []
    peer.connections.back = back.append
    stream = peer.stream(kept=True)
    peer.send(b"GET / HTTP/1.1\r\n")
    stream.write(b"[]")
    stream.close()
    await until(lambda: back)
    assert await peer.received(20) == b"HEAD\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
    assert os.read(back[0], 100) == b"GET / HTTP/1.1\r\n"
    assert peer.owner.ends == []
    os.close(back[0])


pieces = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([TEXT, BINARY]), st.binary(max_size=40).map(lambda data: data.hex().encode())),
        st.tuples(st.just(PING), st.binary(max_size=20)),
    ),
    max_size=8,
)


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=pieces, cuts=st.lists(st.integers(1, 60), max_size=12))
async def test_however_the_bytes_are_cut_the_messages_are_the_same(
    sent: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    with fresh() as connections:
        peer, told = Peer(connections), []
        peer.websocket()
        data = b""
        for opcode, payload in sent:
            data += frame(opcode, payload)
            if opcode != PING:
                told.append(payload.decode() if opcode == TEXT else payload)
        for size in itertools.chain(cuts, [len(data) + 1]):
            peer.send(data[:size])
            data = data[size:]
            for _ in range(3):
                await asyncio.sleep(0)
        await until(lambda: len(peer.owner.frames) == len(told))
        assert (peer.owner.frames, peer.owner.ends) == (told, [])


head = st.tuples(st.integers(0, 255), st.integers(0, 255)).map(bytes)
legal = st.tuples(st.sampled_from([0, 1, 2, 8, 9, 10]), st.binary(max_size=130), st.booleans(), st.integers(0, 9)).map(
    lambda made: frame(made[0], made[1], fin=made[2], rsv=0 if made[3] else 4)
)


@settings(
    deadline=None, derandomize=True, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(junk=st.lists(st.one_of(legal, st.binary(max_size=60), st.tuples(head, st.binary(max_size=300)).map(b"".join))))
async def test_any_bytes_harm_nobody_else(junk: list[bytes]) -> None:
    with fresh() as connections:
        peer, other = Peer(connections), Peer(connections)
        peer.websocket()
        way = other.websocket()
        other.owner.on_message = lambda data: way.write(b"fine")
        for data in junk:
            try:
                peer.send(data)
            except OSError:
                break
            await asyncio.sleep(0)
        other.send(frame(TEXT, b"?"))
        assert await other.received(6) == b"\x81\x04fine"
        assert all(isinstance(message, bytes | str) for message in peer.owner.frames)
        assert peer.owner.ends in ([], [1002], [1007], [1009], [1005]) or 1000 <= peer.owner.ends[0] < 5000
        assert len(peer.owner.ends) <= 1
        peer.socket.close()
        await until(lambda: connections.count == 1)
        assert len(peer.owner.ends) == 1


def test_a_connection_is_no_more_than_a_number() -> None:
    assert WebSocket(7).__sizeof__() == (7).__sizeof__()
    assert framing.accept_token(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

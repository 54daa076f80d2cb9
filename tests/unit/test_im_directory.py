"""The node directory: what both twins promise, in memory and in Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import redis.asyncio as client

from im.nodes import directory as promises
from im.nodes import redis as in_redis
from im.nodes.directory import Directory, Kept, Unreachable
from im.nodes.memory import Hub, MemoryDirectory
from im.nodes.redis import RedisDirectory
from tests.support.redis import Redis
from tests.support.wait import eventually

Join = Callable[[str], Directory]


@pytest.fixture(params=["memory", "redis"])
async def join(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[Join]:
    """Makes directories of nodes that share one server."""
    hub = Hub()
    made: list[Directory] = []

    def make(node: str) -> Directory:
        one: Directory = MemoryDirectory(node, hub) if request.param == "memory" else RedisDirectory(node, redis.url)
        made.append(one)
        return one

    yield make
    for one in made:
        await one.leave()
        await one.close()


async def test_nodes_that_beat_know_of_each_other_until_one_leaves(join: Join) -> None:
    here, there = join("here"), join("there")
    assert (await here.beat()).others == frozenset()
    assert (await there.beat()).others == {"here"}
    assert (await here.beat()).others == {"there"}
    await there.leave()
    assert (await here.beat()).others == frozenset()


async def test_a_node_is_told_whether_it_was_known(join: Join) -> None:
    here = join("here")
    assert (await here.beat()).forgotten
    assert not (await here.beat()).forgotten
    await here.leave()
    assert (await here.beat()).forgotten


async def test_a_name_is_found_at_the_nodes_that_have_it(join: Join) -> None:
    here, there, third = join("here"), join("there"), join("third")
    for node in (here, there, third):
        await node.beat()
    await here.change(["m:1", "m:2"], [])
    await there.change(["m:2", "m:3"], ["m:9"])
    assert await third.locate(["m:1", "m:2", "m:4"], ["here", "there"]) == {"here": {"m:1", "m:2"}, "there": {"m:2"}}
    await here.change([], ["m:2"])
    assert await third.locate(["m:1", "m:2"], ["here"]) == {"here": {"m:1"}}
    await here.change(["m:7"], [], afresh=True)
    assert await third.locate(["m:1", "m:7"], ["here"]) == {"here": {"m:7"}}
    assert await third.names_of("here") == ["m:7"]


async def test_a_book_is_read_over_the_other_nodes_and_each_writes_its_own(join: Join) -> None:
    here, there, third = join("here"), join("there"), join("third")
    await here.write("presence:1", {"ann": b"A", "bob": b"B"})
    await there.write("presence:1", {"ann": b"a"})
    await there.write("presence:2", {"ann": b"elsewhere"})
    assert await third.read("presence:1", ["ann", "bob", "cid"], ["here", "there"]) == {
        "ann": {"here": b"A", "there": b"a"},
        "bob": {"here": b"B"},
    }
    await here.write("presence:1", {"ann": None, "bob": b"BB"})
    assert await third.read("presence:1", ["ann", "bob"], ["here"]) == {"bob": {"here": b"BB"}}
    count, values = await third.scan("presence:1", 100, ["here", "there"])
    assert count == 2
    assert sorted(values) == [b"BB", b"a"]


async def test_a_session_belongs_to_no_node_and_ends_for_all(join: Join) -> None:
    here, there = join("here"), join("there")
    assert await here.session("secret") is None
    await here.put_session("secret", {"who": b"ann", "version": b"1"}, 60)
    await there.put_session("secret", {"version": b"2"}, 60)
    await there.add_own("secret", 7)
    await here.add_own("secret", 8)
    await here.watch("secret", {"ann": b"online ", "bob": b"away ", "cid": b""}, 60)
    await there.watch("secret", {"ann": None, "bob": b"dnd "}, 60)
    found = await here.session("secret")
    assert found == ({"who": b"ann", "version": b"2"}, {7, 8}, {"bob": b"dnd ", "cid": b""})
    await here.watch("secret", {"dan": b""}, 60, afresh=True)
    found = await there.session("secret")
    assert found is not None
    assert found.watching == {"dan": b""}


async def test_a_session_that_has_ended_stays_so(join: Join) -> None:
    here, there = join("here"), join("there")
    record = {"home": b"here", "moves": b"\x00"}
    assert await here.put_session("secret", record, 60) is Kept.YES
    assert await there.end_session("secret", {}, 60)
    assert await here.session("secret") is None
    assert await here.put_session("secret", record, 60) is Kept.ENDED
    assert await there.put_session("secret", {"idle": b"1"}, 60) is Kept.ENDED
    await there.watch("secret", {"ann": b""}, 60)
    await there.add_own("secret", 7)
    assert await here.session("secret") is None


async def test_what_is_said_of_a_session_by_one_who_missed_that_it_moved_is_not_kept(join: Join) -> None:
    here, there = join("here"), join("there")
    earlier, later = {"home": b"here", "moves": b"\x00"}, {"home": b"there", "moves": b"\x01"}
    assert await here.put_session("secret", earlier, 60) is Kept.YES
    assert await there.put_session("secret", later, 60) is Kept.YES
    assert await here.put_session("secret", earlier, 60) is Kept.MOVED
    assert not await here.end_session("secret", earlier, 60)
    assert await here.put_session("secret", {"idle": b"1"}, 60) is Kept.YES
    assert await here.session("secret") == ({**later, "idle": b"1"}, set(), {})
    assert await there.end_session("secret", later, 60)
    assert await here.session("secret") is None


async def test_of_a_sessions_own_versions_the_latest_are_remembered(join: Join) -> None:
    here = join("here")
    await here.put_session("secret", {"who": b"ann"}, 60)
    for version in range(promises.OWN + 5):
        await here.add_own("secret", version)
    found = await here.session("secret")
    assert found is not None
    assert found[1] == set(range(5, promises.OWN + 5))


async def test_a_bucket_is_one_for_all_nodes(join: Join) -> None:
    here, there = join("here"), join("there")
    waits = [await node.take("connect:10.0.0.1", 0.001, 4) for node in (here, there, here, there)]
    assert waits == [0, 0, 0, 0]
    assert await here.take("connect:10.0.0.1", 0.001, 4) > 0
    assert await there.take("connect:10.0.0.1", 0.001, 4, tokens=0) > 0
    assert await there.take("connect:10.0.0.2", 0.001, 4) == 0


async def test_asking_whether_there_is_a_token_takes_none(join: Join) -> None:
    here = join("here")
    for _ in range(20):
        assert await here.take("failed:10.0.0.1", 0.001, 2, tokens=0) == 0
    assert await here.take("failed:10.0.0.1", 0.001, 2) == 0


async def test_of_those_who_come_at_once_each_takes_of_its_own_bucket_and_in_turn(join: Join) -> None:
    here = join("here")
    asked = [here.take(f"connect:{name}", 0.001, burst) for name, burst in [("a", 2), ("b", 1)] * 3]
    waits = await asyncio.gather(*asked)
    assert [wait > 0 for wait in waits] == [False, False, False, True, True, True]


async def test_those_who_come_at_once_take_their_tokens_in_few_round_trips(redis: Redis) -> None:
    here = RedisDirectory("here", redis.url)
    await here.take("connect:first", 1, 10)
    async with client.Redis.from_url(redis.url) as asked:
        await asked.config_resetstat()
        assert await asyncio.gather(*(here.take(f"connect:{n}", 1, 10) for n in range(300))) == [0] * 300
        calls = (await asked.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert calls <= 4
    await here.close()


async def _alone(directory: Directory) -> bool:
    return not (await directory.beat()).others


async def _without(directory: Directory, session: str) -> bool:
    return await directory.session(session) is None


async def test_a_node_that_no_longer_beats_is_gone(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_redis, "LIFE_S", 0.2)
    here, there = RedisDirectory("here", redis.url), RedisDirectory("there", redis.url)
    await there.beat()
    await there.change(["m:1"], [])
    assert (await here.beat()).others == {"there"}
    await eventually(lambda: _alone(here))
    assert (await there.beat()).forgotten
    # What it had can still be asked: somebody has to note when its members were last seen.
    assert await here.names_of("there") == ["m:1"]
    for node in (here, there):
        await node.leave()
        await node.close()


async def test_what_a_node_had_is_forgotten_some_time_after_its_last_beat(redis: Redis) -> None:
    here = RedisDirectory("here", redis.url)
    await here.beat()
    await here.change(["m:1"], [])
    await here.write("presence:1", {"ann": b"A"})
    await here.change(["m:2"], [], afresh=True)
    await here.put_session("secret", {"who": b"ann"}, 60)
    await here.take("connect:10.0.0.1", 1, 10)
    kept = ["avchat:book:presence:1:here", "avchat:names:here"]
    async with client.Redis.from_url(redis.url, decode_responses=True) as asked:
        lives = {key: await asked.pttl(key) for key in await asked.keys("avchat:*") if key != "avchat:nodes"}
        assert set(kept) < set(lives)
        assert all(0 < life <= promises.BOOK_LIFE_S * 1000 for life in lives.values())
        # One that goes on beating keeps it.
        for key in kept:
            await asked.pexpire(key, 10_000)
        for _ in range(in_redis.RENEW_BEATS):
            await here.beat()
        assert all([await asked.pttl(key) > 10_000 for key in kept])
    await here.leave()
    await here.close()


async def test_what_a_node_had_outlives_its_last_beat_only_so_long(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_redis, "BOOK_LIFE_S", 1)
    here, there = RedisDirectory("here", redis.url), RedisDirectory("there", redis.url)
    await there.beat()
    await there.change(["m:1"], [])
    await there.write("presence:1", {"ann": b"A"})

    async def forgotten() -> bool:
        return not await here.names_of("there") and not await here.read("presence:1", ["ann"], ["there"])

    await eventually(forgotten)
    for node in (here, there):
        await node.leave()
        await node.close()


async def test_a_session_that_nobody_renews_is_forgotten(redis: Redis) -> None:
    here = RedisDirectory("here", redis.url)
    await here.put_session("secret", {"who": b"ann"}, 0.05)
    await eventually(lambda: _without(here, "secret"))
    await here.close()


async def test_a_server_that_does_not_answer_is_said_to_be_unreachable(redis: Redis) -> None:
    here = RedisDirectory("here", redis.url)
    await here.beat()
    redis.kill()
    with pytest.raises(Unreachable):
        await here.beat()
    with pytest.raises(Unreachable):
        await here.take("connect:10.0.0.1", 1, 1)
    waits = await asyncio.gather(*(here.take("connect:10.0.0.1", 1, 1) for _ in range(9)), return_exceptions=True)
    assert {type(wait) for wait in waits} == {Unreachable}
    redis.start()
    assert (await here.beat()).forgotten
    await here.close()


async def test_more_calls_at_once_than_there_are_connections_wait_for_each_other(join: Join) -> None:
    here = join("here")
    calls = 4 * in_redis.CONNECTIONS
    await asyncio.gather(*(here.put_session(f"{n}", {"who": b"ann"}, 60) for n in range(calls)))
    assert all(await asyncio.gather(*(here.session(f"{n}") for n in range(calls))))

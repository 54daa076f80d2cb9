"""The directory in Redis, for nodes in several processes, on one machine or many.

Keys (`<p>` is the prefix): `<p>nodes` the set of nodes; `<p>node:<n>` alive, with a life time; `<p>names:<n>` the
names a node has; `<p>book:<book>:<n>` a hash; `<p>session:<id>`, `<p>own:<id>` and `<p>watching:<id>`;
`<p>rate:<name>`. All but the first have a life time, so that nothing stays of a node that died.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from im.database import Batch
from im.nodes.directory import BOOK_LIFE_S, LIFE_S, OWN, Kept, Pulse, Session, Unreachable

CONNECTIONS = 50
TIMEOUT_S = 2.0
WAIT_S = 5.0
"""How long a call waits for one of the connections, in seconds: many that come at once are no fault of the server."""
TAKES_APART_S = 0.002
"""What lies between two round trips for tokens, in seconds: a hello makes several, one after the other."""
RENEW_BEATS = 20
"""After how many beats the life of what a node has is renewed."""

# Generic cell rate algorithm (ITU-T I.371) by the server's clock: the moment at which each bucket is full again.
# ARGV: for each bucket its rate, its burst and the tokens to take.
TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local waits = {}
for n, key in ipairs(KEYS) do
    local rate, burst, tokens = tonumber(ARGV[3 * n - 2]), tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n])
    local full = math.max(tonumber(redis.call('GET', key) or '0'), now) + math.max(tokens, 1) / rate
    local wait = full - now - burst / rate
    waits[n] = math.max(math.ceil(wait * 1000), 0)
    if wait <= 0 and tokens > 0 then
        redis.call('SET', key, string.format('%.6f', full), 'EX', math.ceil(full - now) + 1)
    end
end
return waits
"""

# ARGV: life in ms, `moves`, `home`, and for PUT the fields.
WHERE = """
local kept = redis.call('HMGET', KEYS[1], 'moves', 'home', 'ended')
if kept[1] and ARGV[2] ~= '' then
    local before, now = cmsgpack.unpack(kept[1]), cmsgpack.unpack(ARGV[2])
    if before > now or (before == now and kept[2] ~= ARGV[3]) then return 0 end
end
"""
PUT = (
    WHERE
    + """
if kept[3] then return -1 end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1]) end
return 1
"""
)
END = (
    WHERE
    + """
redis.call('DEL', unpack(KEYS))
redis.call('HSET', KEYS[1], 'ended', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
)

P = ParamSpec("P")
R = TypeVar("R")


class Bucket(NamedTuple):
    """A bucket of tokens, and how many are wanted of it."""

    key: str
    rate: float
    burst: int
    tokens: int


def _reachable(call: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await call(*args, **kwargs)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unreachable(str(error)) from error

    return guarded


class RedisDirectory:
    """`im.nodes.directory.Directory` on one Redis server."""

    def __init__(self, node: str, url: str, prefix: str = "avchat:") -> None:
        self._node = node
        self._prefix = prefix
        self.shared = True
        self._books: set[str] = set()
        self._beats = 0
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=WAIT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # A connection that went stale is no fault yet.
            retry=Retry(NoBackoff(), 1),
        )
        self._redis = redis.Redis.from_pool(pool)
        self._take = self._redis.register_script(TAKE)
        self._takes: Batch[Bucket, int] = Batch(self._take_all, TAKES_APART_S)
        self._put = self._redis.register_script(PUT)
        self._end = self._redis.register_script(END)

    def _key(self, *parts: object) -> str:
        return self._prefix + ":".join(map(str, parts))

    @_reachable
    async def beat(self) -> Pulse:
        """One round trip, and two more for who else is alive."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(self._key("node", self._node), "1", px=int(LIFE_S * 1000), get=True)
            pipe.sadd(self._key("nodes"), self._node)
            if self._beats % RENEW_BEATS == 0:
                pipe.expire(self._key("names", self._node), BOOK_LIFE_S)
                for book in self._books:
                    pipe.expire(self._key("book", book, self._node), BOOK_LIFE_S)
            before, *_ = await pipe.execute()
        self._beats += 1
        return Pulse(await self.others(), forgotten=before is None)

    @_reachable
    async def others(self) -> frozenset[str]:
        """The nodes that are alive, but for this one; the dead are taken out."""
        members = await self._redis.smembers(self._key("nodes"))
        others = sorted({_text(name) for name in members} - {self._node})
        alive = await self._redis.mget([self._key("node", name) for name in others]) if others else []
        gone = [name for name, value in zip(others, alive, strict=True) if value is None]
        if gone:
            await self._redis.srem(self._key("nodes"), *gone)
        return frozenset(others) - frozenset(gone)

    @_reachable
    async def leave(self) -> None:
        """The others see at their next beat that the node is gone."""
        await self._redis.srem(self._key("nodes"), self._node)
        await self._redis.delete(self._key("node", self._node))

    @_reachable
    async def change(self, enter: Iterable[str], leave: Iterable[str], *, afresh: bool = False) -> None:
        """In one round trip."""
        key = self._key("names", self._node)
        async with self._redis.pipeline(transaction=afresh) as pipe:
            if afresh:
                pipe.delete(key)
            for names, command in ((list(enter), pipe.sadd), (list(leave), pipe.srem)):
                for start in range(0, len(names), 5000):
                    command(key, *names[start : start + 5000])
            pipe.expire(key, BOOK_LIFE_S)
            await pipe.execute()

    @_reachable
    async def locate(self, names: list[str], nodes: Iterable[str]) -> dict[str, set[str]]:
        """In one round trip, with one command per node."""
        nodes = list(nodes)
        async with self._redis.pipeline(transaction=False) as pipe:
            for node in nodes:
                pipe.smismember(self._key("names", node), names)
            answers = await pipe.execute()
        return {
            node: {name for name, has in zip(names, answer, strict=True) if has}
            for node, answer in zip(nodes, answers, strict=True)
        }

    @_reachable
    async def names_of(self, node: str) -> list[str]:
        """For some time after its end, too."""
        return [_text(name) for name in await self._redis.smembers(self._key("names", node))]

    @_reachable
    async def write(self, book: str, fields: Mapping[str, bytes | None]) -> None:
        """In one round trip."""
        key = self._key("book", book, self._node)
        self._books.add(book)
        put: dict[Any, Any] = {field: value for field, value in fields.items() if value is not None}
        out = [field for field, value in fields.items() if value is None]
        async with self._redis.pipeline(transaction=False) as pipe:
            if put:
                pipe.hset(key, mapping=put)
            if out:
                pipe.hdel(key, *out)
            pipe.expire(key, BOOK_LIFE_S)
            await pipe.execute()

    @_reachable
    async def read(self, book: str, fields: list[str], nodes: Iterable[str]) -> dict[str, dict[str, bytes]]:
        """In one round trip, with one command per node."""
        nodes = list(nodes)
        async with self._redis.pipeline(transaction=False) as pipe:
            for node in nodes:
                pipe.hmget(self._key("book", book, node), fields)
            answers = await pipe.execute()
        found: dict[str, dict[str, bytes]] = {}
        for node, values in zip(nodes, answers, strict=True):
            for field, value in zip(fields, values, strict=True):
                if value is not None:
                    found.setdefault(field, {})[node] = value
        return found

    @_reachable
    async def scan(self, book: str, most: int, nodes: Iterable[str]) -> tuple[int, list[bytes]]:
        """A command or two per node; of a large book a part."""
        count, values = 0, []
        for node in nodes:
            key = self._key("book", book, node)
            count += await self._redis.hlen(key)
            page: Any = (await self._redis.hscan(key, 0, count=most))[1]
            values += list(page.values())[:most]
        return count, values

    @_reachable
    async def put_session(self, id: str, fields: Mapping[str, bytes], seconds: float) -> Kept:
        """By a script, in one round trip; its own versions, and whom it watches, live as long."""
        args = _where(fields, seconds) + [part for field in fields.items() for part in field]
        return Kept(int(await self._put(keys=self._session_keys(id), args=args)))

    @_reachable
    async def watch(
        self, id: str, changes: Mapping[str, bytes | None], seconds: float, *, afresh: bool = False
    ) -> None:
        """In one round trip."""
        key = self._key("watching", id)
        put: dict[Any, Any] = {sub: how for sub, how in changes.items() if how is not None}
        out = [sub for sub, how in changes.items() if how is None]
        async with self._redis.pipeline(transaction=afresh) as pipe:
            if afresh:
                pipe.delete(key)
            if put:
                pipe.hset(key, mapping=put)
            if out:
                pipe.hdel(key, *out)
            pipe.pexpire(key, int(seconds * 1000))
            await pipe.execute()

    @_reachable
    async def add_own(self, id: str, version: int) -> None:
        """Keeps the latest `OWN`."""
        key = self._key("own", id)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.rpush(key, version)
            pipe.ltrim(key, -OWN, -1)
            pipe.expire(key, BOOK_LIFE_S)
            await pipe.execute()

    @_reachable
    async def session(self, id: str) -> Session | None:
        """In one round trip."""
        session, own, watching = self._session_keys(id)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(session)
            pipe.lrange(own, 0, -1)
            pipe.hgetall(watching)
            fields, versions, subs = await pipe.execute()
        if not fields or b"ended" in fields:
            return None
        fields, subs = ({_text(name): value for name, value in found.items()} for found in (fields, subs))
        return Session(fields, set(map(int, versions)), subs)

    @_reachable
    async def end_session(self, id: str, fields: Mapping[str, bytes], seconds: float) -> bool:
        """By a script, in one round trip."""
        return bool(await self._end(keys=self._session_keys(id), args=_where(fields, seconds)))

    def _session_keys(self, id: str) -> list[str]:
        return [self._key(kind, id) for kind in ("session", "own", "watching")]

    async def take(self, name: str, rate: float, burst: int, tokens: int = 1) -> int:
        """By a script, in one round trip for all who ask meanwhile: a community that comes back asks at once."""
        return await self._takes.ask(Bucket(self._key("rate", name), rate, burst, tokens))

    async def _take_all(self, asked: list[Bucket]) -> list[int | Exception]:
        try:
            return await self._take_now(asked)
        except Unreachable as error:
            return [error] * len(asked)

    @_reachable
    async def _take_now(self, asked: list[Bucket]) -> list[int | Exception]:
        keys = [bucket.key for bucket in asked]
        waits: list[int | Exception] = await self._take(keys=keys, args=[x for bucket in asked for x in bucket[1:]])
        return waits

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()


def _where(fields: Mapping[str, bytes], seconds: float) -> list[Any]:
    return [int(seconds * 1000), fields.get("moves", b""), fields.get("home", b"")]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value

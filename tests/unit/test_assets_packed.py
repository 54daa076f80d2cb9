"""Packed files in memcached: packed once for all processes, and never another's bytes on the sites' pages."""

import base64
import gzip
from collections.abc import Callable

import brotli
import pytest

from avchat import cache
from avchat.assets import delivery
from tests.support.memcached import Memcached

BODY = b"console.log('a body that packs well');\n" * 50
UNPACK: dict[str, Callable[[bytes], bytes]] = {"br": brotli.decompress, "gzip": gzip.decompress}


@pytest.fixture(autouse=True)
def _shared(transactional_db: None, memcached: Memcached, share: Callable[..., None]) -> None:
    share(memcached)
    another_process()
    cache.counts.clear()


def another_process() -> None:
    """Nothing is in memory."""
    delivery._compress.cache_clear()


@pytest.mark.parametrize("encoding", UNPACK)
def test_what_one_process_packed_no_other_packs_again(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = delivery._compress(BODY, encoding)
    assert UNPACK[encoding](first) == BODY
    another_process()
    monkeypatch.setattr(delivery, "_pack", None)
    assert delivery._compress(BODY, encoding) == first


@pytest.mark.parametrize("encoding", UNPACK)
@pytest.mark.parametrize("bad", [b"", b"nonsense", brotli.compress(b"evil()"), gzip.compress(b"evil()")])
def test_what_somebody_else_put_into_memcached_does_not_go_out(memcached: Memcached, encoding: str, bad: bytes) -> None:
    delivery._compress(BODY, encoding)
    (key,) = memcached.contents()
    name = key.split(":", 2)[2]
    cache._client().set(name, b'"' + base64.b64encode(bad) + b'"')
    another_process()
    assert UNPACK[encoding](delivery._compress(BODY, encoding)) == BODY
    assert cache.counts["packed", "hit"] == 1


def test_what_is_not_packed_is_not_kept(memcached: Memcached) -> None:
    assert delivery._compress(BODY, "identity") == BODY
    assert memcached.contents() == {}

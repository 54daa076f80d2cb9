"""A cluster for the tests of this folder, shared by those that leave it as they found it."""

import gc
from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster


@pytest.fixture
def collected() -> Iterator[None]:
    """What a test leaves to the collector is collected while its warnings are still the test's."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster. Its parts may be hurt; a test ends when all are back."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster.start()
    finally:
        cluster.stop()

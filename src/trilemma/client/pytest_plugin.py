"""The pytest plugin: a fresh cluster to cut, and clients that record what an application did to it.

Fixtures: `trilemma_cluster` (three nodes in this process, made anew for each test) and `history` (a recording; its
clients are closed after the test). What to assert stands in `client.assertions`. Everything but pytest is imported when
a fixture is asked for: projects that only have this package installed pay nothing, and need none of the store's
libraries.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trilemma.client.recording import Recording
    from trilemma.client.stage import StageCluster


@pytest.fixture
def trilemma_cluster() -> "Iterator[StageCluster]":
    """Three nodes, n1 to n3, in this process: fresh, whole and serving; the keyspace `default` is `cp`."""
    from trilemma.client.stage import StageCluster

    with StageCluster() as cluster:
        yield cluster


@pytest.fixture
def history() -> "Iterator[Recording]":
    """A recording: `history.client(trilemma_cluster, "n1")` is a redis-py client of which every command is kept."""
    from trilemma.client.recording import Recording

    recording = Recording()
    try:
        yield recording
    finally:
        recording.close()

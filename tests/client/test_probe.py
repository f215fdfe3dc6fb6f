"""Waiting until a cluster serves: it asks for reads and writes, and no data is touched by it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import trilemma
from trilemma.client.probe import why_not_served
from trilemma.client.stage import StageCluster

KEYSPACES = {"default": "cp", "site": "ca", "shop": "ap"}
WAIT_S = 8.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[StageCluster]:
    with StageCluster() as made:
        for name in ("site", "shop"):
            made.create(name, KEYSPACES[name])
        yield made


def names_of(cluster: StageCluster) -> set[str]:
    return set(cluster.client("n1").keys())


def test_waiting_until_the_nodes_serve_leaves_every_key_alone(cluster: StageCluster) -> None:
    client = cluster.client("n1")
    kept = {f"{name}:ready" for name in KEYSPACES} | {"ready"}
    for key in kept:
        client.set(key, "acknowledged")
    with cluster.partitioned("n1-n3"):
        pass
    cluster.wait_until_ready()
    assert {key for key in kept if client.get(key) == "acknowledged"} == kept
    assert names_of(cluster) == kept, "nor does it make any"


def test_a_start_on_kept_data_leaves_every_key_alone(tmp_path: Path) -> None:
    with trilemma.local(nodes=1, directory=tmp_path) as cluster:
        cluster.client("n1").mset({"ready": "acknowledged", "other": "acknowledged"})
    with trilemma.local(nodes=1, directory=tmp_path) as cluster:
        assert cluster.client("n1").mget("ready", "other") == ["acknowledged", "acknowledged"]


def test_a_node_that_reads_and_cannot_write_does_not_serve(cluster: StageCluster) -> None:
    near, far = cluster.client("n1"), cluster.client("n3")
    digests = cluster.digests()
    with cluster.partitioned("n3"):
        end = time.monotonic() + WAIT_S
        while why_not_served(near, "site") is None or why_not_served(far) is None:
            assert time.monotonic() < end
        assert near.exists("site:none") == 0, "of `ca` it still reads"
        assert [why_not_served(client, "shop") for client in (near, far)] == [None, None]
        assert why_not_served(near) is None
    assert [why_not_served(far, name) for name in KEYSPACES] == [None] * len(KEYSPACES)
    assert cluster.digests() == digests

"""PROMISES §2, 'Other cuts', on real processes: a cut of one link, and one-way cuts, made by LAB."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from trilemma.client.processes import ProcessCluster

pytestmark = pytest.mark.process

DETECTION_S = 1.0
SERVED_S = 10.0
NODES = ("n1", "n2", "n3")
KEYSPACES = {"bank": "cp", "site": "ca", "shop": "ap"}


@pytest.fixture(scope="module")
def running() -> Iterator[ProcessCluster]:
    with ProcessCluster() as cluster:
        for name, mode in KEYSPACES.items():
            cluster.create(name, mode)
        yield cluster


@pytest.fixture
def cluster(running: ProcessCluster) -> Iterator[ProcessCluster]:
    """Return a whole cluster that n1 leads; heal it afterwards."""
    for name in ("bank", "site"):
        until(lambda name=name: lead(running, name))
        until(lambda name=name: running.command("n1", "SET", f"{name}:k", "before") is True)
    assert running.command("n1", "SET", "shop:k", "before") is True
    yield running
    assert running.command("n1", "LAB", "HEAL") == b"OK"
    for name in KEYSPACES:
        for node in NODES:
            until(lambda name=name, node=node: running.command(node, "SET", f"{name}:healed", "1") is True)


def lead(cluster: ProcessCluster, name: str) -> bool:
    if cluster.leader(name) == "n1":
        return True
    cluster.command("n1", "KEYSPACE", "LEAD", name, "n1")
    time.sleep(0.2)
    return False


def until(holds: Callable[[], bool]) -> None:
    """Try until something holds; errors of the store count as not yet."""
    deadline = time.monotonic() + SERVED_S
    while True:
        try:
            if holds():
                return
        except redis.RedisError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.02)


def cut(cluster: ProcessCluster, where: str) -> None:
    assert cluster.command("n1", "LAB", "CUT", where) == b"OK"
    time.sleep(DETECTION_S)


def values(cluster: ProcessCluster, key: str) -> list[Any]:
    return [cluster.command(node, "GET", key) for node in NODES]


def terms(cluster: ProcessCluster) -> dict[str, int]:
    """Return each replica's term, by node and place, as INFO says."""
    found: dict[str, int] = {}
    for node in NODES:
        info: Any = cluster.command(node, "INFO", "replication")
        found.update({f"{node} {place}": facts["term"] for place, facts in info.items() if "term" in str(facts)})
    return found


def test_a_node_without_a_link_to_the_leader_is_served_through_a_peer(cluster: ProcessCluster) -> None:
    cut(cluster, "n1-n3")
    assert cluster.leader("bank") == "n1"
    assert cluster.command("n3", "SET", "bank:k", "through n2") is True
    assert values(cluster, "bank:k") == [b"through n2"] * 3
    assert values(cluster, "site:k") == [b"before"] * 3


def test_ca_writes_need_a_link_between_the_leader_and_every_replica(cluster: ProcessCluster) -> None:
    cut(cluster, "n1-n3")
    for node in NODES:
        with pytest.raises(redis.exceptions.ClusterDownError):
            cluster.command(node, "SET", "site:k", "never")
    assert values(cluster, "site:k") == [b"before"] * 3


def test_ca_writes_need_no_link_between_followers(cluster: ProcessCluster) -> None:
    cut(cluster, "n2-n3")
    for node in NODES:
        assert cluster.command(node, "SET", "site:k", node) is True
        assert values(cluster, "site:k") == [node.encode()] * 3


@pytest.mark.parametrize("way", ["n1>n3", "n3>n1", "n2>n3"])
def test_a_one_way_cut_does_not_make_leadership_flap(cluster: ProcessCluster, way: str) -> None:
    before = terms(cluster)
    cut(cluster, way)
    for _ in range(20):
        time.sleep(0.1)
        for node in NODES:
            assert cluster.command(node, "INCR", "bank:count")
    assert cluster.leader("bank") == "n1"
    after = terms(cluster)
    assert before
    assert all(after[place] <= before[place] + 1 for place in before)


def test_ap_batches_flow_along_any_path_that_is_left(cluster: ProcessCluster) -> None:
    cut(cluster, "n1-n3")
    for source, target in (("n1", "n3"), ("n3", "n1")):
        assert cluster.command(source, "SET", "shop:k", f"from {source}") is True
        until(
            lambda source=source, target=target: (
                cluster.command(target, "GET", "shop:k") == b"from %b" % source.encode()
            )
        )


def states(cluster: ProcessCluster, node: str) -> dict[str, str]:
    told: Any = cluster.command(node, "INFO", "keyspaces")
    return {name: told[name]["state"] for name in KEYSPACES}


def cluster_state(cluster: ProcessCluster, node: str) -> Any:
    told: Any = cluster.command(node, "CLUSTER", "INFO")
    return dict(line.split(":") for line in told.decode().split())["cluster_state"]


def test_a_keyspace_is_said_to_be_up_only_where_a_client_may_write_it(cluster: ProcessCluster) -> None:
    for node in NODES:
        until(lambda node=node: states(cluster, node) == dict.fromkeys(KEYSPACES, "up"))
    cut(cluster, "n1-n3")
    for node in NODES:
        wanted = {"bank": "up", "site": "read_only", "shop": "up"}
        until(lambda node=node, wanted=wanted: states(cluster, node) == wanted)
        assert cluster_state(cluster, node) == "ok"


def test_a_node_cut_off_says_that_it_cannot_serve_and_is_given_no_leadership(cluster: ProcessCluster) -> None:
    cut(cluster, "n3")
    assert states(cluster, "n3") == {"bank": "down", "site": "down", "shop": "up"}
    assert (cluster_state(cluster, "n3"), cluster_state(cluster, "n2")) == ("fail", "ok")
    assert states(cluster, "n2") == {"bank": "up", "site": "read_only", "shop": "up"}
    with pytest.raises(redis.ResponseError, match="n3 cannot take over keyspace 'bank': no link from the leader, n1"):
        cluster.command("n2", "KEYSPACE", "LEAD", "bank", "n3")

"""CAP ONCE on real nodes, with redis-py: in both protocols, over a leader's death and the cluster's restart."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

import trilemma
from trilemma.client.local import LocalCluster

WAIT_S = 30.0
POLL_S = 0.02


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with trilemma.local(nodes=3) as made:
        made.create("bank", "cp")
        made.create("shop", "ap")
        yield made


def retried(cluster: LocalCluster, node: str, *words: object, **options: Any) -> Any:
    """Send the same request until it is neither refused nor in doubt, as docs/promises.md says."""
    end = time.monotonic() + WAIT_S
    client = cluster.client(node, **options)
    while True:
        try:
            return client.execute_command("CAP", "ONCE", *words)
        except (redis.ConnectionError, redis.ResponseError) as problem:
            is_answer = type(problem) is redis.ResponseError and not str(problem).startswith("UNCERTAIN")
            if is_answer or time.monotonic() > end:
                raise
            time.sleep(POLL_S)


def leader_of(cluster: LocalCluster, name: str) -> str:
    end = time.monotonic() + WAIT_S
    while True:
        facts: Any = cluster.client("n1").execute_command("KEYSPACE", "INFO", name)
        if facts["leaders"] != [None]:
            return str(facts["leaders"][0])
        assert time.monotonic() < end
        time.sleep(POLL_S)


def test_both_protocols_get_the_same_first_reply(cluster: LocalCluster) -> None:
    assert retried(cluster, "n1", "both", "INCRBY", "bank:both", 5, protocol=2) == 5
    assert retried(cluster, "n2", "both", "INCRBY", "bank:both", 5, protocol=3) == 5
    assert retried(cluster, "n3", "nil", "GET", "bank:nobody", protocol=3) is None
    assert retried(cluster, "n1", "nil", "GET", "bank:nobody", protocol=2) is None
    assert retried(cluster, "n3", "both read", "GET", "bank:both") == "5"


def test_a_token_of_another_command_and_an_ap_keyspace_are_refused(cluster: LocalCluster) -> None:
    retried(cluster, "n1", "mine", "INCR", "bank:mine")
    with pytest.raises(redis.ResponseError, match="the token was given with another command"):
        retried(cluster, "n1", "mine", "DECR", "bank:mine")
    with pytest.raises(redis.ResponseError, match="keyspace 'shop' is ap"):
        retried(cluster, "n1", "mine", "INCR", "shop:mine")


@pytest.mark.parametrize("round_number", range(3))
def test_the_death_of_the_leader_amid_increments_counts_none_twice(cluster: LocalCluster, round_number: int) -> None:
    key = f"bank:round{round_number}"
    assert retried(cluster, "n1", f"{round_number}", "DEL", key) == 0
    leader = leader_of(cluster, "bank")
    other = next(name for name in cluster.names if name != leader)
    for number in range(20):
        if number == 10:
            cluster.kill(leader)
        assert retried(cluster, other, f"{round_number}.{number}", "INCR", key) == number + 1
    cluster.restart(leader)
    cluster.wait_until_ready()
    for number in range(20):
        assert retried(cluster, leader, f"{round_number}.{number}", "INCR", key) == number + 1
    assert retried(cluster, other, f"{round_number} read", "GET", key) == "20"


def test_a_restart_of_all_nodes_forgets_no_token(cluster: LocalCluster) -> None:
    assert retried(cluster, "n1", "restart", "INCR", "bank:restart") == 1
    for name in cluster.names:
        cluster.kill(name)
    for name in cluster.names:
        cluster.restart(name)
    cluster.wait_until_ready()
    assert retried(cluster, "n3", "restart", "INCR", "bank:restart") == 1
    assert retried(cluster, "n2", "restart read", "GET", "bank:restart") == "1"

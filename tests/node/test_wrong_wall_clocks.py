"""A node whose wall clock is wrong: what it judges by it, and what it stamps with it, on `ap`."""

import pytest

from stage import Stage

HOUR_US = 3_600_000_000
S = 1_000_000


def step(stage: Stage, *nodes: int) -> None:
    """Set wall clocks an hour ahead, and have everybody hear of it."""
    for node in nodes:
        stage.cluster.processes[node].clock.step(HOUR_US)
    stage.run(3 * S)


def shown(stage: Stage, key: str) -> set[bytes | None]:
    return {stage.ask(node, "GET", key).reply for node in stage.cluster.processes}


@pytest.mark.parametrize(("nodes", "replicas", "wrong"), [(5, "3", (1, 5)), (5, "3", (1, 2)), (3, "1", (1,))])
def test_a_wall_clock_that_most_nodes_contradict_lets_nothing_expire(
    nodes: int, replicas: str, wrong: tuple[int, ...]
) -> None:
    """A node that has no replica bore out the wrong one of one that has; the only member's was never contradicted."""
    stage = Stage(nodes=nodes)
    stage.ask(1, "KEYSPACE", "CREATE", "few", "MODE", "ap", "REPLICAS", replicas)
    stage.ask(1, "SET", "few:k", "hello", "EX", "1800")
    stage.run(3 * S)
    step(stage, *wrong)
    assert shown(stage, "few:k") == {b"hello"}
    assert stage.ask(1, "APPEND", "few:k", "x").reply == 6


def test_the_only_replica_lets_keys_expire_also_after_a_start_with_nobody_in_reach() -> None:
    stage = Stage()
    stage.ask(1, "KEYSPACE", "CREATE", "few", "MODE", "ap", "REPLICAS", "1")
    stage.ask(1, "SET", "few:k", "v", "EX", "5")
    stage.ask(1, "SET", "few:other", "v", "EX", "1800")
    stage.cut_off(1)
    stage.crash(1)
    stage.run(6 * S)
    stage.cluster.restart(stage.cluster.processes[1])
    assert stage.ask(1, "GET", "few:k").reply is None
    assert stage.ask(1, "GET", "few:other").reply == b"v"


def test_the_only_replica_that_starts_with_a_wrong_wall_clock_is_put_right_by_most_nodes() -> None:
    stage = Stage()
    stage.ask(1, "KEYSPACE", "CREATE", "few", "MODE", "ap", "REPLICAS", "1")
    stage.ask(1, "SET", "few:k", "v", "EX", "1800")
    stage.run(S)
    stage.crash(1)
    step(stage, 1)
    stage.cluster.restart(stage.cluster.processes[1])
    stage.run(S)
    assert stage.ask(1, "GET", "few:k").reply == b"v"

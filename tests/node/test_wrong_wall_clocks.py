"""A node whose wall clock is wrong: what it judges by it, and what it stamps with it, on `ap`."""

from typing import Any

import pytest

from connection import Connection
from stage import Stage
from trilemma.base.hlc import stamp_ms
from trilemma.node.causal_shard import CausalShard

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


def newest_ms(stage: Stage, node: int) -> int:
    """Return the newest stamp that a node has seen in `shop`."""
    made: Any = stage.cluster.processes[node].node
    (replica,) = [
        each for each in made.replicas.values() if isinstance(each, CausalShard) and each.keyspace.name == "shop"
    ]
    return stamp_ms(replica.replica.reflected.stamp)


def right_ms(stage: Stage) -> int:
    return stage.cluster.processes[1].clock.now(stage.now_us).wall_ms


def is_trusted(connection: Connection) -> bool:
    (said,) = [line for line in connection.ask("INFO", "everything").split(b"\r\n") if b"keyspace=shop" in line]
    return b"clock_trusted=yes" in said


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_node_that_stood_still_does_not_stamp_by_a_wall_clock_that_stepped(when: str) -> None:
    """In its first turn no link is up: that counted as if no peer contradicted it."""
    stage = Stage()
    connection, process = Connection(stage, 3), stage.cluster.processes[3]
    if when == "before":
        step(stage, 3)
        assert not is_trusted(connection)
    process.pause()
    if when == "meanwhile":
        process.clock.step(HOUR_US)
    stage.run(600_000)
    connection.send(("SET", "shop:k", "v"))
    stage.run(1_000)
    process.resume()
    stage.run(2 * S)
    assert (connection.replies[-1], stage.ask(1, "GET", "shop:k").reply) == (b"OK", b"v")
    assert newest_ms(stage, 1) <= right_ms(stage)


@pytest.mark.parametrize("is_crashed", [False, True])
def test_a_node_with_a_wrong_wall_clock_does_not_trust_it_for_being_cut_off(is_crashed: bool) -> None:
    stage = Stage()
    stage.ask(1, "SET", "shop:cart", "0")
    step(stage, 3)
    stage.cut_off(3)
    if is_crashed:
        stage.crash(3)
        stage.cluster.restart(stage.cluster.processes[3])
    stage.run(5 * S)
    connection = Connection(stage, 3)
    assert not is_trusted(connection)
    assert connection.ask("SET", "shop:cart", "written first") == b"OK"
    stage.run(150 * S)
    stage.ask(1, "SET", "shop:cart", "written later")
    stage.heal()
    stage.run(5 * S)
    assert shown(stage, "shop:cart") == {b"written later"}


def test_a_start_with_a_wrong_wall_clock_does_not_stamp_by_it_before_it_has_heard_its_peers() -> None:
    stage = Stage()
    stage.ask(1, "SET", "shop:a", "1")
    stage.run(S)
    stage.crash(3)
    step(stage, 3)
    stage.cluster.restart(stage.cluster.processes[3])
    assert stage.ask(3, "SET", "shop:k", "v").reply == b"OK"
    stage.run(2 * S)
    assert newest_ms(stage, 1) <= right_ms(stage)


def test_a_start_with_nobody_in_reach_stamps_by_its_wall_clock_after_a_while() -> None:
    """Else what is written in a long cut would lose to all that the others wrote in it, however early."""
    stage = Stage()
    stage.ask(1, "SET", "shop:a", "1")
    stage.cut_off(3)
    stage.crash(3)
    stage.cluster.restart(stage.cluster.processes[3])
    stage.ask(1, "SET", "shop:k", "written first")
    stage.run(60 * S)
    assert is_trusted(Connection(stage, 3))
    stage.ask(3, "SET", "shop:k", "written later")
    stage.heal()
    stage.run(5 * S)
    assert shown(stage, "shop:k") == {b"written later"}

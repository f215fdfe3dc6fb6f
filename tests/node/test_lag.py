"""How far others are behind: a number only of who has said it, `unknown` in INFO and no sample of /metrics before."""

from typing import Any

import pytest

from stage import Stage
from trilemma.runtime.readings import replica_readings

NAMES = {1: "n1", 2: "n2", 3: "n3"}


def lag_of(stage: Stage, node: int, keyspace: str) -> dict[str, str]:
    """What INFO says of a keyspace's shard, by peer."""
    told: Any = stage.ask(node, "INFO", "lag").reply
    lines = (line.partition(":") for line in told.decode().splitlines() if line and not line.startswith("#"))
    place = f"shard{stage._shard(keyspace)}_"
    return {key.removeprefix(place): value for key, _, value in lines if key.startswith(place)}


def sampled(stage: Stage, node: int, keyspace: str) -> dict[str, float]:
    """What /metrics shows of it."""
    made: Any = stage.cluster.processes[node].node
    readings = list(replica_readings(made, NAMES))
    return {
        labels["peer"]: value
        for name, _, value, labels in readings
        if name == "replica_lag" and labels["keyspace"] == keyspace
    }


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.lead(1)
    for number in range(20):
        assert made.ask(1, "SET", f"bank:{number}", "v").reply == b"OK"
        assert made.ask(1, "SET", f"shop:{number}", "v").reply == b"OK"
    made.run(1_000_000)
    return made


def test_who_follows_is_a_number_behind(stage: Stage) -> None:
    assert lag_of(stage, 1, "bank") == lag_of(stage, 1, "shop") == {"n2": "0", "n3": "0"}
    assert sampled(stage, 1, "bank") == {"n2": 0, "n3": 0}
    assert lag_of(stage, 2, "bank") == {}


def test_a_new_leader_does_not_know_how_far_a_node_is_that_it_never_heard(stage: Stage) -> None:
    stage.cut_off(3)
    stage.run(2_000_000)
    stage.crash(1)
    stage.cut()
    stage.cluster.restart(stage.cluster.processes[1])
    stage.until_ok(2, "SET", "bank:k", "v")
    stage.run(1_000_000)
    leader = next(node for node in (1, 2) if stage.leads(node, "bank"))
    other = f"n{3 - leader}"
    assert lag_of(stage, leader, "bank") == {other: "0", "n3": "unknown"}
    assert sampled(stage, leader, "bank") == {other: 0}
    stage.heal()
    stage.run(3_000_000)
    leader = next(node for node in (1, 2, 3) if stage.leads(node, "bank"))
    assert set(lag_of(stage, leader, "bank").values()) == {"0"}


def test_a_leader_goes_on_counting_what_a_peer_lacks_that_it_has_heard(stage: Stage) -> None:
    stage.cut_off(3)
    stage.run(2_000_000)
    for number in range(5):
        assert stage.ask(1, "SET", f"bank:{number}", "w").reply == b"OK"
    behind = lag_of(stage, 1, "bank")
    assert behind["n2"] == "0"
    assert 5 <= int(behind["n3"]) < 20


def test_an_ap_replica_that_restarts_alone_does_not_know_what_others_hold(stage: Stage) -> None:
    for node in (1, 2):
        stage.crash(node)
    stage.crash(3)
    stage.cluster.restart(stage.cluster.processes[1])
    stage.run(1_000_000)
    assert lag_of(stage, 1, "shop") == {"n2": "unknown", "n3": "unknown"}
    assert sampled(stage, 1, "shop") == {}
    stage.heal()
    stage.run(3_000_000)
    assert lag_of(stage, 1, "shop") == {"n2": "0", "n3": "0"}

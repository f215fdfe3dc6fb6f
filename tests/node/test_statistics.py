"""INFO's counters of replies: what was refused, what is in doubt, each counted where the client was told."""

from typing import Any

import pytest

from stage import Stage


def stats(stage: Stage, node: int) -> dict[str, int]:
    """What INFO stats says."""
    told: Any = stage.ask(node, "INFO", "stats").reply
    lines = (line.partition(":") for line in told.decode().splitlines() if ":" in line)
    return {name: int(value) for name, _, value in lines}


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.lead(1)
    for node in (1, 3):
        made.ask(node, "CONFIG", "RESETSTAT")
    return made


def test_a_refusal_and_an_error_of_the_client_are_counted_apart(stage: Stage) -> None:
    assert stage.ask(1, "SET", "bank:k", "v").reply == b"OK"
    assert stage.ask(1, "GET").reply.startswith("ERR wrong number")
    before = stats(stage, 1)
    assert (before["clusterdown_replies"], before["total_error_replies"]) == (0, 1)
    stage.cut_off(3)
    stage.run(2_000_000)
    assert stage.ask(3, "SET", "bank:k", "w").is_refusal
    assert stage.ask(3, "GET", "bank:k").is_refusal
    found = stats(stage, 3)
    assert (found["clusterdown_replies"], found["total_error_replies"], found["uncertain_replies"]) == (2, 2, 0)
    stage.ask(3, "CONFIG", "RESETSTAT")
    assert stats(stage, 3)["clusterdown_replies"] == 0


def test_a_write_in_doubt_is_counted_at_the_node_that_said_so(stage: Stage) -> None:
    stage.cut_way(2, 1)
    stage.cut_way(3, 1)
    assert stage.ask(1, "SET", "bank:k", "v").is_uncertain
    found = stats(stage, 1)
    assert (found["uncertain_replies"], found["clusterdown_replies"]) == (1, 0)
    assert stats(stage, 3)["uncertain_replies"] == 0


def test_an_ap_shard_tells_its_own_sequence_and_what_waits_for_its_cause(stage: Stage) -> None:
    def told(node: int) -> dict[str, str]:
        text: Any = stage.ask(node, "INFO", "replication").reply
        line = next(line for line in text.decode().splitlines() if "keyspace=shop" in line)
        return dict(part.split("=", 1) for part in line.partition(":")[2].split(","))

    before = int(told(1)["sequence"])
    assert stage.ask(1, "SET", "shop:k", "v").reply == b"OK"
    stage.run(1_000_000)
    found = told(1)
    assert int(found["sequence"]) == before + 1 == int(found["durable_sequence"])
    assert (found["held_back"], found["retained_bytes"]) == ("0", "0")
    stage.cut_off(3)
    assert stage.ask(1, "SET", "shop:k", "w" * 100).reply == b"OK"
    assert int(told(1)["retained_bytes"]) > 100

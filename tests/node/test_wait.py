"""WAIT speaks of the write before it, also where both come in one pipeline."""

import pytest

from connection import Connection
from stage import Stage

WAIT_MS = 100


@pytest.mark.parametrize(("name", "node"), [("bank", 1), ("bank", 2), ("shop", 1)])
def test_wait_does_not_count_a_replica_that_holds_only_what_was_before_the_write_ahead_of_it(
    name: str, node: int
) -> None:
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, node)
    assert stage.ask(node, "SET", f"{name}:w", "0").reply == b"OK"
    stage.run(500_000)
    stage.cut_off(3)
    connection.send(("SET", f"{name}:w", "1"), ("WAIT", "2", str(WAIT_MS)))
    stage.run(2 * WAIT_MS * 1_000)
    assert connection.replies == [b"OK", 1]


def test_wait_at_a_node_without_a_replica_asks_for_the_write_ahead_of_it() -> None:
    stage = Stage()
    assert stage.ask(1, "KEYSPACE", "CREATE", "pair", "MODE", "ap", "REPLICAS", "2").reply == b"OK"
    stage.run(500_000)
    connection = Connection(stage, 3)
    assert stage.ask(3, "SET", "pair:w", "0").reply == b"OK"
    stage.run(500_000)
    stage.cut((1, 2))
    connection.send(("SET", "pair:w", "1"), ("WAIT", "1", str(WAIT_MS)))
    stage.run(2 * WAIT_MS * 1_000)
    assert connection.replies == [b"OK", 0]

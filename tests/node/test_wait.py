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


def test_wait_without_end_is_answered_when_its_node_leads_no_more() -> None:
    """It would learn of no further replica, and what is behind it on its connection would never begin."""
    stage = Stage()
    stage.lead(1)
    stage.crash(3)
    stage.run(2_000_000)
    connection = Connection(stage, 1)
    connection.send(("SET", "bank:w", "1"), ("WAIT", "2", "0"), ("GET", "bank:w"))
    stage.run(5_000_000)
    assert connection.replies == [b"OK"]
    assert stage.ask(1, "KEYSPACE", "LEAD", "bank", "n2").reply == b"OK"
    stage.run(2_000_000)
    assert connection.replies == [b"OK", 1, b"1"]


def test_wait_without_end_is_answered_when_the_keyspace_is_dropped() -> None:
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, 1)
    connection.send(("SET", "shop:w", "1"), ("WAIT", "3", "0"), ("PING",))
    stage.run(1_000_000)
    assert connection.replies == [b"OK"]
    assert stage.ask(2, "FLUSHALL").reply == b"OK"
    assert stage.ask(2, "KEYSPACE", "DROP", "shop").reply == b"OK"
    stage.run(1_000_000)
    assert connection.replies == [b"OK", 2, b"PONG"]


@pytest.mark.parametrize("node", [1, 2])
def test_the_time_that_wait_was_told_to_take_is_not_counted_against_what_is_behind_it(node: int) -> None:
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, node)
    connection.send(("SET", "shop:w", "1"), ("WAIT", "3", "9000"), ("SET", "bank:w", "1"), ("GET", "bank:w"))
    stage.run(10_000_000)
    assert connection.replies == [b"OK", 2, b"OK", b"1"]


@pytest.mark.parametrize(("timeout_ms", "most_ms"), [(WAIT_MS, 2 * WAIT_MS), (0, 2_500)])
def test_wait_for_a_leader_that_is_cut_off_is_over_in_its_own_time_and_counts_what_the_reply_waited_for(
    timeout_ms: int, most_ms: int
) -> None:
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, 3)
    connection.send(("SET", "bank:w", "2"))
    stage.run(500_000)
    stage.cut_off(3)
    connection.send(("WAIT", "1", str(timeout_ms)), ("PING",))
    stage.run(most_ms * 1_000)
    assert connection.replies == [b"OK", 1, b"PONG"]


@pytest.mark.parametrize("before", [(), (("SET", "bank:w", "1"),)])
def test_wait_behind_a_write_that_is_not_answered_knows_of_nobody_who_holds_it(
    before: tuple[tuple[str, ...], ...],
) -> None:
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, 3)
    connection.send(*before, ("GET", "bank:w"))
    stage.run(500_000)
    stage.cut_off(3)
    connection.send(("SET", "bank:w", "2"), ("WAIT", "1", str(WAIT_MS)))
    stage.run(2_500_000)
    uncertain, held = connection.replies[-2:]
    assert str(uncertain).startswith("UNCERTAIN")
    assert held == 0


def test_wait_at_a_follower_tells_the_replicas_that_its_leader_knows_to_hold_the_write() -> None:
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, 3)
    connection.send(("SET", "bank:w", "1"))
    stage.run(1_000_000)
    connection.send(("WAIT", "2", "0"))
    stage.run(1_000_000)
    assert connection.replies == [b"OK", 2]

"""The order of one connection's commands on one shard (PROMISES §5), where executors give commands back."""

from typing import Any

import pytest

from connection import Connection
from stage import Stage
from trilemma.node import raft_intake


@pytest.mark.parametrize(("node", "gap_us", "delay_us"), [(1, 0, 2_250), (1, 300, 1_500), (2, 300, 0), (2, 300, 1_000)])
def test_what_is_pipelined_while_the_leadership_moves_takes_effect_in_the_order_sent(
    node: int, gap_us: int, delay_us: int
) -> None:
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, node)
    stage.run(20_000)
    stage.begin(1, "KEYSPACE", "LEAD", "bank", "n3")
    stage.run(delay_us)
    for number in range(1, 6):
        connection.send(("SET", "bank:x", str(number)), ("INCR", "bank:count"))
        stage.run(gap_us)
    stage.run(1_000_000)
    assert stage.leads(3, "bank")
    assert connection.replies == [part for number in range(1, 6) for part in (b"OK", number)]
    assert stage.ask(2, "GET", "bank:x").reply == b"5"


def test_a_leader_that_cannot_hand_over_gives_nothing_back_meanwhile() -> None:
    """What it gave back could be overtaken by what came later, for it goes on in the same term."""
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, 2)
    stage.run(20_000)
    stage.cut((1, 3))
    stage.begin(1, "KEYSPACE", "LEAD", "bank", "n3")
    stage.run(2_000)
    connection.send(("SET", "bank:x", "1"))
    stage.run(2_000)
    connection.send(("SET", "bank:x", "2"), ("GET", "bank:x"))
    stage.run(1_000_000)
    assert stage.leads(1, "bank")
    assert connection.replies == [b"OK", b"OK", b"2"]
    node = stage.cluster.processes[2].node
    assert node is not None
    (stream,) = node._executors.routes[stage._shard("bank")]._outgoing._streams.values()
    assert stream._next == 4, "two batches were sent, each once, and the word that all replies have arrived"


def test_a_leader_that_cannot_hand_over_keeps_only_so_many_commands_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raft_intake, "HELD_REQUESTS_MAX", 2)
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, 1)
    stage.run(20_000)
    stage.cut((1, 3))
    stage.begin(1, "KEYSPACE", "LEAD", "bank", "n3")
    stage.run(2_000)
    connection.send(*[("INCR", "bank:x")] * 3, ("INCR", "shop:x"))
    stage.run(1_000_000)
    refused = "CLUSTERDOWN keyspace 'bank' (cp): too many requests wait; nothing was written"
    assert connection.replies == [1, 2, refused, 1]


def test_a_read_under_a_lease_does_not_overtake_an_earlier_one_that_went_to_the_leader() -> None:
    stage = Stage()
    stage.lead(1)
    for key in ("site:x", "site:y"):
        assert stage.ask(1, "SET", key, "0").reply == b"OK"
    stage.run(500_000)
    connection = Connection(stage, 2)
    stage.run(2_000)
    writing = stage.begin(1, "SET", "site:x", "1")
    node = stage.cluster.processes[2].node
    assert node is not None
    replica: Any = node.replicas[stage._shard("site")]
    stage.scheduler.run_until(stage.now_us + 20_000, lambda: replica.raft.last_index > replica.applied_index)
    # The entry makes x dirty at n2, so that its read goes to the leader. It is lost on the way, once.
    stage.cut_way(2, 1)
    connection.send(("GET", "site:x"), ("GET", "site:y"))
    stage.run(1_500)
    stage.heal()
    assert stage.wait(writing).reply == b"OK"
    assert stage.ask(1, "SET", "site:y", "1").reply == b"OK"
    assert stage.ask(1, "SET", "site:x", "2").reply == b"OK"
    stage.run(400_000)
    assert connection.replies in ([b"1", b"0"], [b"1", b"1"], [b"2", b"1"])

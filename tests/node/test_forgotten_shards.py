"""What is left of a keyspace that was dropped: nothing that is told to peers, or kept for their repeats."""

from stage import Stage
from trilemma.base.ids import shard_id
from trilemma.cluster.messages import Leadership

NEVER_MADE = shard_id(99, 0)


def test_nobody_tells_of_the_leader_of_a_dropped_keyspace_nor_keeps_what_was_forwarded_to_it() -> None:
    stage = Stage()
    nodes = [process.node for process in stage.cluster.processes.values()]
    shards = {shard for node in nodes if node for shard in node.replicas}
    for number in range(3):
        assert stage.ask(1, "KEYSPACE", "CREATE", f"k{number}", "MODE", "cp").reply == b"OK"
        for node in (1, 2, 3):
            stage.until_ok(node, "SET", f"k{number}:a", "1")
        assert stage.ask(2, "KEYSPACE", "DROP", f"k{number}").reply == b"OK"
    stage.run(500_000)
    for node in nodes:
        assert node is not None
        assert set(node.replicas) == shards
        assert set(node._peers.leaders) <= shards
        assert {shard for _, shard, *_ in node._executors._incoming._streams} <= shards


def test_what_a_peer_tells_of_a_shard_that_is_not_served_here_is_not_taken_in() -> None:
    stage = Stage()
    one, two = stage.cluster.processes[1].node, stage.cluster.processes[2].node
    assert one is not None
    assert two is not None
    one._peers.note_leader(Leadership(NEVER_MADE, 1, 1))
    stage.run(500_000)
    assert NEVER_MADE in one._peers.leaders
    assert NEVER_MADE not in two._peers.leaders

"""What a node does before it knows, after a start, which keyspaces there are."""

from trilemma.node.config import Member, NodeConfig
from trilemma.node.machine import Node
from trilemma.sim.solo import SoloNode, request


def test_a_request_that_comes_before_the_keyspaces_are_known_is_answered_once_they_are() -> None:
    solo = SoloNode()
    conn = solo.connect()
    for number in range(20):
        solo.node.receive_client(conn, request("KEYSPACE", "CREATE", f"k{number}", "MODE", "cp"))
        solo.run_until(solo.now.mono_us + 100_000)
    assert bytes(solo.replies[conn]) == b"+OK\r\n" * 20

    config = NodeConfig("solo", 1, "disk", 2, (Member(1, "n1"),), apply_bytes=1)
    solo.engine.crash(None)
    solo.node = Node(config, solo.log.recover(), solo.log, solo.engine, solo.now, entropy=2)
    solo.replies.clear()
    solo.node.client_connected(7, "127.0.0.1:50000", "127.0.0.1:6379")
    solo.node.receive_client(7, request("GET", "k19:a"))
    turns_without = 0
    while solo.turn() and not solo.node._system.is_caught_up:
        turns_without += 1
    assert turns_without > 20
    solo.run_until(solo.now.mono_us + 3_000_000)
    assert bytes(solo.replies[7]) == b"$-1\r\n"

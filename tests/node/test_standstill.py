"""From when TIMEOUT counts: not while the node stood still, the client was slow to send or to read, or wanted to wait.

A node that stood still, by SIGSTOP or with its whole machine, takes up what came meanwhile as if it came now.
"""

import pytest

from connection import Connection
from stage import Stage
from trilemma.sim.solo import request

STOOD_US = 3_000_000
"""Longer than TIMEOUT (2 s)."""


def stand_still(stage: Stage, connection: Connection, *commands: tuple[str, ...]) -> None:
    """Have n1 stand still, with commands that come just before it goes on."""
    process = stage.cluster.processes[1]
    process.pause()
    stage.run(STOOD_US)
    connection.send(*commands)
    stage.run(10_000)
    process.resume()
    stage.run(1_000_000)


def test_a_command_that_came_while_its_node_stood_still_has_all_of_its_time_before_it() -> None:
    """It was refused at once, as if the disk had not kept up: TIMEOUT counted from the turn before."""
    stage = Stage()
    connection = Connection(stage, 1)
    stand_still(stage, connection, ("SET", "shop:a", "1"), ("GET", "shop:a"))
    assert connection.replies == [b"OK", b"1"]


def test_a_client_that_reads_on_is_kept_waiting_from_then_on() -> None:
    stage = Stage()
    connection = Connection(stage, 1)
    stage.run(100_000)
    node = stage.cluster.processes[1].node
    assert node is not None
    node.client_stalled(connection.conn, True)
    connection.send(("SET", "shop:a", "1"))
    stage.run(STOOD_US)
    assert connection.replies == []
    stage.cluster.processes[1].give(lambda each: each.client_stalled(connection.conn, False))
    stage.run(1_000_000)
    assert connection.replies == [b"OK"]


@pytest.mark.parametrize("name", ["shop", "bank"])
def test_a_command_that_takes_longer_than_timeout_to_come_has_its_time_from_when_it_is_there(name: str) -> None:
    stage = Stage()
    stage.lead(1)
    connection = Connection(stage, 1)
    words = request("SET", f"{name}:a", "x" * 100)
    for place in range(0, len(words), 30):
        stage.cluster.send(connection.conn, words[place : place + 30])
        stage.run(STOOD_US // 2)
    assert connection.replies == [b"OK"]


def test_what_comes_while_wait_waits_has_its_time_from_when_that_is_over() -> None:
    stage = Stage()
    connection = Connection(stage, 1)
    connection.send(("SET", "shop:a", "1"), ("WAIT", "3", str(STOOD_US // 1_000)))
    stage.run(100_000)
    connection.send(("SET", "shop:a", "2"), ("GET", "shop:a"))
    stage.run(STOOD_US + 1_000_000)
    assert connection.replies == [b"OK", 2, b"OK", b"2"]


def test_a_connection_is_as_old_as_it_is_where_its_node_stood_still_before() -> None:
    stage = Stage()
    process = stage.cluster.processes[1]
    process.pause()
    stage.run(10 * STOOD_US)
    connection = Connection(stage, 1)
    process.resume()
    assert b" age=0 idle=0 " in connection.ask("CLIENT", "INFO")

"""Writes at all nodes of an `ap` keyspace at once: nobody makes batches faster than it applies those of the others."""

from typing import Any

import pytest

from stage import Piped, Stage
from trilemma.node import allowance
from trilemma.replication.leaderless import delivery

COMMANDS = 4_000
UNITS = 16
TURN_BYTES = 200
"""Less than a batch of so many units: a turn has room for one of the others', who make two meanwhile."""
WAITING_BYTES = 30_000
"""What may wait: what the others make while the disks sync. Without the bound on writes it was 88,000, and grew."""


def waiting_bytes(stage: Stage) -> int:
    """Return how many bytes of others' batches wait at the replica of `shop` where most of them do."""
    shard = stage._shard("shop")
    nodes: list[Any] = [process.node for process in stage.cluster.processes.values()]
    return max(node.replicas[shard].replica._delivery.waiting_bytes for node in nodes)


def test_under_load_everywhere_little_waits_and_all_is_there_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    monkeypatch.setattr(allowance, "UNITS_MAX", UNITS)
    monkeypatch.setattr(allowance, "WRITES_BEHIND_MAX", 1)
    monkeypatch.setattr(delivery, "DELIVERED_BYTES_MAX", TURN_BYTES)
    clients = [
        Piped(stage, node, tuple(("SET", f"shop:{node}-{number}", "v") for number in range(COMMANDS)))
        for node in stage.cluster.processes
    ]
    most = 0
    while not all(len(client.replies) == COMMANDS for client in clients):
        stage.run(200)
        most = max(most, waiting_bytes(stage))
    assert all(reply == b"OK" for client in clients for reply in client.replies)
    assert TURN_BYTES < most <= WAITING_BYTES
    stage.run(20_000)
    assert waiting_bytes(stage) == 0
    assert [
        stage.ask(node, "GET", f"shop:{other}-{COMMANDS - 1}").reply for node in (1, 2, 3) for other in (1, 2, 3)
    ] == [b"v"] * 9


def test_reads_are_not_slowed_while_others_batches_wait() -> None:
    view: Any = type("View", (), {"operations": [], "operation_bytes": 0})()
    unit: Any = type("Unit", (), {"argv": (b"GET", b"k"), "parts": ()})()
    behind = allowance.Allowance(view, others_wait=True)
    for _ in range(allowance.UNITS_MAX):
        assert behind.has_room_for(unit)
        behind.spend([b"+OK"], has_written=False)
    assert not behind.has_room_for(unit)
    behind = allowance.Allowance(view, others_wait=True)
    for _ in range(allowance.WRITES_BEHIND_MAX):
        assert behind.has_room_for(unit)
        behind.spend([b"+OK"], has_written=True)
    assert not behind.has_room_for(unit)

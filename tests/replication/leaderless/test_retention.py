"""What a replica keeps for others, by itself: in memory, in the log, weighed and let go (PROTOCOLS §5.7)."""

import pytest

from trilemma.replication.leaderless import retention
from trilemma.replication.leaderless.record import record_of
from trilemma.replication.leaderless.retention import GRAINS, Retention
from trilemma.replication.port import Batch
from trilemma.storage.memory import MemoryLog
from trilemma.storage.port import LogWrite

SHARD = 1024
BOUND = GRAINS * 10
"""A grain is ten bytes."""


def batch(seq: int, size: int = 5) -> Batch:
    return Batch(1, seq, seq << 20, {}, b"x" * size)


def filled(count: int, size: int = 5) -> Retention:
    log = MemoryLog()
    kept = Retention(SHARD, log, BOUND)
    for seq in range(1, count + 1):
        kept.add(batch(seq, size))
        log.append(LogWrite(seq, 1, False, [record_of(SHARD, batch(seq, size))], True, 0))
    log.sync(count)
    return kept


def seqs(found: list[Batch] | None) -> list[int] | None:
    return None if found is None else [each.seq for each in found]


@pytest.mark.parametrize("memory_bytes", [1 << 20, 20], ids=["all in memory", "most in the log only"])
def test_what_is_kept_is_handed_on_and_what_is_gone_is_said_to_be(
    memory_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MEMORY_BYTES_MAX", memory_bytes)
    kept = filled(20)
    kept.drop(1, 4)
    handed: list[int] = []
    while found := kept.after(1, 4 + len(handed), 20):
        handed += [each.seq for each in found]
    assert handed == list(range(5, 21))
    assert kept.after(1, 3, 20) is None
    assert kept.after(1, 20, 20) == []
    assert kept.dropped(1) == 4


@pytest.mark.parametrize("memory_bytes", [1 << 20, 20], ids=["all in memory", "most in the log only"])
def test_what_is_let_go_no_longer_weighs(memory_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once what had left the memory before it was let go weighed for ever, and at the bound writes were refused."""
    monkeypatch.setattr(retention, "MEMORY_BYTES_MAX", memory_bytes)
    kept = filled(200)
    assert kept.is_over_bound
    assert kept.bytes == 1_000
    kept.drop(1, 150)
    assert abs(kept.bytes - 250) <= 10
    assert not kept.is_over_bound
    kept.drop(1, 200)
    assert kept.bytes == 0
    kept.add(batch(201))
    assert kept.bytes == 5


def test_what_a_start_finds_in_the_log_weighs_too() -> None:
    kept = Retention(SHARD, MemoryLog(), BOUND)
    kept.found(1, 3, [batch(4), batch(5)])
    assert (kept.bytes, kept.dropped(1)) == (10, 3)
    kept.add(batch(6))
    assert seqs(kept.after(1, 5, 6)) == [6]
    assert kept.bytes == 15


def test_rows_that_came_take_the_place_of_batches() -> None:
    kept = filled(6)
    kept.jump(1, 9)
    assert (kept.bytes, kept.dropped(1)) == (0, 9)
    assert kept.after(1, 6, 9) is None
    kept.add(batch(10))
    assert seqs(kept.after(1, 9, 10)) == [10]

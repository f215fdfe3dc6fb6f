"""A simulated disk after a sync that failed: what a start reads there stays, unless a bug is planted."""

from dataclasses import replace
from random import Random

import pytest

from trilemma.sim.campaign import run_seed
from trilemma.sim.disk import Disk
from trilemma.sim.mutants import planted
from trilemma.sim.options import draw
from trilemma.sim.scheduler import Scheduler
from trilemma.storage.port import LogRecord, LogWrite, RecordKind
from trilemma.storage.segment import CorruptLogError

A_SECOND_US = 1_000_000
KEEPING_SEED = 0
"""With which a crash keeps all that it may keep."""


class Machine:
    """A disk and who uses it. `keep_share`: how often a crash may keep something that was not synced."""

    def __init__(self, keep_share: float) -> None:
        self.scheduler = Scheduler()
        self.disk = Disk(self.scheduler, Random(KEEPING_SEED), replace(draw(0, "cp"), keep_share=keep_share))
        self.crashes = 0
        self.found: list[int] = []

    def start(self) -> None:
        self.disk.open(lambda _: None, self._failed)
        self.found = [record.index for record in self.disk.log.recover().records]

    def _failed(self) -> None:
        self.crashes += 1
        self.disk.crash()

    def write(self, token: int, index: int, segment: int) -> None:
        record = LogRecord(RecordKind.ENTRY, 1024, 0, index, 1, b"x")
        self.disk.append(LogWrite(token, segment, False, [record], True, 0))
        self.scheduler.run_until(self.scheduler.now_us + A_SECOND_US)


def after_a_failed_sync(keep_share: float = 0.0) -> Machine:
    """Return a machine whose entry 1 is durable, and for entry 2 of which the sync failed; it has started again."""
    machine = Machine(keep_share)
    machine.start()
    machine.write(1, 1, segment=1)
    machine.disk.fails_next_sync = True
    machine.write(2, 2, segment=1)
    assert machine.crashes == 1
    machine.start()
    return machine


def test_what_a_failed_sync_left_goes_with_the_power_where_the_bug_is_planted() -> None:
    with planted("H18"):
        machine = after_a_failed_sync()
        assert machine.found == [1, 2]
        machine.disk.crash()
        machine.start()
        assert machine.found == [1]
        machine.disk.crash()
        machine.start()
        assert machine.found == [1]


def test_and_leaves_a_hole_that_no_start_takes_where_later_syncs_succeeded() -> None:
    with planted("H18"):
        machine = after_a_failed_sync()
        machine.write(1, 3, segment=2)
        machine.disk.crash()
        for _ in range(2):
            with pytest.raises(CorruptLogError):
                machine.start()


def test_without_the_bug_a_start_keeps_what_it_has_read() -> None:
    machine = after_a_failed_sync(keep_share=1.0)
    assert machine.found == [1, 2]
    machine.write(1, 3, segment=2)
    machine.disk.crash()
    machine.start()
    assert machine.found == [1, 2, 3]


def test_clients_see_that_bug() -> None:
    assert run_seed(23, "cp", 0, "H18").verdict == "broken"

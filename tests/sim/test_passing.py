"""Keyspaces that come and go in a schedule: what a node keeps of those that are gone is seen."""

from dataclasses import replace

import pytest

from trilemma.node.remains import Remains
from trilemma.node.shards import ShardFactory
from trilemma.sim.options import MODES, draw
from trilemma.sim.outcome import Outcome
from trilemma.sim.run import run_schedule

SEED = 12


def passing(mode: str) -> Outcome:
    drawn = replace(draw(SEED, mode), passes=True, workloads=("registers",), faults=("crash", "crash_all"), nodes=3)
    options = replace(drawn, think_us=60_000, pace=0, spell_us=0)
    return run_schedule(options, safety_us=3_000_000)


@pytest.mark.parametrize("mode", MODES)
def test_keyspaces_that_come_and_go_leave_nothing_behind(mode: str) -> None:
    outcome = passing(mode)
    assert outcome.failures + outcome.broken == []


def test_that_rows_stay_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Remains, "step", lambda self: None)
    assert any("keeps rows of shard" in failure for failure in passing("cp").failures)


def test_that_the_log_is_said_again_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShardFactory, "forget", lambda self, catalogue: None)
    assert any("keeps log of shard" in failure for failure in passing("cp").failures)

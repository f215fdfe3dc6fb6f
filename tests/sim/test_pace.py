"""Clients keep a pace: no schedule has many times the operations of the others, and most are as they are without."""

from dataclasses import replace

import pytest

from trilemma.sim.options import PACE, draw
from trilemma.sim.outcome import OPERATIONS_MIN
from trilemma.sim.pace import LONGER_MAX, UNHURRIED, Pace
from trilemma.sim.run import run_schedule

EAGER, MODERATE = 17, 3
"""A seed of many pipelines by clients that hardly think, and one of others."""


@pytest.mark.parametrize(
    ("sent", "low", "high"), [(0, 1.0, 1.0), (450, 1.0, 1.0), (500, 1.3, 1.7), (10_000, LONGER_MAX, LONGER_MAX)]
)
def test_who_is_ahead_thinks_longer(sent: int, low: float, high: float) -> None:
    pace = Pace(800, 1_000_000, 8_000_000, lambda: sent)
    assert low <= pace.longer(5_000_000) <= high


def test_without_a_pace_nobody_waits() -> None:
    assert UNHURRIED.longer(5_000_000) == 1.0
    assert Pace(0, 0, 8_000_000, lambda: 10_000).longer(5_000_000) == 1.0


def test_a_schedule_of_eager_clients_is_held_back_and_another_is_what_it_was() -> None:
    assert draw(EAGER).pace == draw(MODERATE).pace == PACE > 2 * OPERATIONS_MIN
    eager = replace(draw(EAGER, "cp"), faults=("slow", "loss"), think_us=60_000, packet_gap_us=300)
    free, held = run_schedule(replace(eager, pace=0)), run_schedule(eager)
    assert free.operations > 1.5 * held.operations > 1.5 * PACE
    moderate = replace(draw(MODERATE, "cp"), faults=("slow", "loss"), think_us=180_000, packet_gap_us=0)
    assert run_schedule(replace(moderate, pace=0)).trace_hash == run_schedule(moderate).trace_hash

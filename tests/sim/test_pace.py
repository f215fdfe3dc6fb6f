"""Clients keep a pace: a schedule has about as many operations as it is to have, whatever options it draws."""

from dataclasses import replace

import pytest

from trilemma.sim.options import PACE, draw
from trilemma.sim.outcome import OPERATIONS_MIN
from trilemma.sim.pace import LONGER_MAX, LONGER_MIN, UNHURRIED, Pace
from trilemma.sim.run import run_schedule

EAGER = 17
"""A seed of many pipelines by clients that hardly think."""


@pytest.mark.parametrize(
    ("sent", "low", "high"),
    [(0, LONGER_MIN, LONGER_MIN), (170, 0.1, 0.3), (200, 0.6, 0.8), (250, 3.0, 5.0), (1_000, LONGER_MAX, LONGER_MAX)],
)
def test_who_is_ahead_thinks_longer_and_who_is_behind_not_as_long(sent: int, low: float, high: float) -> None:
    pace = Pace(400, 1_000_000, 8_000_000, lambda: sent)
    assert low <= pace.longer(5_000_000) <= high


def test_without_a_pace_nobody_hurries() -> None:
    assert UNHURRIED.longer(5_000_000) == 1.0
    assert Pace(0, 0, 8_000_000, lambda: 10_000).longer(5_000_000) == 1.0


def test_most_schedules_have_about_as_many_operations_as_count_and_some_keep_no_pace() -> None:
    drawn = [draw(seed).pace for seed in range(400)]
    assert PACE >= OPERATIONS_MIN
    assert set(drawn) == {PACE, 0}
    assert 8 <= drawn.count(0) <= 40


def test_a_schedule_of_eager_clients_has_less_than_half_of_their_operations() -> None:
    options = replace(draw(EAGER, "cp"), faults=("slow", "loss"), think_us=60_000, packet_gap_us=300, pace=PACE)
    eager, paced = run_schedule(replace(options, pace=0)), run_schedule(options)
    assert eager.operations > 1_200
    assert OPERATIONS_MIN <= paced.operations < eager.operations / 2
    assert eager.is_clean
    assert paced.is_clean

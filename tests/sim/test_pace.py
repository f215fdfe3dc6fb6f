"""Clients keep a pace: a schedule has about as many operations as it is to have, whatever options it draws."""

from dataclasses import replace
from functools import partial

import pytest

from trilemma.sim.options import LEASED_PACE, PACE, Options, draw, reads_under_leases
from trilemma.sim.outcome import OPERATIONS_MIN, VIRTUAL_US_MIN
from trilemma.sim.pace import LONGER_MAX, LONGER_MIN, UNHURRIED, Pace
from trilemma.sim.run import Schedule, run_schedule

EAGER = 17
"""A seed of many pipelines by clients that hardly think."""


@pytest.mark.parametrize(
    ("sent", "low", "high"),
    [(0, LONGER_MIN, LONGER_MIN), (170, 0.1, 0.3), (200, 0.6, 0.8), (250, 3.0, 5.0), (1_000, LONGER_MAX, LONGER_MAX)],
)
def test_who_is_ahead_thinks_longer_and_who_is_behind_not_as_long(sent: int, low: float, high: float) -> None:
    pace = Pace(400, 1_000_000, 8_000_000, 0, lambda: sent)
    assert low <= pace.longer(5_000_000) <= high


def test_without_a_pace_nobody_hurries() -> None:
    assert UNHURRIED.longer(5_000_000) == 1.0
    assert Pace(0, 0, 8_000_000, 0, lambda: 10_000).longer(5_000_000) == 1.0


@pytest.mark.parametrize(
    ("now_us", "rest_us"),
    [(1_000_000, 0), (1_999_999, 0), (2_000_000, 2_000_000), (3_500_000, 500_000), (4_000_000, 0), (12_500_000, 0)],
)
def test_between_spells_clients_rest_until_the_next_one(now_us: int, rest_us: int) -> None:
    assert Pace(400, 1_000_000, 9_000_000, 1_000_000, lambda: 0).rest_us(now_us) == rest_us


def test_in_spells_as_many_operations_are_wanted_as_without() -> None:
    in_spells = Pace(300, 0, 9_000_000, 1_000_000, lambda: 110)
    assert in_spells.longer(1_000_000) == in_spells.longer(3_000_000) == 1.0
    assert in_spells.longer(4_000_000) < 0.2
    assert Pace(300, 0, 9_000_000, 0, lambda: 110).longer(3_000_000) == 1.0


def test_most_schedules_have_about_as_many_operations_as_count_and_some_keep_no_pace() -> None:
    drawn = [draw(seed) for seed in range(400)]
    paces = [options.pace for options in drawn]
    assert PACE >= OPERATIONS_MIN
    assert set(paces) == {PACE, LEASED_PACE, 0}
    assert 8 <= paces.count(0) <= 40
    assert 140 <= sum(options.spell_us > 0 for options in drawn) <= 220
    leased = [options for options in drawn if reads_under_leases(options.settings) and options.pace]
    assert {(options.pace, options.spell_us > 0) for options in leased} == {(LEASED_PACE, True)}
    assert all(options.is_watched is reads_under_leases(options.settings) for options in drawn)


def test_a_schedule_of_eager_clients_has_less_than_half_of_their_operations() -> None:
    options = replace(
        draw(EAGER, "cp"), faults=("slow", "loss"), think_us=60_000, packet_gap_us=300, pace=PACE, spell_us=0
    )
    eager, paced = run_schedule(replace(options, pace=0)), run_schedule(options)
    assert eager.operations > 1_200
    assert OPERATIONS_MIN <= paced.operations < eager.operations / 2
    assert eager.is_clean
    assert paced.is_clean


def test_a_schedule_lasts_ten_seconds_however_soon_all_is_done() -> None:
    options = replace(draw(EAGER, "cp"), safety_us=1_000_000, left_out="")
    whole, short = run_schedule(options), run_schedule(options, safety_us=1_000_000)
    assert VIRTUAL_US_MIN == 10_000_000
    assert short.virtual_us < VIRTUAL_US_MIN <= whole.virtual_us
    assert short.is_vacuous


def reading_nodes(*, is_watched: bool) -> set[str]:
    """Return the nodes at which some client read at least twenty times, and did nothing else."""
    options = draw(EAGER, "cp")
    schedule = Schedule(replace(options, workloads=("appends",), reader_share=0.0, is_watched=is_watched))
    schedule.run()
    clients: dict[tuple[str, int], list[str]] = {}
    for operation in schedule._seen.runs["appends"].history().operations:
        clients.setdefault((operation.node, operation.process), []).append(operation.kind)
    return {node for (node, _), kinds in clients.items() if len(kinds) >= 20 and set(kinds) == {"read"}}


def test_a_client_at_each_node_watches_what_is_read_under_leases() -> None:
    assert reading_nodes(is_watched=True) == {"n1", "n2", "n3"}
    assert reading_nodes(is_watched=False) == set()


def test_where_followers_answer_reads_they_fall_asleep_as_leaders_do() -> None:
    drawn = [draw(seed, "cp") for seed in range(400)]
    local = [options for options in drawn if options.anyone_sleeps]
    assert {options.settings[:2] for options in local} == {("READ", "local")}
    assert 40 <= len(local) <= 120

    def sleepers(options: Options) -> set[str]:
        """Return the nodes that fell asleep where n1 led, as each coup's luck had it."""
        found = set()
        for seed in range(8):
            schedule = Schedule(
                replace(options, seed=seed, faults=("clock_step", "coup"), aim=0.0), keep_trace=True, is_short=True
            )
            schedule._cluster.leader = partial(schedule._cluster.processes.get, 1)  # type: ignore[method-assign]
            trace = schedule.run().trace
            found |= {line.split()[3] for line in trace if line.endswith("sleeps")}
        return found

    assert sleepers(replace(local[0], anyone_sleeps=False, safety_us=3_000_000)) == {"n1"}
    assert sleepers(replace(local[0], safety_us=3_000_000)) >= {"n1", "n2"}

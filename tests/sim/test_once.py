"""CAP ONCE under faults: increments that are retried until answered count once; its planted bugs are found."""

from dataclasses import replace

import pytest

from trilemma.sim.campaign import judge, run_seed
from trilemma.sim.hunt import hunt
from trilemma.sim.mutants import MUTANTS, varied
from trilemma.sim.mutation import OPTIONS_ONLY
from trilemma.sim.options import draw
from trilemma.sim.run import run_schedule

SEEDS = range(8)


@pytest.mark.parametrize("mode", ["cp", "ca"])
def test_increments_that_are_retried_count_once(mode: str) -> None:
    outcomes = [run_schedule(replace(draw(seed, mode), workloads=("once",))) for seed in SEEDS]
    assert [text for outcome in outcomes for text in outcome.broken + outcome.failures] == []
    assert sum(judge(outcome) == "clean" for outcome in outcomes) >= len(SEEDS) // 2


@pytest.mark.parametrize("name", ["N4", "X1", "X3"])
def test_a_bug_of_once_is_found_within_a_few_seeds_that_are_clean_without_it(name: str) -> None:
    found = hunt(name, SEEDS)
    assert found.is_found
    assert run_seed(found.seed or 0, "cp", 0, name + OPTIONS_ONLY).verdict == "clean"


def test_a_bug_that_needs_options_of_its_own_has_them_whether_it_is_planted_or_not() -> None:
    drawn = draw(3, "cp")
    for suffix in ("", "~", OPTIONS_ONLY):
        assert varied("N4" + suffix, drawn) == replace(drawn, workloads=("once",), retained_bytes=500)
    assert varied("", drawn) == varied("R1", drawn) == drawn
    assert MUTANTS["R1"].vary(drawn) is drawn

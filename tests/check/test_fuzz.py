"""Every model against brute force, in small; the campaign is `trilemma trial fuzzing`. Fuzzing finds faults."""

from dataclasses import replace
from random import Random

import pytest

from trilemma.check.forge import disturb, forge
from trilemma.check.fuzz import CASES, Case, fuzz_linearizable, fuzz_sequential
from trilemma.check.model import Reach
from trilemma.check.models.string import STRING

ROUNDS = 300


@pytest.mark.parametrize("name", CASES)
def test_linearizability_never_disagrees_with_brute_force(name: str) -> None:
    tally = fuzz_linearizable(CASES[name], 5, ROUNDS)
    assert tally.disagreements == []
    assert min(tally.valid, tally.invalid) > ROUNDS // 20, "the fuzz must show both kinds of history"


@pytest.mark.parametrize("name", CASES)
def test_sequential_consistency_never_disagrees_with_brute_force(name: str) -> None:
    tally = fuzz_sequential(CASES[name], 6, ROUNDS)
    assert tally.disagreements == []
    assert min(tally.valid, tally.invalid) > ROUNDS // 20, "the fuzz must show both kinds of history"


def test_histories_have_several_keys_equal_stamps_and_every_outcome() -> None:
    case, rng = CASES["counter"], Random(1)
    history = [
        operation
        for _ in range(50)
        for operation in disturb(rng, forge(rng, 6, 0, case.draw, case.run, 0.15, keys=2, processes=3), 6)
    ]
    assert {each.key for each in history} == {b"k", b"l"}
    assert {each.outcome for each in history} == {"ok", "fail", "info"}
    assert {each.process for each in history} == {0, 1, 2}
    assert len({each.invoke_us for each in history}) < len(history) // 4


def _spoilt(name: str, **changes: object) -> Case:
    return CASES[name]._replace(model=replace(CASES[name].model, **changes))  # type: ignore[arg-type]


WRONG = {
    "operations are called alike that are not": _spoilt("cas register", alike=lambda each: each.kind),
    "a result is called out of reach that is not": _spoilt(
        "queue", reach=Reach(lambda state, each: each.kind == "enqueue", lambda write, each: False)
    ),
    "an addition is called a read": _spoilt("counter", is_read=lambda each: True),
    "a judge knows no initial value": _spoilt("doubtful string", judge=lambda each, _: STRING.judge(each, b"a")),  # type: ignore[misc]
}


@pytest.mark.parametrize("fault", WRONG)
def test_fuzzing_finds_a_model_that_misleads_the_search(fault: str) -> None:
    assert fuzz_linearizable(WRONG[fault], 1, ROUNDS).disagreements

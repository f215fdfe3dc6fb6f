"""The order of models: what a set of verdicts says, and what it does not."""

from itertools import product
from random import Random

import pytest

from trilemma.check import hierarchy as models
from trilemma.check.hierarchy import WEAKER, fill, implies, stand, with_stronger
from trilemma.check.report.data import Subject
from trilemma.check.verdict import Verdict, invalid, unknown, valid

FUZZ_ROUNDS = 2_000

HOLDS, BREAKS, UNKNOWN = valid("c"), invalid("c", "r"), unknown("c", "r")


def _reaches(stronger: str, weaker: str) -> bool:
    """The dumb twin of `implies`: walk down the table."""
    return stronger == weaker or any(_reaches(each, weaker) for each in WEAKER[stronger])


def test_what_a_model_implies_is_what_lies_below_it_in_the_table() -> None:
    for one, other in product(WEAKER, WEAKER):
        assert implies(one, other) == _reaches(one, other)


def test_no_two_models_imply_each_other() -> None:
    for one, other in product(WEAKER, WEAKER):
        assert one == other or not (implies(one, other) and implies(other, one))


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        (models.STRICT_SERIALIZABLE, models.LINEARIZABLE),
        (models.STRICT_SERIALIZABLE, models.READ_UNCOMMITTED),
        (models.STRICT_SERIALIZABLE, models.READ_YOUR_WRITES),
        (models.LINEARIZABLE, models.CAUSAL),
        (models.CAUSAL, models.WRITES_FOLLOW_READS),
        (models.SERIALIZABLE, models.SNAPSHOT_ISOLATION),
    ],
)
def test_the_stronger_model_implies_the_weaker(stronger: str, weaker: str) -> None:
    assert implies(stronger, weaker)
    assert not implies(weaker, stronger)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (models.SERIALIZABLE, models.LINEARIZABLE),
        (models.SERIALIZABLE, models.READ_YOUR_WRITES),
        (models.SNAPSHOT_ISOLATION, models.REPEATABLE_READ),
        (models.LINEARIZABLE, models.EVENTUAL),
        (models.PRAM, models.WRITES_FOLLOW_READS),
    ],
)
def test_models_that_do_not_compare_imply_nothing_of_each_other(one: str, other: str) -> None:
    assert not implies(one, other)
    assert not implies(other, one)


def test_the_strongest_that_hold_and_the_weakest_that_do_not_are_named() -> None:
    standing = stand(
        {
            models.LINEARIZABLE: BREAKS,
            models.SEQUENTIAL: BREAKS,
            models.CAUSAL: HOLDS,
            models.READ_YOUR_WRITES: HOLDS,
            models.EVENTUAL: HOLDS,
        }
    )
    assert standing.satisfied == (models.CAUSAL, models.EVENTUAL)
    assert standing.broken == (models.SEQUENTIAL,)
    assert standing.contradicted == ()
    assert standing.describe() == (
        "satisfies causal, eventual convergence; breaks sequential (and all that is stronger)"
    )


def test_nothing_is_inferred_from_an_unknown_or_from_what_was_not_checked() -> None:
    assert stand({models.LINEARIZABLE: UNKNOWN, models.CAUSAL: UNKNOWN}) == ((), (), ())
    assert stand({}) == ((), (), ())
    standing = stand({models.LINEARIZABLE: UNKNOWN, models.READ_YOUR_WRITES: HOLDS})
    assert standing.satisfied == (models.READ_YOUR_WRITES,)
    assert standing.broken == ()


def test_a_model_above_a_broken_one_does_not_count_as_satisfied() -> None:
    standing = stand({models.LINEARIZABLE: HOLDS, models.MONOTONIC_READS: BREAKS, models.READ_YOUR_WRITES: HOLDS})
    assert standing.satisfied == (models.READ_YOUR_WRITES,)
    assert standing.broken == (models.MONOTONIC_READS,)
    assert standing.contradicted == (models.LINEARIZABLE,)


def test_standing_is_what_the_definitions_give() -> None:
    rng = Random(31)
    for _ in range(FUZZ_ROUNDS):
        verdicts = {name: rng.choice([HOLDS, BREAKS, UNKNOWN]) for name in rng.sample(list(WEAKER), rng.randint(0, 8))}
        broken = {name for name in verdicts if verdicts[name].is_invalid}
        holding = {
            name for name in verdicts if verdicts[name].is_valid and not any(_reaches(name, other) for other in broken)
        }
        standing = stand(verdicts)
        assert set(standing.satisfied) == {
            name for name in holding if not any(other != name and _reaches(other, name) for other in holding)
        }
        assert set(standing.broken) == {
            name for name in broken if not any(other != name and _reaches(name, other) for other in broken)
        }


def test_ruling_out_a_model_rules_out_the_stronger_ones() -> None:
    assert with_stronger([models.SEQUENTIAL]) == {
        models.SEQUENTIAL,
        models.LINEARIZABLE,
        models.STRONG_SESSION_SERIALIZABLE,
        models.STRICT_SERIALIZABLE,
    }


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError):
        stand({"perfect": HOLDS})


def test_a_subject_is_filled_in() -> None:
    verdicts: dict[str, Verdict] = {models.LINEARIZABLE: BREAKS, models.CAUSAL: HOLDS}
    subject = fill(Subject("shop", "ap", "register", [], [HOLDS]), verdicts)
    assert subject.satisfied == (models.CAUSAL,)
    assert subject.broken == (models.LINEARIZABLE,)
    assert subject.name == "shop"

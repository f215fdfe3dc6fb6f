"""The trial of how fast histories are judged finds what it planted, and nothing else."""

from random import Random

from trilemma.check.linearizable import check_linearizable
from trilemma.check.model import register
from trilemma.trial.checking import checking, register_history


def test_a_small_trial_holds_and_tells_its_figures() -> None:
    report = checking(5_000, seed=3)
    assert report.broken == []
    assert len(report.figures) == 3


def test_the_history_is_that_of_a_register_and_with_a_stale_read_is_not() -> None:
    assert check_linearizable(register_history(Random(1), 1_000), register()).is_valid
    assert check_linearizable(register_history(Random(1), 1_000, 500), register()).is_invalid

"""The trial of the transaction checker, in small: histories are as sound or as broken as they say."""

from random import Random

from trilemma.check.elle.checker import check_list_append
from trilemma.trial.transactions import make_history, transactions


def test_a_trial_of_transactions_runs_and_finds_what_is_broken_only() -> None:
    report = transactions(8_000, seed=3)
    assert report.broken == []
    assert len(report.figures) == 3


def test_histories_without_faults_are_strict_serializable_whatever_the_seed() -> None:
    for seed in range(10):
        assert check_list_append(make_history(Random(seed), 500)).is_valid


def test_equal_seeds_give_equal_histories() -> None:
    assert make_history(Random(7), 300, 0.01) == make_history(Random(7), 300, 0.01)

"""Percentiles are values that were measured."""

from trilemma.check.figures import percentile


def test_a_percentile_is_the_smallest_sample_that_the_share_does_not_exceed() -> None:
    samples = list(range(1, 101))
    assert [percentile(samples, share) for share in (0.0, 0.01, 0.5, 0.99, 0.999, 1.0)] == [1, 1, 50, 99, 100, 100]


def test_of_one_sample_every_percentile_is_that_one() -> None:
    assert percentile([7], 0.5) == percentile([7], 0.99) == 7


def test_of_no_samples_it_is_nought() -> None:
    assert percentile([], 0.99) == 0

"""As of when rows are current: what a leader named counts once it is applied, with an entry of that leader's term."""

from trilemma.replication.raft.currency import Currency
from trilemma.replication.raft.timing import LONG_AGO_US


def test_a_commit_index_counts_once_it_is_applied() -> None:
    currency = Currency()
    currency.named(5, 2, 1_000)
    currency.applied(4, 2)
    assert currency.as_of_us == LONG_AGO_US
    currency.applied(5, 2)
    assert currency.as_of_us == 1_000


def test_a_replica_that_always_lags_still_learns_how_far_it_is_behind() -> None:
    currency = Currency()
    for turn in range(1, 100):
        currency.named(10 * turn, 2, 1_000 * turn)
        currency.applied(10 * turn - 10, 2)
    assert currency.as_of_us >= 96_000


def test_a_leader_that_has_committed_nothing_in_its_term_says_nothing() -> None:
    currency = Currency()
    currency.named(5, 3, 1_000)  # what earlier leaders have acknowledged may lie above 5
    currency.applied(5, 2)
    assert currency.as_of_us == LONG_AGO_US


def test_a_leader_of_whose_term_nothing_was_applied_says_nothing_when_a_later_one_is() -> None:
    currency = Currency()
    currency.named(5, 3, 1_000)
    currency.applied(7, 4)
    assert currency.as_of_us == LONG_AGO_US
    currency.named(7, 4, 2_000)
    currency.applied(7, 4)
    assert currency.as_of_us == 2_000

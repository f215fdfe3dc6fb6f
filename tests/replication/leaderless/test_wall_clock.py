"""The wall clock is trusted where most peers' agree with it, by what they showed last; not before they are known."""

import pytest

from trilemma.base.time import US_PER_MS, Now
from trilemma.replication.leaderless.wall_clock import PATIENCE_US, WallClock

NOON_MS = 1_700_000_000_000
S = 1_000
HOUR = 3_600 * S
PATIENCE = PATIENCE_US // US_PER_MS


def now(mono_ms: int, ahead_ms: int = 0) -> Now:
    return Now(mono_ms * US_PER_MS, (NOON_MS + mono_ms + ahead_ms) * US_PER_MS)


def heard(*offsets_ms: int, nodes: int = 3, ahead_ms: int = 0) -> WallClock:
    """Return the judge of a clock that has heard peers a second after its start."""
    clock = WallClock(now(0), nodes, was_apart=False)
    clock.advance(now(S, ahead_ms), dict(enumerate(offsets_ms, 2)))
    return clock


@pytest.mark.parametrize(
    ("offsets_ms", "is_trusted"),
    [((500, -500), True), ((500, 501), True), ((501, -501), False), ((0,), True), ((-HOUR,), False)],
)
def test_it_is_trusted_where_no_more_peers_contradict_it_than_agree(
    offsets_ms: tuple[int, ...], is_trusted: bool
) -> None:
    assert heard(*offsets_ms).is_trusted is is_trusted


def test_the_verdict_stays_where_nobody_is_in_reach_until_the_clock_is_put_right() -> None:
    clock = heard(-HOUR, -HOUR, ahead_ms=HOUR)
    clock.advance(now(900 * S, HOUR), {})
    assert not clock.is_trusted
    clock.advance(now(901 * S), {})
    assert clock.is_trusted


def test_a_step_is_found_where_nobody_is_in_reach() -> None:
    clock = heard(0, 0)
    clock.advance(now(900 * S), {})
    assert clock.is_trusted
    clock.advance(now(901 * S, HOUR), {})
    assert not clock.is_trusted


def test_one_peer_that_is_wrong_too_does_not_bear_it_out_as_the_first_in_reach() -> None:
    clock = heard(-HOUR, -HOUR, -HOUR, 0, nodes=5, ahead_ms=HOUR)
    clock.advance(now(2 * S, HOUR), {5: 0})
    assert not clock.is_trusted


def test_a_start_trusts_it_once_most_nodes_are_known() -> None:
    clock = WallClock(now(0), 5, was_apart=False)
    clock.advance(now(0), {})
    assert not clock.is_trusted
    clock.advance(now(10), {2: 0})
    assert not clock.is_trusted
    clock.advance(now(20), {2: 0, 3: HOUR})
    assert clock.is_trusted


@pytest.mark.parametrize("was_apart", [False, True])
def test_a_start_that_hears_nobody_goes_by_what_the_log_says_after_a_while(was_apart: bool) -> None:
    clock = WallClock(now(0), 3, was_apart=was_apart)
    clock.advance(now(PATIENCE - 1), {})
    assert not clock.is_trusted
    clock.advance(now(PATIENCE), {})
    assert clock.is_trusted is not was_apart


def test_a_node_that_is_the_whole_cluster_trusts_its_own() -> None:
    clock = WallClock(now(0), 1, was_apart=True)
    assert clock.is_trusted
    clock.advance(now(1, HOUR), {})
    assert clock.is_trusted

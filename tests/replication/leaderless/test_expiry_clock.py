"""The expiry clock: never back, by most peers' wall clocks, and right after a restart where that can be known."""

import pytest

from trilemma.base.ids import NodeId
from trilemma.base.time import US_PER_MS, Now
from trilemma.replication.leaderless.expiry_clock import APART_US, ExpiryClock

NOON_MS = 1_700_000_000_000
S = 1_000


def now(mono_ms: int, wall_ms: int) -> Now:
    return Now(mono_ms * US_PER_MS, (NOON_MS + wall_ms) * US_PER_MS)


def apart(*offsets_ms: int) -> dict[NodeId, int]:
    """Return how far the wall clocks of n2 and so on are from the own one."""
    return dict(enumerate(offsets_ms, 2))


def test_it_begins_with_the_wall_clock_and_goes_on_by_the_monotonic_one() -> None:
    clock = ExpiryClock(0, 0, now(0, 0))
    clock.advance(now(5 * S, 5 * S), apart())
    assert clock.now_ms == NOON_MS + 5 * S


def test_a_step_of_the_own_wall_clock_moves_nothing_while_peers_disagree() -> None:
    clock = ExpiryClock(0, 0, now(0, 0), peers=(2, 3))
    clock.advance(now(S, 61 * S), apart(-60 * S, -60 * S))
    assert clock.now_ms == NOON_MS + S


def test_of_five_two_that_are_wrong_together_move_nothing_though_only_one_other_is_known() -> None:
    clock = ExpiryClock(0, 0, now(0, 0), peers=(2, 3, 4, 5))
    clock.advance(now(S, S), apart(0, 10, -10, 5))
    clock.advance(now(2 * S, 62 * S), apart(30, -60 * S))
    assert clock.now_ms == NOON_MS + 2 * S
    clock.advance(now(3 * S, 63 * S), apart(30, -60 * S, 20))
    assert clock.now_ms == NOON_MS + 63 * S


def test_a_guess_stands_until_most_members_agree() -> None:
    last_ms = NOON_MS + 10 * S
    clock = ExpiryClock(last_ms, last_ms, now(0, 30 * S), peers=(2, 3, 4, 5))
    clock.advance(now(S, 31 * S), apart(30))
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + 31 * S, NOON_MS + 11 * S)
    clock.advance(now(2 * S, 32 * S), apart(30, 20))
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + 32 * S, NOON_MS + 32 * S)


def test_it_follows_its_wall_clock_forward_where_most_peers_agree_and_never_back() -> None:
    clock = ExpiryClock(0, 0, now(0, 0))
    clock.advance(now(S, 3 * S), apart(10, -20))
    assert clock.now_ms == NOON_MS + 3 * S
    clock.advance(now(2 * S, S), apart(10, -20))
    assert clock.now_ms == NOON_MS + 4 * S


@pytest.mark.parametrize(
    ("apart_ms", "wall_now_ms", "wanted_ms"),
    [
        (0, 30 * S, 30 * S),  # it was right and is right
        (5 * S, 35 * S, 30 * S),  # it was ahead, and still is
        (5 * S, 30 * S, 25 * S),  # it was ahead and was put right: later is safe, earlier is not
        (-5 * S, 30 * S, 30 * S),  # it was behind and was put right
        (-5 * S, 25 * S, 25 * S),  # it was behind, and still is
        (60 * S, 30 * S, 10 * S),  # never back
    ],
)
def test_after_a_restart_nothing_expires_early(apart_ms: int, wall_now_ms: int, wanted_ms: int) -> None:
    """The node ended at 10 s by its expiry clock; its wall clock was `apart_ms` ahead then. It is 30 s now."""
    clock = ExpiryClock(NOON_MS + 10 * S, NOON_MS + 10 * S + apart_ms, now(0, wall_now_ms))
    assert clock.now_ms == NOON_MS + wanted_ms


def test_the_log_is_told_how_far_apart_the_clocks_are_whenever_that_changes() -> None:
    clock = ExpiryClock(0, 0, now(0, 0))
    assert clock.wants_statement(now(0, 0))
    assert not clock.wants_statement(now(0, 0))
    clock.advance(now(S, S), apart())
    assert not clock.wants_statement(now(S, S))
    step_ms = APART_US // US_PER_MS + 1
    assert clock.wants_statement(now(S, S + step_ms))
    assert not clock.wants_statement(now(S, S + step_ms))


def test_what_is_written_anyway_tells_the_log_once_a_second() -> None:
    clock = ExpiryClock(0, 0, now(0, 0))
    assert clock.wants_statement(now(0, 0), True)
    clock.advance(now(S - 1, S - 1), apart())
    assert not clock.wants_statement(now(S - 1, S - 1), True)
    clock.advance(now(S, S), apart())
    assert not clock.wants_statement(now(S, S), False)
    assert clock.wants_statement(now(S, S), True)
    assert not clock.wants_statement(now(S, S), True)


def test_what_most_members_clocks_have_passed_has_passed() -> None:
    clock = ExpiryClock(0, 0, now(0, 0), peers=(2, 3, 4, 5))
    clock.hear(2, NOON_MS + 9 * S)
    assert clock.now_ms == NOON_MS
    clock.hear(3, NOON_MS + 3 * S)
    # Two of five are ahead; one of them may be wrong, and the other one too.
    assert clock.now_ms == NOON_MS
    clock.hear(4, NOON_MS + 4 * S)
    assert clock.now_ms == NOON_MS + 3 * S
    clock.hear(3, NOON_MS + 1 * S)
    assert clock.now_ms == NOON_MS + 3 * S


@pytest.mark.parametrize(
    ("apart_ms", "wall_now_ms"),
    [
        (-5 * S, 25 * S),  # it was behind, and still is
        (5 * S, 30 * S),  # it was ahead and was put right
    ],
)
def test_after_a_restart_one_peer_bears_out_the_later_reading(apart_ms: int, wall_now_ms: int) -> None:
    clock = ExpiryClock(NOON_MS + 10 * S, NOON_MS + 10 * S + apart_ms, now(0, wall_now_ms), peers=(2, 3))
    assert clock.now_ms == NOON_MS + 25 * S
    clock.hear(2, NOON_MS + 29 * S)
    assert clock.now_ms == NOON_MS + 29 * S
    clock.advance(now(2 * S, wall_now_ms + 2 * S), apart(5 * S))
    clock.hear(2, NOON_MS + 60 * S)
    assert clock.now_ms == NOON_MS + 32 * S


def started(wall_now_ms: int, firm_ms: int | None = None) -> ExpiryClock:
    """Return a clock that ended at 10 s, agreeing with the wall clock, which shows `wall_now_ms` after the start."""
    last_ms = NOON_MS + 10 * S
    firm = None if firm_ms is None else NOON_MS + firm_ms
    return ExpiryClock(last_ms, last_ms, now(0, wall_now_ms), peers=(2, 3), firm_ms=firm)


def test_a_guess_is_shown_and_told_to_nobody_until_most_peers_bear_it_out() -> None:
    clock = started(30 * S)
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + 30 * S, NOON_MS + 10 * S)
    clock.advance(now(S, 31 * S), apart())
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + 31 * S, NOON_MS + 11 * S)
    clock.advance(now(2 * S, 32 * S), apart(20))
    assert clock.now_ms == clock.firm_ms == NOON_MS + 32 * S


def test_a_start_with_a_wall_clock_that_is_ahead_is_put_right_by_the_others() -> None:
    """Once found by seed 26 on `ap`: a step, a crash at that moment, and deadlines that came too early ever after."""
    clock = started(90 * S)
    clock.advance(now(S, 91 * S), apart(-60 * S))
    assert clock.now_ms == NOON_MS + 91 * S
    clock.hear(2, NOON_MS + 31 * S)
    clock.advance(now(2 * S, 92 * S), apart(-60 * S))
    assert clock.now_ms == clock.firm_ms == NOON_MS + 32 * S


def test_a_fresh_node_with_a_wrong_wall_clock_is_put_right_too() -> None:
    clock = ExpiryClock(0, 0, now(0, 90 * S), peers=(2, 3))
    clock.hear(2, NOON_MS + 31 * S)
    clock.hear(3, NOON_MS + 31 * S)
    clock.advance(now(S, 91 * S), apart(-60 * S, -60 * S))
    assert clock.now_ms == NOON_MS + 32 * S


def test_what_was_a_guess_before_a_second_start_is_one_after_it() -> None:
    clock = started(30 * S, firm_ms=4 * S)
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + 30 * S, NOON_MS + 4 * S)


def test_one_that_is_alone_needs_nobody_to_bear_it_out() -> None:
    clock = ExpiryClock(NOON_MS, NOON_MS, now(0, 30 * S))
    assert clock.now_ms == clock.firm_ms == NOON_MS + 30 * S


def test_one_peer_of_two_that_is_ahead_moves_nothing() -> None:
    clock = ExpiryClock(0, 0, now(0, 0), peers=(2, 3))
    clock.hear(2, NOON_MS + 9 * S)
    clock.hear(3, NOON_MS - 9 * S)
    assert clock.now_ms == NOON_MS


@pytest.mark.parametrize(("own_s", "offsets_s"), [(0, [2, 4]), (2, [-2, 2]), (4, [-4, -2])])
def test_where_clocks_are_apart_at_first_all_members_show_their_median(own_s: int, offsets_s: list[int]) -> None:
    """Once the guess was dropped with nothing firm behind it, and the clock counted from 1970."""
    clock = ExpiryClock(0, 0, now(0, own_s * S), peers=(2, 3))
    clock.hear(2, 0)
    clock.hear(3, 0)
    clock.advance(now(S, (own_s + 1) * S), apart(*(each * S for each in offsets_s)))
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + 3 * S, 0)
    clock.advance(now(9 * S, (own_s + 9) * S), apart(*(each * S + 20 for each in offsets_s)))
    assert clock.now_ms - NOON_MS - 11 * S in range(21)


def test_of_two_clocks_that_are_apart_at_the_beginning_the_lower_one_counts() -> None:
    low, high = ExpiryClock(0, 0, now(0, 0), peers=(2,)), ExpiryClock(0, 0, now(0, 60 * S), peers=(2,))
    low.advance(now(S, S), apart(60 * S))
    high.advance(now(S, 61 * S), apart(-60 * S))
    assert low.now_ms == high.now_ms == NOON_MS + S


def test_the_first_firm_time_is_the_one_that_most_agree_on_though_the_guess_was_ahead() -> None:
    clock = ExpiryClock(0, 0, now(0, 4 * S), peers=(2, 3))
    clock.advance(now(S, 5 * S), apart(-2 * S, 2 * S))
    assert clock.now_ms == NOON_MS + 5 * S
    clock.advance(now(2 * S, 2 * S), apart(10, -10))
    assert clock.now_ms == clock.firm_ms == NOON_MS + 2 * S


def test_a_guess_that_is_hardly_ahead_does_not_go_back_when_it_becomes_firm() -> None:
    clock = ExpiryClock(0, 0, now(0, 0), peers=(2, 3))
    clock.advance(now(S, S - 300), apart(10, -10))
    assert clock.now_ms == clock.firm_ms == NOON_MS + S


def test_a_guess_far_ahead_that_outlived_a_restart_is_put_right_by_most_peers() -> None:
    """It was written down while the wall clock was a minute ahead and no peer was known."""
    clock = ExpiryClock(NOON_MS + 60 * S, NOON_MS + 60 * S, now(0, 5 * S), peers=(2, 3), firm_ms=NOON_MS)
    clock.advance(now(S, 6 * S), apart(10, -10))
    assert clock.now_ms == clock.firm_ms == NOON_MS + 6 * S


def test_what_is_not_known_yet_brings_no_firm_time() -> None:
    clock = ExpiryClock(0, 0, now(0, 0), peers=(2, 3))
    clock.hear(2, 0)
    clock.advance(now(5 * S, 5 * S), apart())
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + 5 * S, 0)


def test_a_node_that_is_no_member_bears_no_wall_clock_out_against_most_members() -> None:
    clock = ExpiryClock(0, 0, now(0, 0), peers=(2, 3), nodes=5)
    clock.advance(now(S, S), {2: 10, 3: -10, 4: 0, 5: 0})
    clock.advance(now(2 * S, 3602 * S), {2: -3600 * S, 3: -3600 * S, 4: 0, 5: 0})
    assert clock.now_ms == clock.firm_ms == NOON_MS + 2 * S


def test_two_of_three_members_that_are_wrong_alike_move_nothing_while_most_nodes_disagree() -> None:
    clock = ExpiryClock(0, 0, now(0, 0), peers=(2, 3), nodes=5)
    clock.advance(now(S, S), {2: 10, 3: -10, 4: 0, 5: 0})
    clock.advance(now(2 * S, 3602 * S), {2: 0, 3: -3600 * S, 4: -3600 * S, 5: -3600 * S})
    assert clock.now_ms == clock.firm_ms == NOON_MS + 2 * S


def lone(wall_now_ms: int) -> ExpiryClock:
    """Return the only member's clock, of three nodes, after a start: it ended at 10 s, agreeing with the wall clock."""
    return ExpiryClock(NOON_MS + 10 * S, NOON_MS + 10 * S, now(0, wall_now_ms), nodes=3)


def test_the_only_members_clock_follows_the_wall_clock_where_most_nodes_agree_and_else_none() -> None:
    clock = lone(30 * S)
    clock.advance(now(S, 31 * S), apart(10))
    assert clock.now_ms == clock.firm_ms == NOON_MS + 31 * S
    clock.advance(now(2 * S, 92 * S), apart(-60 * S, -60 * S))
    clock.advance(now(3 * S, 93 * S), apart(-60 * S))
    assert clock.now_ms == clock.firm_ms == NOON_MS + 33 * S


def test_the_only_member_goes_on_by_its_guess_where_nobody_is_in_reach_and_where_one_against_one_stands() -> None:
    clock = lone(30 * S)
    clock.advance(now(S, 31 * S), apart())
    clock.advance(now(2 * S, 32 * S), apart(-60 * S))
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + 32 * S, NOON_MS + 12 * S)


@pytest.mark.parametrize("wrong_s", [60, -15])
def test_most_nodes_wall_clocks_put_right_the_only_members_guess_at_a_start_with_a_wrong_one(wrong_s: int) -> None:
    clock = lone((30 + wrong_s) * S)
    clock.advance(now(S, (31 + wrong_s) * S), apart(-wrong_s * S, -wrong_s * S - 20))
    assert clock.now_ms - NOON_MS - 31 * S in range(-20, 1)
    assert clock.firm_ms == NOON_MS + 11 * S
    clock.advance(now(2 * S, 32 * S), apart(0, -20))
    assert clock.now_ms == clock.firm_ms == NOON_MS + 32 * S


def test_a_shard_with_one_member_begins_with_most_nodes_time() -> None:
    clock = ExpiryClock(0, 0, now(0, 60 * S), nodes=3)
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + 60 * S, 0)
    clock.advance(now(S, 61 * S), apart(-60 * S, -60 * S))
    assert (clock.now_ms, clock.firm_ms) == (NOON_MS + S, 0)

"""Log time is a leader's to make; a follower that is ahead of it comes back to it, without ever going back itself."""

from itertools import pairwise

from trilemma.base.time import US_PER_S, Now
from trilemma.replication.raft.log_time import SLEW_DIVISOR, LogTime

WALL_US = 1_700_000_000 * US_PER_S
START_MS = WALL_US // 1_000


def at(elapsed_us: int) -> Now:
    return Now(elapsed_us, WALL_US + elapsed_us)


def follower(stamp_ms: int = START_MS) -> LogTime:
    made = LogTime(0, at(0))
    made.hear(stamp_ms)
    return made


def test_a_follower_that_is_behind_takes_what_it_hears() -> None:
    clock = follower()
    clock.hear(START_MS + 500)
    assert clock.now_ms == START_MS + 500


def test_a_follower_whose_leader_slews_back_comes_down_to_it_by_a_tenth_and_never_goes_back() -> None:
    clock = follower(START_MS + 1_000)
    clock.hear(START_MS)
    shown = [clock.now_ms]
    for second in range(1, 2 * SLEW_DIVISOR):
        clock.advance(at(second * US_PER_S))
        clock.hear(START_MS + second * 1_000)
        shown.append(clock.now_ms)
    steps = [later - sooner for sooner, later in pairwise(shown)]
    assert steps[:SLEW_DIVISOR] == [900] * SLEW_DIVISOR
    assert set(steps[SLEW_DIVISOR:]) == {1_000}
    assert shown[-1] == START_MS + (2 * SLEW_DIVISOR - 1) * 1_000


def test_who_is_elected_goes_on_from_what_it_shows_whatever_its_voters_are_ahead_by() -> None:
    clock = follower()
    clock.advance(at(US_PER_S))
    clock.hear_voter(START_MS + 11_000)
    clock.lead(at(US_PER_S))
    assert clock.now_ms == START_MS + 1_000


def test_who_has_just_started_takes_the_most_that_a_voter_knows_and_not_its_wall_clock() -> None:
    clock = LogTime(START_MS - 5_000, at(0))
    for stamp_ms in (START_MS - 2_000, START_MS - 1_000, START_MS - 3_000):
        clock.hear_voter(stamp_ms)
    assert clock.heard_ms == START_MS - 1_000
    clock.lead(at(0))
    assert clock.now_ms == START_MS - 1_000

"""The hybrid logical clock."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from trilemma.base.hlc import LOGICAL_BITS, HybridLogicalClock, stamp_ms


@given(st.lists(st.one_of(st.integers(0, 2**41), st.none()), min_size=2))
def test_stamps_grow_whatever_the_wall_clock_does(walls: list[int | None]) -> None:
    clock = HybridLogicalClock()
    stamps = [clock.tick(wall) for wall in walls]
    assert all(earlier < later for earlier, later in itertools.pairwise(stamps))


@given(st.integers(0, 2**60), st.integers(0, 2**41))
def test_a_stamp_grows_past_every_stamp_observed(seen: int, wall: int) -> None:
    clock = HybridLogicalClock()
    clock.observe(seen)
    assert clock.tick(wall) > seen


def test_a_stamp_carries_the_wall_clock_when_that_is_ahead() -> None:
    assert stamp_ms(HybridLogicalClock().tick(1_700_000_000_000)) == 1_700_000_000_000


def test_a_full_counter_carries_into_the_milliseconds() -> None:
    clock = HybridLogicalClock((5 << LOGICAL_BITS) | ((1 << LOGICAL_BITS) - 1))
    assert stamp_ms(clock.tick(0)) == 6

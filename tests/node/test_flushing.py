"""When rows are flushed: by bytes, by age, soon after a start, at a transfer's wish; one at a time."""

from trilemma.node.flushing import FIRST_FLUSH_US, FLUSH_LOG_BYTES, FLUSH_US, Flushing

HUGE = 1 << 40


def test_nothing_is_flushed_where_nothing_was_written() -> None:
    flushing = Flushing(HUGE, 0, has_recovered=False)
    assert flushing.begin(10 * FLUSH_US, 0, False) == 0
    assert flushing.next_deadline_us is None


def test_so_many_bytes_are_flushed_at_once() -> None:
    flushing = Flushing(HUGE, 0, has_recovered=False)
    assert flushing.begin(0, FLUSH_LOG_BYTES - 1, False) == 0
    token = flushing.begin(0, FLUSH_LOG_BYTES, False)
    assert token
    assert flushing.begin(0, 3 * FLUSH_LOG_BYTES, False) == 0
    assert not flushing.done(token - 1)
    assert flushing.done(token)
    assert flushing.begin(0, 3 * FLUSH_LOG_BYTES, False) == token + 1


def test_a_small_segment_is_flushed_before_it_is_full() -> None:
    flushing = Flushing(4_000, 0, has_recovered=False)
    assert flushing.begin(0, 2_999, False) == 0
    assert flushing.begin(0, 3_000, False)


def test_a_write_is_flushed_when_it_is_old() -> None:
    flushing = Flushing(HUGE, 0, has_recovered=False)
    assert flushing.begin(5, 1, False) == 0
    assert flushing.next_deadline_us == 5 + FLUSH_US
    assert flushing.begin(4 + FLUSH_US, 2, False) == 0
    token = flushing.begin(5 + FLUSH_US, 2, False)
    assert token
    assert flushing.next_deadline_us is None
    flushing.done(token)
    assert flushing.begin(9 * FLUSH_US, 2, False) == 0


def test_what_a_start_replayed_is_flushed_soon() -> None:
    flushing = Flushing(HUGE, 7, has_recovered=True)
    assert flushing.begin(7, 0, False) == 0
    assert flushing.next_deadline_us == 7 + FIRST_FLUSH_US
    assert flushing.begin(7 + FIRST_FLUSH_US, 0, False)


def test_a_transfer_is_flushed_at_once() -> None:
    assert Flushing(HUGE, 0, has_recovered=False).begin(0, 0, True)

"""Streams of forwarded batches: in sequence, at most once, whatever the network does (PROTOCOLS §1.4)."""

import random

import pytest

from trilemma.cluster import stream
from trilemma.cluster.messages import Forward
from trilemma.cluster.stream import RESEND_BYTES, RESEND_US, STREAM_WINDOW, InStream, OutStream, done


def out_stream() -> OutStream:
    return OutStream(origin=3, origin_start=1, executor=1, shard=1024, epoch=7)


def bodies(batches: list[Forward]) -> list[bytes | None]:
    return [batch.body for batch in batches]


def test_batches_come_out_in_sequence_whatever_order_they_arrive_in() -> None:
    out, into = out_stream(), InStream()
    first, second, third = (out.push(body, 0, 0) for body in (b"a", b"b", b"c"))
    assert into.take(third) == ([], None)
    assert into.take(second) == ([], None)
    assert bodies(into.take(first)[0]) == [b"a", b"b", b"c"]


def test_a_repeat_gets_the_kept_reply_and_is_not_executed_again() -> None:
    out, into = out_stream(), InStream()
    batch = out.push(b"a", 0, 0)
    assert bodies(into.take(batch)[0]) == [b"a"]
    assert into.take(batch) == ([], None)
    reply = done(batch, b"OK")
    into.keep(reply, 5)
    assert into.take(batch) == ([], (reply, 5))


def test_a_kept_reply_goes_once_the_origin_says_that_it_has_it() -> None:
    out, into = out_stream(), InStream()
    first = out.push(b"a", 0, 0)
    into.take(first)
    into.keep(done(first, b"OK"), 0)
    out.answered(first.sequence)
    into.take(out.push(b"b", 0, 0))
    assert into.take(first) == ([], None)


def test_a_void_uses_up_its_number_so_that_later_batches_go_on() -> None:
    out, into = out_stream(), InStream()
    lost, later = out.push(b"a", 0, 0), out.push(b"b", 0, 0)
    out.void(lost.sequence)
    into.take(later)
    voids = [frame for frame in out.due(RESEND_US) if frame.sequence == lost.sequence]
    assert bodies(into.take(voids[0])[0]) == [None, b"b"]


def test_a_late_original_behind_its_void_is_not_executed() -> None:
    out, into = out_stream(), InStream()
    original = out.push(b"a", 0, 0)
    out.void(original.sequence)
    (void,) = out.due(RESEND_US)
    into.take(void)
    assert into.take(original) == ([], None)


def test_a_void_takes_the_place_of_its_original_that_was_early() -> None:
    out, into = out_stream(), InStream()
    first, early = out.push(b"a", 0, 0), out.push(b"b", 0, 0)
    into.take(early)
    out.void(early.sequence)
    (void,) = [frame for frame in out.due(RESEND_US) if frame.sequence == early.sequence]
    assert into.take(void) == ([], None)
    assert bodies(into.take(first)[0]) == [b"a", None]


def test_a_void_reaches_what_was_handed_out_and_is_acknowledged_at_once() -> None:
    out, into = out_stream(), InStream()
    batch = out.push(b"a", 0, 0)
    into.take(batch)
    withdrawn: list[str] = []
    into.begin(batch.sequence, lambda: withdrawn.append("a"))
    out.void(batch.sequence)
    (void,) = out.due(RESEND_US)
    for _ in range(2):
        ready, answer = into.take(void)
        assert ready == []
        assert answer is not None
        assert (answer[0].sequence, answer[0].outcome, answer[0].replies, answer[1]) == (1, "done", b"", 0)
    assert withdrawn == ["a"]


def test_a_void_drops_the_reply_that_was_kept_though_it_waits_for_the_disk() -> None:
    out, into = out_stream(), InStream()
    batch = out.push(b"a", 0, 0)
    into.take(batch)
    into.keep(done(batch, b"OK"), 5)
    into.hold(batch.sequence)
    out.void(batch.sequence)
    (void,) = out.due(RESEND_US)
    into.take(void)
    assert not into.holds
    assert into.release(5) == []
    assert into._kept == {}
    assert into._bytes == 0


def test_what_was_voided_takes_up_room_until_its_executor_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It freed the room at once, so that an executor that did not come to it was sent more and more."""
    monkeypatch.setattr(stream, "STREAM_BYTES_MAX", 10)
    out = out_stream()
    batch = out.push(b"x" * 10, 0, 0)
    out.void(batch.sequence)
    assert not out.has_room
    out.answered(batch.sequence)
    assert out.has_room


def test_a_stream_that_falls_idle_says_once_that_all_replies_have_arrived() -> None:
    out, into = out_stream(), InStream()
    batch = out.push(b"a", 0, 0)
    into.take(batch)
    into.keep(done(batch, b"OK"), 0)
    out.answered(batch.sequence)
    assert not out.is_idle
    assert list(out.due(RESEND_US - 1)) == []
    (word,) = out.due(RESEND_US)
    assert bodies(into.take(word)[0]) == [None]
    assert into._kept == {}
    assert [frame.sequence for frame in out.due(2 * RESEND_US)] == [word.sequence]
    out.answered(word.sequence)
    assert out.is_idle
    assert list(out.due(9 * RESEND_US)) == []


def test_beyond_the_bound_the_oldest_replies_go_and_are_lost_to_who_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEPT_BYTES_MAX", 2_000)
    out, into = out_stream(), InStream()
    batches = [out.push(b"a", 0, 0) for _ in range(3)]
    replies = [done(batch, b"x" * size) for batch, size in zip(batches, (1_000, 1_000, 5_000), strict=True)]
    for batch, reply, token in zip(batches, replies, (7, 8, 9), strict=True):
        into.take(batch)
        into.keep(reply, token)
    assert into.take(batches[2]) == ([], (replies[2], 9))
    for batch in batches[:2]:
        answer = into.take(batch)[1]
        assert answer is not None
        assert (answer[0].outcome, answer[1]) == ("lost", 8)


def test_the_window_bounds_what_is_unanswered_and_what_is_held_early() -> None:
    out, into = out_stream(), InStream()
    frames = [out.push(b"x", 0, 0) for _ in range(STREAM_WINDOW)]
    assert not out.has_room
    beyond = Forward(3, 1, 1, 1024, 7, STREAM_WINDOW + 1, 0, 0, b"far")
    assert into.take(beyond) == ([], None)
    for frame in frames:
        into.take(frame)
    assert bodies(into.take(beyond)[0]) == [b"far"]


@pytest.mark.parametrize("seed", range(50))
def test_every_batch_is_executed_exactly_once_in_order_under_loss_and_repeats(seed: int) -> None:
    draw = random.Random(seed)
    out, into = out_stream(), InStream()
    executed: list[bytes | None] = []
    now = 0
    waiting = [b"%d" % number for number in range(40)]
    sent = list(waiting)
    while waiting or not out.is_idle:
        now += RESEND_US
        frames = list(out.due(now))
        if waiting and draw.random() < 0.7:
            frames.append(out.push(waiting.pop(0), 0, now))
        frames.extend(draw.choices(frames, k=draw.randint(0, 2)) if frames else [])
        draw.shuffle(frames)
        for frame in frames:
            if draw.random() < 0.4:
                continue
            ready, kept = into.take(frame)
            executed.extend(body for body in bodies(ready) if body is not None)
            for batch in ready:
                into.keep(done(batch, b""), 0)
            if draw.random() < 0.6 and (ready or kept is not None):
                out.answered(frame.sequence if kept is not None else ready[0].sequence)
    assert executed == sent


def test_what_is_large_is_sent_again_less_and_less_often() -> None:
    out = out_stream()
    out.push(b"x" * RESEND_BYTES, 1, 0)
    out.push(b"y", 1, 0)
    sent: dict[int, list[int]] = {1: [], 2: []}
    for mono_us in range(0, 3_000_001, 50_000):
        for forward in out.due(mono_us):
            sent[forward.sequence].append(mono_us)
    assert sent[1] == [150_000, 450_000, 1_050_000, 2_250_000]
    assert sent[2] == list(range(150_000, 3_000_001, 150_000))


def test_a_void_is_said_soon_however_rarely_its_batch_was_sent_again() -> None:
    out = out_stream()
    out.push(b"x" * RESEND_BYTES, 0, 0)
    times_us = range(0, 3_000_001, 50_000)
    assert [time_us for time_us in times_us if [*out.due(time_us)]][-1] == 2_250_000
    out.void(1)
    later_us = range(3_050_000, 3_500_001, 50_000)
    assert [time_us for time_us in later_us if [*out.due(time_us)]] == [3_050_000, 3_200_000, 3_350_000, 3_500_000]


def test_a_large_reply_is_sent_again_less_and_less_often() -> None:
    out, into = out_stream(), InStream()
    large, small = (done(out.push(b"a", 0, 0), replies) for replies in (b"x" * RESEND_BYTES, b"y"))
    assert [into.leaves_again(large) for _ in range(8)] == [True, True, False, True, False, False, False, True]
    assert [place for place in range(9, 33) if into.leaves_again(large)] == [16, 24, 32]
    assert all(into.leaves_again(small) for _ in range(8))

"""Streams of forwarded batches: in sequence, at most once, whatever the network does (PROTOCOLS §1.4)."""

import random

import pytest

from trilemma.cluster.messages import Forward
from trilemma.cluster.stream import RESEND_US, STREAM_WINDOW, InStream, OutStream, done


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
            executed.extend(bodies(ready))
            for batch in ready:
                into.keep(done(batch, b""), 0)
            if draw.random() < 0.6 and (ready or kept is not None):
                out.answered(frame.sequence if kept is not None else ready[0].sequence)
    assert executed == sent

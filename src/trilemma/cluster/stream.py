"""Streams of forwarded batches: in sequence, at most once, refused only by who can (PROTOCOLS §1.4).

`OutStream` is the origin's side, `InStream` the executor's, one each per (origin's start, shard, epoch). The origin
repeats a batch unchanged until it is answered, by whatever path; a batch that timed out goes on as a void, because the
numbers behind it wait for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.limits import MIB, limit
from trilemma.cluster.messages import Forward, ForwardReply

RESEND_US = 150_000
"""How long an unanswered batch waits before it is sent again; a few round trips of a slow link."""

STREAM_WINDOW = limit(
    "forward_window", 256, "batches", "early batches are held in the executor's memory", "CLUSTERDOWN … busy"
)
STREAM_BYTES_MAX = limit(
    "forward_window_bytes",
    32 * MIB,
    "bytes per shard and executor",
    "what is not answered is held in memory at both ends, and is sent again",
    "the rest waits where it came from",
)


@dataclass(slots=True)
class _Unanswered:
    body: bytes | None
    catalogue: int
    sent_us: int


class OutStream:
    """The origin's side of a stream to one executor in one epoch."""

    def __init__(self, origin: NodeId, origin_start: int, executor: NodeId, shard: ShardId, epoch: int) -> None:
        self.executor = executor
        self.shard = shard
        self.epoch = epoch
        self._origin = origin
        self._origin_start = origin_start
        self._next = 1
        self._unanswered: dict[int, _Unanswered] = {}
        self._bytes = 0
        """Of the bodies in `_unanswered`."""

    @property
    def has_room(self) -> bool:
        """Say whether another batch may be sent now."""
        return len(self._unanswered) < STREAM_WINDOW and self._bytes < STREAM_BYTES_MAX

    @property
    def is_idle(self) -> bool:
        """Say whether every batch has been answered."""
        return not self._unanswered

    def push(self, body: bytes, catalogue: int, mono_us: int) -> Forward:
        """Number a batch, which was routed by a version of the catalogue, and return its frame."""
        sequence = self._next
        self._next += 1
        self._bytes += len(body)
        batch = self._unanswered[sequence] = _Unanswered(body, catalogue, mono_us)
        return self._frame(sequence, batch)

    def void(self, sequence: int) -> None:
        """Stop wanting a batch; its number is repeated as a void until acknowledged."""
        batch = self._unanswered.get(sequence)
        if batch is not None and batch.body is not None:
            self._bytes -= len(batch.body)
            batch.body = None

    def answered(self, sequence: int) -> None:
        """Forget a batch that was answered."""
        batch = self._unanswered.pop(sequence, None)
        if batch is not None and batch.body is not None:
            self._bytes -= len(batch.body)

    def due(self, mono_us: int) -> Iterable[Forward]:
        """Yield the frames to send again now."""
        for sequence, batch in self._unanswered.items():
            if mono_us - batch.sent_us >= RESEND_US:
                batch.sent_us = mono_us
                yield self._frame(sequence, batch)

    @property
    def next_deadline_us(self) -> int | None:
        """When `due` next has something to yield, or None."""
        return min((batch.sent_us for batch in self._unanswered.values()), default=None)

    def _frame(self, sequence: int, batch: _Unanswered) -> Forward:
        return Forward(
            origin=self._origin,
            origin_start=self._origin_start,
            executor=self.executor,
            shard=self.shard,
            epoch=self.epoch,
            sequence=sequence,
            answered=min(self._unanswered, default=self._next) - 1,
            catalogue=batch.catalogue,
            body=batch.body,
        )


class InStream:
    """The executor's side: hands out each number once, in order, and keeps replies until the origin has them.

    Outlives the executor's epoch: a number that was handed out is never refused afterwards.
    """

    def __init__(self) -> None:
        self._expected = 1
        self._early: dict[int, Forward] = {}
        self._kept: dict[int, tuple[ForwardReply, int]] = {}

    def take(self, forward: Forward) -> tuple[list[Forward], tuple[ForwardReply, int] | None]:
        """Take in a frame; return the batches to execute now, in order, and a kept reply to send again with the token
        that it waits for."""
        self._forget(forward.answered)
        if forward.sequence < self._expected:
            return [], self._kept.get(forward.sequence)
        if forward.sequence - self._expected < STREAM_WINDOW:
            self._early.setdefault(forward.sequence, forward)
        return self._in_order(), None

    def _in_order(self) -> list[Forward]:
        ready = []
        while (forward := self._early.pop(self._expected, None)) is not None:
            self._expected += 1
            ready.append(forward)
        return ready

    def keep(self, reply: ForwardReply, token: int) -> None:
        """Keep a reply until the origin says that it has it. No copy of it may leave before `token` is durable: the
        disk may be slower than the origin is in asking again."""
        self._kept[reply.sequence] = reply, token

    def _forget(self, answered: int) -> None:
        for sequence in [sequence for sequence in self._kept if sequence <= answered]:
            del self._kept[sequence]


def refused(forward: Forward, reason: str) -> ForwardReply:
    """Return the answer that a batch did not happen and never will."""
    return _answer(forward, "refused", reason)


def lost(forward: Forward, reason: str) -> ForwardReply:
    """Return the answer that the executor cannot tell what became of a batch."""
    return _answer(forward, "lost", reason)


def done(forward: Forward, replies: bytes) -> ForwardReply:
    """Return the answer of a batch that was carried out."""
    return _answer(forward, "done", "", replies)


def _answer(forward: Forward, outcome: str, reason: str, replies: bytes = b"") -> ForwardReply:
    return ForwardReply(
        origin=forward.origin,
        origin_start=forward.origin_start,
        shard=forward.shard,
        epoch=forward.epoch,
        sequence=forward.sequence,
        outcome=outcome,
        replies=replies,
        reason=reason,
    )

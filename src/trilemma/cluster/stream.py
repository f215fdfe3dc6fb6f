"""Streams of forwarded batches: in sequence, at most once, refused only by who can (PROTOCOLS §1.4).

`OutStream` is the origin's side, `InStream` the executor's, one each per (origin's start, shard, epoch). The origin
repeats a batch unchanged until it is answered, by whatever path; a batch that timed out goes on as a void, because the
numbers behind it wait for it, and because the executor need not begin what nobody waits for. Once all is answered, and
nothing more comes for a while, one more void tells the executor so: it keeps replies until then.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.limits import KIB, MIB, limit
from trilemma.cluster.messages import Forward, ForwardReply

RESEND_US = 150_000
"""How long an unanswered batch waits before it is sent again; a few round trips of a slow link."""

RESEND_BYTES = 64 * KIB
RESEND_US_MAX = 1_200_000
"""So much is sent again after twice as long each time, up to this: whoever is behind, with its disk or on its link, is
not helped by more of the same."""

STREAM_WINDOW = limit(
    "forward_window", 256, "batches", "early batches are held in the executor's memory", "CLUSTERDOWN … busy"
)
STREAM_BYTES_MAX = limit(
    "forward_window_bytes",
    32 * MIB,
    "bytes per shard and executor",
    "what is not answered, or not known to be withdrawn, is held in memory at both ends, and is sent again",
    "the rest waits where it came from",
)
KEPT_BYTES_MAX = limit(
    "forward_kept_bytes_max",
    64 * MIB,
    "bytes per stream",
    "replies are kept at their executor until their origin has them, also where it never comes back",
    "the oldest go, not the newest one; where one is asked for again, writes are UNCERTAIN and reads carried out anew",
)
REPLY_OVERHEAD_BYTES = 400
"""What a kept reply costs beside what it says; only used to decide when too much is kept."""


@dataclass(slots=True)
class _Unanswered:
    body: bytes | None
    size: int
    """Bytes of what was sent, also where it is a void by now: the executor may hold it until it answers."""
    catalogue: int
    sent_us: int
    wait_us: int = RESEND_US
    """How long it waits for its answer until it is sent again."""


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
        """Sizes in `_unanswered`."""
        self._pushed_us = 0
        """When the newest batch was sent first."""
        self._owes_word = False
        """Whether the executor may keep replies of which it was not told that they have arrived."""

    @property
    def has_room(self) -> bool:
        """Say whether another batch may be sent now."""
        return len(self._unanswered) < STREAM_WINDOW and self._bytes < STREAM_BYTES_MAX

    @property
    def is_idle(self) -> bool:
        """Say whether every batch has been answered, and the executor knows it."""
        return not self._unanswered and not self._owes_word

    def push(self, body: bytes, catalogue: int, mono_us: int) -> Forward:
        """Number a batch, which was routed by a version of the catalogue, and return its frame."""
        self._owes_word = True
        self._pushed_us = mono_us
        return self._push(_Unanswered(body, len(body), catalogue, mono_us))

    def _push(self, batch: _Unanswered) -> Forward:
        sequence = self._next
        self._next += 1
        self._bytes += batch.size
        self._unanswered[sequence] = batch
        return self._frame(sequence, batch)

    def void(self, sequence: int) -> None:
        """Stop wanting a batch; its number is repeated as a void until acknowledged.

        The executor may hold it until it knows: it takes up as much room as before. So it is to know soon, and a void
        is small.
        """
        batch = self._unanswered.get(sequence)
        if batch is not None and batch.body is not None:
            batch.body = None
            batch.wait_us = RESEND_US

    def answered(self, sequence: int) -> None:
        """Forget a batch that was answered."""
        batch = self._unanswered.pop(sequence, None)
        if batch is not None:
            self._bytes -= batch.size

    def due(self, mono_us: int) -> Iterable[Forward]:
        """Yield the frames to send again now; on a stream that has fallen idle, the word that all has arrived."""
        if self._owes_word and not self._unanswered and mono_us - self._pushed_us >= RESEND_US:
            self._owes_word = False
            yield self._push(_Unanswered(None, 0, 0, mono_us))
            return
        for sequence, batch in self._unanswered.items():
            if mono_us - batch.sent_us >= batch.wait_us:
                batch.sent_us = mono_us
                if batch.body is not None and len(batch.body) >= RESEND_BYTES:
                    batch.wait_us = min(2 * batch.wait_us, RESEND_US_MAX)
                yield self._frame(sequence, batch)

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

    Outlives the executor's epoch: a number that was handed out is never refused afterwards. Of one that was handed out
    either it runs, or its reply is kept, or its origin has said that it has it, or does not want it any more, or its
    reply was dropped because too much was kept.
    """

    def __init__(self) -> None:
        self._expected = 1
        self._early: dict[int, Forward] = {}
        self._answered = 0
        """The origin has the replies to all numbers up to this one."""
        self._running: dict[int, Callable[[], None] | None] = {}
        """What was handed out and has no reply yet, with what withdraws it."""
        self._kept: dict[int, tuple[ForwardReply, int]] = {}
        """Replies with the tokens that they wait for, the oldest first."""
        self._bytes = 0
        """Of `_kept`."""
        self._held: dict[int, None] = {}
        """Of `_kept`: what has not left yet."""
        self._repeats: dict[int, int] = {}
        """How often a large one of `_kept` was asked for again."""
        self._dropped_token = 0
        """The highest token of a reply that was dropped because too much was kept."""

    def take(self, forward: Forward) -> tuple[list[Forward], tuple[ForwardReply, int] | None]:
        """Take in a frame; return the batches to execute now, in order, and a kept reply to send again with the token
        that it waits for. A void of a number that was handed out withdraws it, and is answered as such at once."""
        self._forget(forward.answered)
        sequence = forward.sequence
        if sequence < self._expected:
            return [], (self._withdraw(forward) if forward.body is None else self._again(forward))
        if sequence - self._expected < STREAM_WINDOW and (forward.body is None or sequence not in self._early):
            self._early[sequence] = forward
        return self._in_order(), None

    def _in_order(self) -> list[Forward]:
        ready = []
        while (forward := self._early.pop(self._expected, None)) is not None:
            self._running[self._expected] = None
            self._expected += 1
            ready.append(forward)
        return ready

    def _withdraw(self, void: Forward) -> tuple[ForwardReply, int]:
        self._drop(void.sequence)
        withdraw = self._running.pop(void.sequence, None)
        if withdraw is not None:
            withdraw()
        return withdrawn(void), 0

    def _again(self, forward: Forward) -> tuple[ForwardReply, int] | None:
        sequence = forward.sequence
        kept = self._kept.get(sequence)
        if kept is not None or sequence in self._running or sequence <= self._answered:
            return kept
        return lost(forward, "its reply was not kept, as too much was"), self._dropped_token

    def leaves_again(self, reply: ForwardReply) -> bool:
        """Say whether a reply that may leave is sent again now that it is asked for; a large one only at the first
        repeat, the second, the fourth, and every eighth."""
        if len(reply.replies) < RESEND_BYTES:
            return True
        times = self._repeats[reply.sequence] = self._repeats.get(reply.sequence, 0) + 1
        return times & (times - 1) == 0 or times % (RESEND_US_MAX // RESEND_US) == 0

    def begin(self, sequence: int, withdraw: Callable[[], None]) -> None:
        """Take note that a number that was handed out is being carried out; `withdraw` is called where its origin does
        not want it any more: then no reply of it is kept."""
        self._running[sequence] = withdraw

    def keep(self, reply: ForwardReply, token: int) -> None:
        """Keep a reply until the origin says that it has it. No copy of it may leave before `token` is durable: the
        disk may be slower than the origin is in asking again."""
        self._running.pop(reply.sequence, None)
        self._kept[reply.sequence] = reply, token
        self._bytes += _weight(reply)
        while self._bytes > KEPT_BYTES_MAX and len(self._kept) > 1:
            oldest, (_, waits_for) = next(iter(self._kept.items()))
            self._dropped_token = max(self._dropped_token, waits_for)
            self._drop(oldest)

    def hold(self, sequence: int) -> None:
        """Take note that a kept reply has not left yet, because of its token."""
        if sequence in self._kept:
            self._held[sequence] = None

    def release(self, durable: int) -> list[ForwardReply]:
        """Return the kept replies that may leave for the first time, now that a token is durable."""
        due = [sequence for sequence in self._held if self._kept[sequence][1] <= durable]
        for sequence in due:
            del self._held[sequence]
        return [self._kept[sequence][0] for sequence in due]

    @property
    def holds(self) -> bool:
        """Say whether some reply has not left yet."""
        return bool(self._held)

    @property
    def owes(self) -> bool:
        """Say whether something that came has no reply yet, or one that has not left."""
        return bool(self._running or self._held or self._early)

    def end(self) -> None:
        """Withdraw all that has no reply yet: its origin is no more."""
        running, self._running = self._running, {}
        for withdraw in running.values():
            if withdraw is not None:
                withdraw()

    def _forget(self, answered: int) -> None:
        self._answered = max(self._answered, answered)
        for sequence in [sequence for sequence in self._kept if sequence <= answered]:
            self._drop(sequence)

    def _drop(self, sequence: int) -> None:
        kept = self._kept.pop(sequence, None)
        if kept is not None:
            self._bytes -= _weight(kept[0])
            self._held.pop(sequence, None)
            self._repeats.pop(sequence, None)


def _weight(reply: ForwardReply) -> int:
    return len(reply.replies) + REPLY_OVERHEAD_BYTES


def withdrawn(void: Forward) -> ForwardReply:
    """Return the answer to a void: its number is used up, and nobody waits for what it was."""
    return done(void, b"")


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

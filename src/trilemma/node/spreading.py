"""Writes of an `ap` shard that wait until as many replicas hold them as WRITE names.

Owns their results and how long each waits. A write that waited too long did happen, and will spread: its answer is
UNCERTAIN, and says on how many replicas it is. Does not know how batches spread.
"""

from collections.abc import Callable
from dataclasses import dataclass

from trilemma.base.time import US_PER_MS
from trilemma.keyspace.settings import Keyspace
from trilemma.node import refusal
from trilemma.node.batch import Waiter
from trilemma.node.unit import Result
from trilemma.replication.leaderless.replica import Leaderless

EARLY_US = 20_000
"""How long before a session has to be answered its write is given up here: the turn in which time is up comes too late,
for then the route answers, and cannot say on how many replicas the write is."""

WAY_BACK_DIVISOR = 10
"""What part of TIMEOUT is left for the way of an answer to another node; also the most of it that EARLY_US may be."""


def until_us(deadline_us: int | None, keyspace: Keyspace, mono_us: int) -> int:
    """Return until when a write of now waits for more replicas.

    Args:
        deadline_us: by when it has to be answered, None where it was forwarded and only its origin knows.
    """
    timeout_us = keyspace.timeout_ms * US_PER_MS
    share_us = timeout_us // WAY_BACK_DIVISOR
    return mono_us + timeout_us - share_us if deadline_us is None else deadline_us - min(EARLY_US, share_us)


@dataclass(slots=True)
class _Short:
    """A write that fewer replicas hold than WRITE names."""

    seq: int
    deadline_us: int
    waiter: Waiter
    result: Result
    receipt: Callable[[int], None] | None
    """What puts its receipt beside the result, given how many replicas hold it."""


class Spreading:
    """One replica's own writes on their way to enough others."""

    def __init__(self, replica: Leaderless) -> None:
        self._replica = replica
        self._short: list[_Short] = []

    def add(
        self,
        waiter: Waiter,
        result: Result,
        seq: int,
        deadline_us: int,
        receipt: Callable[[int], None] | None = None,
    ) -> None:
        """Take in the result of a write in the own batch `seq`; `receipt` is called as it is answered."""
        self._short.append(_Short(seq, deadline_us, waiter, result, receipt))

    def release(self, keyspace: Keyspace, mono_us: int) -> None:
        """Answer what as many replicas hold as WRITE names; say how many do where that takes too long."""
        left = []
        for short in self._short:
            held = len(self._replica.holdings.holders(short.seq))
            batch, place = short.waiter
            if held >= keyspace.write_count:
                if short.receipt is not None:
                    short.receipt(held)
                batch.complete(place, short.result, 0)
            elif mono_us >= short.deadline_us:
                reason = f"it is on {held} of {keyspace.write_count} and will spread"
                batch.complete(place, refusal.uncertain(keyspace, reason), 0)
            else:
                left.append(short)
        self._short = left

    def deadlines_us(self) -> list[int]:
        """Return until when each of them waits."""
        return [short.deadline_us for short in self._short]

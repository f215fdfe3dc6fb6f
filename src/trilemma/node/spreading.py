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
        keyspace: Keyspace,
        mono_us: int,
        receipt: Callable[[int], None] | None = None,
    ) -> None:
        """Take in the result of a write in the own batch `seq`; `receipt` is called as it is answered."""
        self._short.append(_Short(seq, mono_us + keyspace.timeout_ms * US_PER_MS, waiter, result, receipt))

    def release(self, keyspace: Keyspace, mono_us: int) -> None:
        """Answer what as many replicas hold as WRITE names; say how many do where that takes too long."""
        left = []
        for short in self._short:
            held = len(self._replica.holders(short.seq))
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

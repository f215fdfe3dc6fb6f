"""Counters: INCR, DECR, INCRBY, DECRBY and GET on a few keys. Judged by bounds, the exact final sum and by search.

Operations: `add` (argument: the amount; result: the new sum) and `read` (result: the sum, 0 where absent).
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from trilemma.workload.reply import judge_single
from trilemma.workload.rotation import Rotation
from trilemma.workload.step import Command, Recorded, Reply, Step

AMOUNT_MAX: Final = 1_000_000
"""Amounts are drawn up to this, so that two different sets of increments seldom have the same sum."""


class Counters:
    """Increments of either sign and reads over `keys` counters.

    With `rotation` the counters are left for fresh ones every so many steps: the search over one of them stays short.
    """

    def __init__(
        self,
        rng: Random,
        prefix: bytes,
        keys: int = 3,
        read_share: float = 0.4,
        decrements: bool = True,
        rotation: int = 0,
    ) -> None:
        self._rng = rng
        self._rotation = Rotation(prefix + b"c", keys, rotation)
        self._read_share = read_share
        self._decrements = decrements

    def next(self, process: int) -> Step:
        """Return an increment, a decrement or a GET."""
        key = self._rng.choice(self._rotation.step())
        if self._rng.random() < self._read_share:
            return self._read(process, key)
        command, amount = self._draw(key)
        return Step(process, (command,), "add", key, amount)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step; sums become integers, whichever command reported them."""
        recorded = judge_single(step, replies)
        if recorded.outcome != "ok" or step.kind != "read":
            return recorded
        if recorded.result is None:
            return Recorded("ok", 0)
        return Recorded("ok", number(recorded.result))

    def finals(self, process: int) -> list[Step]:
        """Return one GET per key, those that were left too."""
        return [self._read(process, key) for key in self._rotation.all()]

    def _draw(self, key: bytes) -> tuple[Command, int]:
        amount = self._rng.randint(2, AMOUNT_MAX)
        choice = self._rng.randrange(4 if self._decrements else 2)
        if choice == 0:
            return (b"INCR", key), 1
        if choice == 1:
            return (b"INCRBY", key, b"%d" % amount), amount
        if choice == 2:
            return (b"DECRBY", key, b"%d" % amount), -amount
        return (b"DECR", key), -1

    def _read(self, process: int, key: bytes) -> Step:
        return Step(process, ((b"GET", key),), "read", key)


def number(result: object) -> object:
    """Return the integer that a GET showed; anything else stays as it is, for the checker to refuse."""
    if isinstance(result, bytes) and result.removeprefix(b"-").isdigit():
        return int(result)
    return result

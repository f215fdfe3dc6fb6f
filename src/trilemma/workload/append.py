"""Appends: every APPEND adds a token that never repeats, and GET shows them all. Judged by search and for losses.

Operations: `append` (argument: the token; result: the new length) and `read` (result: the value, empty where absent).
Keys are rotated, because a read carries the whole history of its key.
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from trilemma.workload.reply import judge_single
from trilemma.workload.step import Recorded, Reply, Step

ROTATION: Final = 120
"""Steps before the keys are changed for fresh ones: enough to overlap, few enough for the search (FAULTS §4)."""


class Appends:
    """Appends and reads over `keys` strings, which are replaced by fresh ones every `rotation` steps."""

    def __init__(self, rng: Random, prefix: bytes, keys: int = 2, append_share: float = 0.5, rotation: int = ROTATION):
        self._rng = rng
        self._prefix = prefix
        self._key_count = keys
        self._append_share = append_share
        self._rotation = rotation
        self._drawn = 0
        self._used: dict[bytes, None] = {}

    def next(self, process: int) -> Step:
        """Return an APPEND or a GET."""
        round_number = self._drawn // self._rotation
        self._drawn += 1
        key = b"%sa%d.%d" % (self._prefix, round_number, self._rng.randrange(self._key_count))
        self._used[key] = None
        if self._rng.random() >= self._append_share:
            return self._read(process, key)
        token = b"%d;" % self._drawn
        return Step(process, ((b"APPEND", key, token),), "append", key, token)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step."""
        recorded = judge_single(step, replies)
        if step.kind == "read" and recorded == Recorded("ok", None):
            return Recorded("ok", b"")
        return recorded

    def finals(self, process: int) -> list[Step]:
        """Return one GET per key that was used."""
        return [self._read(process, key) for key in self._used]

    def _read(self, process: int, key: bytes) -> Step:
        return Step(process, ((b"GET", key),), "read", key)

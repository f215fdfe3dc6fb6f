"""Registers: SET of values that never repeat, and GET, on a few keys. Judged by the zones, and by causal order on `ap`.

Operations: `write` (argument: the value) and `read` (result: the value, None where absent).
"""

from collections.abc import Sequence
from random import Random

from trilemma.workload.reply import judge_single
from trilemma.workload.rotation import Rotation
from trilemma.workload.step import Recorded, Reply, Step


class Registers:
    """Reads and writes over `keys` registers. A value carries its key and a number, so mixed-up replies show.

    With `rotation` the keys are left for fresh ones every so many steps: what a fault did to the last writes of a key
    is then still there at the end, and not hidden under later ones.
    """

    def __init__(
        self,
        rng: Random,
        prefix: bytes,
        keys: int = 5,
        write_share: float = 0.5,
        hot_share: float = 0.3,
        rotation: int = 0,
    ) -> None:
        self._rng = rng
        self._rotation = Rotation(prefix + b"r", keys, rotation)
        self._write_share = write_share
        self._hot_share = hot_share
        self._written = 0

    def next(self, process: int) -> Step:
        """Return a SET or a GET; the first key is drawn more often by `hot_share`."""
        rng = self._rng
        keys = self._rotation.step()
        key = keys[0] if rng.random() < self._hot_share else rng.choice(keys)
        if rng.random() >= self._write_share:
            return self._read(process, key)
        self._written += 1
        value = b"%s=%d" % (key, self._written)
        return Step(process, ((b"SET", key, value),), "write", key, value)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step."""
        return judge_single(step, replies)

    def finals(self, process: int) -> list[Step]:
        """Return one GET per key."""
        return [self._read(process, key) for key in self._rotation.all()]

    def _read(self, process: int, key: bytes) -> Step:
        return Step(process, ((b"GET", key),), "read", key)

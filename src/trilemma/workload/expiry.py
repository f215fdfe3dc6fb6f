"""Keys with deadlines: SET with PX, PEXPIRE, PERSIST, DEL and GET. Judged for values that go early or stay late.

Operations: `write` (argument: (value, time to live in us, or None)), `expire` (argument: time to live in us, or None
for PERSIST; result: 1 if it took effect, else 0), `delete`, and `read` (result: the value, None where absent).
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from trilemma.workload.reply import judge_single
from trilemma.workload.step import Recorded, Reply, Step

ROTATION: Final = 60
"""Steps before the keys are changed for fresh ones, so that an expired key is not always overwritten at once."""

_US_PER_MS: Final = 1000


class Expiries:
    """Short-lived keys; times to live are drawn between two bounds in milliseconds."""

    def __init__(
        self,
        rng: Random,
        prefix: bytes,
        keys: int = 4,
        ttl_ms_min: int = 50,
        ttl_ms_max: int = 3000,
        rotation: int = ROTATION,
    ):
        self._rng = rng
        self._prefix = prefix
        self._key_count = keys
        self._ttl_ms = (ttl_ms_min, ttl_ms_max)
        self._rotation = rotation
        self._drawn = 0
        self._used: dict[bytes, None] = {}

    def next(self, process: int) -> Step:
        """Return a GET (half of the steps), a SET with or without PX, a PEXPIRE, a PERSIST or a DEL."""
        key = b"%se%d.%d" % (self._prefix, self._drawn // self._rotation, self._rng.randrange(self._key_count))
        self._used[key] = None
        self._drawn += 1
        choice = self._rng.random()
        if choice < 0.5:
            return self._read(process, key)
        ttl_ms = self._rng.randint(*self._ttl_ms)
        ttl = b"%d" % ttl_ms
        if choice < 0.85:
            value = b"%s=%d" % (key, self._drawn)
            command = (b"SET", key, value, b"PX", ttl)
            return Step(process, (command,), "write", key, (value, ttl_ms * _US_PER_MS))
        if choice < 0.88:
            value = b"%s=%d" % (key, self._drawn)
            return Step(process, ((b"SET", key, value),), "write", key, (value, None))
        if choice < 0.94:
            return Step(process, ((b"PEXPIRE", key, ttl),), "expire", key, ttl_ms * _US_PER_MS)
        if choice < 0.97:
            return Step(process, ((b"PERSIST", key),), "expire", key, None)
        return Step(process, ((b"DEL", key),), "delete", key)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step."""
        return judge_single(step, replies)

    def finals(self, process: int) -> list[Step]:
        """Return one GET per key that was used."""
        return [self._read(process, key) for key in self._used]

    def _read(self, process: int, key: bytes) -> Step:
        return Step(process, ((b"GET", key),), "read", key)

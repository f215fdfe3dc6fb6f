"""Mixed: SET, INCRBY, APPEND, DEL, EXPIRE and PERSIST on a few keys at a time, as concurrent as can be.

What replicas show while they are apart follows no simple rule; at rest all must show the same. On one order of
everything, each reply follows from those before.

Operations: `command` (argument: the command's words; result: its reply).
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from trilemma.workload.reply import judge_single
from trilemma.workload.step import Command, Recorded, Reply, Step

AMOUNT_MAX: Final = 1_000_000
FAR_S: Final = 10_000
"""A time to live that no run outlasts."""

STEPS_A_KEY: Final = 12
"""After so many steps the oldest key is left as it is, and a new one comes in: what went wrong with it stays."""


class Mixed:
    """Commands of several kinds over `keys` keys at a time."""

    def __init__(self, rng: Random, prefix: bytes, keys: int = 3, read_share: float = 0.2):
        self._rng = rng
        self._prefix = prefix
        self._keys_at_once = keys
        self._read_share = read_share
        self._steps = 0

    def next(self, process: int) -> Step:
        """Return a command on one key."""
        oldest = self._steps // STEPS_A_KEY
        self._steps += 1
        key = self._key(oldest + self._rng.randrange(self._keys_at_once))
        command = (b"GET", key) if self._rng.random() < self._read_share else self._draw(key)
        return Step(process, (command,), "command", key, command)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step."""
        return judge_single(step, replies)

    def _key(self, number: int) -> bytes:
        return b"%sx%d" % (self._prefix, number)

    def finals(self, process: int) -> list[Step]:
        """Return two reads per key: its value and its deadline."""
        keys = map(self._key, range(self._steps // STEPS_A_KEY + self._keys_at_once))
        commands = [word for key in keys for word in ((b"GET", key), (b"PEXPIRETIME", key))]
        return [Step(process, (command,), "command", command[1], command) for command in commands]

    def _draw(self, key: bytes) -> Command:
        number = b"%d" % self._rng.randint(1, AMOUNT_MAX)
        choice = self._rng.randrange(10)
        if choice < 3:
            return (b"INCRBY", key, number)
        if choice < 4:
            return (b"DECRBY", key, number)
        if choice < 6:
            return (b"SET", key, number)
        if choice < 8:
            return (b"DEL", key)
        if choice < 9:
            return (b"EXPIRE", key, b"%d" % (FAR_S + self._rng.randint(1, 1_000)))
        return (b"PERSIST", key) if self._rng.random() < 0.5 else (b"APPEND", key, b"1")

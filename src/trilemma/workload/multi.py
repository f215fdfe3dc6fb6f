"""Groups of keys that are written and read together: is a transaction, or an MSET, ever seen in half?

Operations: `multi_write` (argument: pairs of key and value; result None) and `multi_read` (argument: keys; result:
their values). The history's key is the group, whose keys share a hash tag. Judged by search (multi-register) on `cp`
and `ca`, and by causal order, which forbids half-seen transactions, on `ap`.
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from trilemma.workload.reply import judge_single, judge_transaction
from trilemma.workload.step import Command, Recorded, Reply, Step

ROTATION: Final = 100
"""Steps before a group is left for a fresh one (FAULTS §4, pitfall 2)."""


class Groups:
    """Transactions over groups of `width` keys; one write in four is an MSET, one read in two an MGET."""

    def __init__(self, rng: Random, prefix: bytes, groups: int = 2, width: int = 3, rotation: int = ROTATION):
        self._rng = rng
        self._prefix = prefix
        self._groups = groups
        self._width = width
        self._rotation = rotation
        self._drawn = 0
        self._used: dict[bytes, None] = {}

    def next(self, process: int) -> Step:
        """Return a step that writes or reads two keys or more of one group at once."""
        round_number = self._drawn // self._rotation
        self._drawn += 1
        group = b"%s{m%d.%d}" % (self._prefix, round_number, self._rng.randrange(self._groups))
        self._used[group] = None
        chosen = sorted(self._rng.sample(range(self._width), self._rng.randint(2, self._width)))
        keys = tuple(self._key(group, number) for number in chosen)
        if self._rng.random() < 0.5:
            return self._read(process, group, keys, together=self._rng.random() < 0.5)
        pairs = tuple((key, b"%s=%d" % (key, self._drawn)) for key in keys)
        if self._rng.random() < 0.25:
            command = (b"MSET", *(word for pair in pairs for word in pair))
            return Step(process, (command,), "multi_write", group, pairs)
        return Step(process, _transaction([(b"SET", *pair) for pair in pairs]), "multi_write", group, pairs)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step: for a write OK replies become None, others stay for the checker to refuse."""
        judged = (judge_single if len(step.commands) == 1 else judge_transaction)(step, replies)
        if judged.outcome == "ok" and step.kind == "multi_write":
            done = judged.result == b"OK" or judged.result == (b"OK",) * len(step.argument)
            return Recorded("ok", None if done else judged.result)
        return judged

    def finals(self, process: int) -> list[Step]:
        """Return one MGET per group that was used."""
        return [
            self._read(process, group, tuple(self._key(group, number) for number in range(self._width)), together=True)
            for group in self._used
        ]

    def _key(self, group: bytes, number: int) -> bytes:
        return b"%s%d" % (group, number)

    def _read(self, process: int, group: bytes, keys: tuple[bytes, ...], together: bool) -> Step:
        commands = ((b"MGET", *keys),) if together else _transaction([(b"GET", key) for key in keys])
        return Step(process, commands, "multi_read", group, keys)


def _transaction(commands: list[Command]) -> tuple[Command, ...]:
    return ((b"MULTI",), *commands, (b"EXEC",))

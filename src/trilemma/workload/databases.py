"""Databases: the commands about all keys, KEYS, SCAN, DBSIZE, RANDOMKEY, FLUSHDB and FLUSHALL, beside SET and DEL.

Each database (SELECT n) is one object, whose keys are all of one keyspace; a run goes from one to the next. Operations:
`put` and `delete` (argument: the key; a delete's result: how many went), `flush`, `flush_all` (key: the database in
use), `read_keys` and `read_all` (result: the keys, in order), `read_size`, `read_random`, and `read_values` at the end.
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from trilemma.workload.reply import judge
from trilemma.workload.step import Command, Recorded, Reply, Step

DATABASES: Final = 15
"""Databases 1 to 15 are used; 0 is left to others."""

STEPS_A_DATABASE: Final = 45
KEYS: Final = 4
AMOUNT_MAX: Final = 1_000_000


class Databases:
    """Writes, removals and looks at whole databases. `alone`: FLUSHALL may be sent, for nobody else has any keys."""

    def __init__(self, rng: Random, prefix: bytes, *, alone: bool = False) -> None:
        self._rng = rng
        self._keys = [b"%sw%d" % (prefix, number) for number in range(KEYS)]
        self._pattern = prefix + b"w*"
        self._alone = alone
        self._steps = 0

    def next(self, process: int) -> Step:
        """Return a command on the database in use."""
        database = 1 + self._steps // STEPS_A_DATABASE % DATABASES
        self._steps += 1
        kind, argument, command = self._draw()
        return self._step(process, database, kind, argument, command)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step; lists of keys are put in order, for a reply has none."""
        if len(replies) < len(step.commands):
            return Recorded("info")
        recorded = judge(replies[-1])
        if recorded.outcome != "ok" or isinstance(recorded.result, str):
            return recorded
        if step.kind in ("put", "flush", "flush_all"):
            return Recorded("ok", None)
        if step.kind == "read_keys":
            return Recorded("ok", tuple(sorted(recorded.result)))
        if step.kind == "read_all":
            return Recorded("ok", tuple(sorted(recorded.result[1])))
        return recorded

    def finals(self, process: int) -> list[Step]:
        """Return, per database used, its keys, their number and their values."""
        last = min(1 + max(self._steps - 1, 0) // STEPS_A_DATABASE, DATABASES)
        looks: list[tuple[str, Command]] = [
            ("read_keys", (b"KEYS", b"*")),
            ("read_size", (b"DBSIZE",)),
            ("read_values", (b"MGET", *self._keys)),
        ]
        return [
            self._step(process, database, kind, None, command)
            for database in range(1, last + 1)
            for kind, command in looks
        ]

    def _step(self, process: int, database: int, kind: str, argument: bytes | None, command: Command) -> Step:
        return Step(process, ((b"SELECT", b"%d" % database), command), kind, b"db%d" % database, argument)

    def _draw(self) -> tuple[str, bytes | None, Command]:
        key = self._rng.choice(self._keys)
        number = b"%d" % self._rng.randint(1, AMOUNT_MAX)
        choice = self._rng.randrange(20)
        if choice < 5:
            return "put", key, (b"SET", key, number)
        if choice < 7:
            return "put", key, (b"INCRBY", key, number)
        if choice < 9:
            return "delete", key, (b"DEL", key)
        if choice < 10:
            return "flush", None, (b"FLUSHDB",)
        if choice < 11:
            return ("flush_all", None, (b"FLUSHALL",)) if self._alone else ("flush", None, (b"FLUSHDB", b"ASYNC"))
        if choice < 13:
            return "read_keys", None, (b"KEYS", self._rng.choice((b"*", self._pattern)))
        if choice < 15:
            return "read_all", None, (b"SCAN", b"0", b"MATCH", self._pattern, b"COUNT", b"1000")
        if choice < 18:
            return "read_size", None, (b"DBSIZE",)
        return "read_random", None, (b"RANDOMKEY",)

"""Compare-and-set on registers, beside SET and GET: an update that relies on what was read before. Judged by search.

Operations: `write`, `read` as of registers, and `cas` (argument: (expected, new); result: bool). With WATCH and MULTI
it takes two steps of one process, a look (a `read`) and the transaction, and an abort is a `fail`: it did nothing, and
may have had other reasons than another value. With a command of the store's own (CAS key expected new, where an empty
`expected` stands for absence) a result of 0 says that the value was another one: `ok`, and False.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from trilemma.workload.reply import judge, judge_single, judge_transaction, plain
from trilemma.workload.step import Recorded, Reply, Step

ROTATION: Final = 150
"""Steps before the keys are left for fresh ones: what the search can order under heavy overlap (FAULTS §4)."""


class CompareAndSets:
    """Half compare-and-sets, the rest writes and reads. Before a `cas` every process looks at the key."""

    def __init__(
        self, rng: Random, prefix: bytes, keys: int = 3, *, by_watch: bool = True, rotation: int = ROTATION
    ) -> None:
        self._rng = rng
        self._prefix = prefix
        self._key_count = keys
        self._by_watch = by_watch
        self._rotation = rotation
        self._drawn = 0
        self._looking: set[int] = set()
        self._looked: dict[int, tuple[bytes, Any]] = {}
        self._used: dict[bytes, None] = {}

    def next(self, process: int) -> Step:
        """Return the compare-and-set that this process has looked up, else a look, a SET or a GET."""
        self._drawn += 1
        looked = self._looked.pop(process, None)
        if looked is not None:
            return self._cas(process, *looked)
        key = b"%sk%d.%d" % (self._prefix, self._drawn // self._rotation, self._rng.randrange(self._key_count))
        self._used[key] = None
        choice = self._rng.random()
        # Between a look and its transaction a process only reads: any EXEC or SET of its own would spoil the watch.
        if choice < 0.25 and process not in self._looking:
            value = self._value(key)
            return Step(process, ((b"SET", key, value),), "write", key, value)
        if choice < 0.75 and process not in self._looking:
            self._looking.add(process)
            look = ((b"WATCH", key), (b"GET", key)) if self._by_watch else ((b"GET", key),)
            return Step(process, look, "read", key, note=True)
        return self._read(process, key)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step, and remember what a look showed."""
        if step.kind == "cas":
            return self._judge_cas(step, replies)
        if not step.note:
            return judge_single(step, replies)
        self._looking.discard(step.process)
        if len(replies) < len(step.commands):
            return Recorded("info")
        recorded = judge(replies[-1])
        # What was read is built upon only where it is watched: a refused WATCH would let anybody come in between.
        is_watched = not self._by_watch or plain(replies[0]) == b"OK"
        if recorded.outcome == "ok" and not isinstance(recorded.result, str) and is_watched:
            self._looked[step.process] = (step.key, recorded.result)
        return recorded

    def finals(self, process: int) -> list[Step]:
        """Return one GET per key that was used."""
        return [self._read(process, key) for key in self._used]

    def _judge_cas(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        recorded = (judge_transaction if self._by_watch else judge_single)(step, replies)
        if recorded.outcome != "ok":
            return recorded
        if self._by_watch:
            return Recorded("ok", True if recorded.result == (b"OK",) else recorded.result)
        return Recorded("ok", bool(recorded.result) if recorded.result in (0, 1) else recorded.result)

    def _cas(self, process: int, key: bytes, expected: Any) -> Step:
        new = self._value(key)
        if self._by_watch:
            commands: tuple[tuple[bytes, ...], ...] = ((b"MULTI",), (b"SET", key, new), (b"EXEC",))
        else:
            commands = ((b"CAS", key, expected or b"", new),)
        return Step(process, commands, "cas", key, (expected, new))

    def _read(self, process: int, key: bytes) -> Step:
        return Step(process, ((b"GET", key),), "read", key)

    def _value(self, key: bytes) -> bytes:
        return b"%s=%d" % (key, self._drawn)

"""Passing keyspaces: each is created, written to, and dropped again, over and over, by one client.

A key `d3:a` is a register all along; a DROP that was answered OK deletes it, and nothing brings it back: no other
keyspace shows what was left of the dropped one. Operations: `create` (argument: the name; not judged), `write`, `read`,
and `delete` for DROP. One client at a time, whose steps do not overlap.
"""

from collections.abc import Sequence
from random import Random

from trilemma.workload.reply import judge_single
from trilemma.workload.step import Recorded, Reply, Step

NAMES_MAX = 40
"""Keyspaces made in a run; one whose CREATE nobody can tell of stays, and costs a shard."""

FILLED_STEPS = 6
"""Steps that go to a keyspace's key before it is dropped."""

EMPTY_STEPS = 2
"""Reads of the key afterwards."""


class Passing:
    """One name after the other. `settings`: words that each CREATE ends with."""

    def __init__(self, rng: Random, mode: str, settings: Sequence[bytes] = ()) -> None:
        self._rng = rng
        self._mode = mode.encode()
        self._settings = settings
        self._number = 1
        self._is_made = False
        self._left = FILLED_STEPS
        self._written = 0

    @property
    def _name(self) -> bytes:
        return b"d%d" % self._number

    def next(self, process: int) -> Step:
        """Return the step that the newest name has come to."""
        key = self._name + b":a"
        if not self._is_made and self._left == FILLED_STEPS:
            words = (b"KEYSPACE", b"CREATE", self._name, b"MODE", self._mode, *self._settings)
            return Step(process, (words,), "create", self._name, self._name)
        self._left -= 1
        if self._is_made and self._left < 0:
            return Step(process, ((b"KEYSPACE", b"DROP", self._name),), "delete", key)
        if not self._is_made or self._rng.random() < 0.4:
            return Step(process, ((b"GET", key),), "read", key)
        self._written += 1
        value = b"%s=%d" % (key, self._written)
        return Step(process, ((b"SET", key, value),), "write", key, value)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step, and go on by it."""
        recorded = judge_single(step, replies)
        if step.kind == "create":
            recorded = self._created(recorded)
        elif step.kind == "delete":
            recorded = self._dropped(recorded)
        elif not self._is_made and self._left <= 0:
            self._begin_next()
        return recorded

    def _created(self, recorded: Recorded) -> Recorded:
        if recorded.outcome == "info":
            self._begin_next()
        self._is_made = recorded.result == b"OK"
        return recorded

    def _dropped(self, recorded: Recorded) -> Recorded:
        is_gone = recorded.result == b"OK" or str(recorded.result).startswith("ERR no keyspace")
        if is_gone:
            self._is_made, self._left = False, EMPTY_STEPS
            return Recorded("ok", b"OK")
        # What was refused is tried again, and so is what nobody can tell of: it is dropped, or gone already.
        return recorded if recorded.outcome == "info" else Recorded("fail", recorded.result)

    def _begin_next(self) -> None:
        self._number = min(self._number + 1, NAMES_MAX)
        self._left = FILLED_STEPS

    def finals(self, process: int) -> list[Step]:
        """Return nothing: what was dropped is read as it goes."""
        return []

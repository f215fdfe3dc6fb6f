"""Founding: keyspaces are created while keys with their names are written. Each key is one register all along.

A key `f3:a` belongs to `default` until a keyspace `f3` is there, and to that one then. A CREATE that would hide a key
is to be refused, so whatever was acknowledged stays readable; on `ap` too, where only another node may know of it.
Operations: `create` (argument: the name), `write` and `read` as of registers. Judged as registers; a `create` itself is
not judged. Several may be founded at the same moment, by clients of their own: whoever drives the generator has to send
what `beside` is told.
"""

from collections.abc import Callable, Sequence
from random import Random

from trilemma.workload.reply import judge_single
from trilemma.workload.step import Recorded, Reply, Step

NAMES_MAX = 4
"""Keyspaces created in a run: each is a shard more, with a leader of its own."""

STEPS_A_NAME = 14
"""Steps that go to a name's keys before the next one is founded."""

KEYS = 3


class Foundings:
    """One name after the other: its CREATE first, then reads and writes of its keys while that is under way.

    Args:
        modes: of the keyspaces, in turn.
        together: how many names are founded at a time.
        settings: words that each CREATE ends with.
    """

    def __init__(
        self, rng: Random, modes: Sequence[str] = ("cp",), together: int = 1, settings: Sequence[bytes] = ()
    ) -> None:
        self.beside: Callable[[list[Step]], None] = lambda _: None
        """Told of the other CREATEs that belong to the same moment as the one that `next` returns."""
        self._rng = rng
        self._modes = modes
        self._together = together
        self._settings = settings
        self._names = 0
        self._newest = range(0)
        self._steps = STEPS_A_NAME
        self._written = 0

    def next(self, process: int) -> Step:
        """Return a KEYSPACE CREATE, or a SET or GET of a key of the newest names."""
        self._steps += 1
        if self._steps > STEPS_A_NAME and self._names < NAMES_MAX:
            return self._found(process)
        number = self._names if len(self._newest) == 1 else self._rng.choice(self._newest)
        key = b"f%d:%d" % (number, self._rng.randrange(KEYS))
        if self._rng.random() < 0.5:
            return Step(process, ((b"GET", key),), "read", key)
        self._written += 1
        value = b"%s=%d" % (key, self._written)
        return Step(process, ((b"SET", key, value),), "write", key, value)

    def _found(self, process: int) -> Step:
        self._steps = 0
        last = min(self._names + self._together, NAMES_MAX)
        self._newest = range(self._names + 1, last + 1)
        self._names = last
        first, *others = [self._create(process, number) for number in self._newest]
        if others:
            self.beside(others)
        return first

    def _create(self, process: int, number: int) -> Step:
        name, mode = b"f%d" % number, self._modes[number % len(self._modes)].encode()
        words = (b"KEYSPACE", b"CREATE", name, b"MODE", mode, *self._settings)
        return Step(process, (words,), "create", name, name)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step."""
        return judge_single(step, replies)

    def finals(self, process: int) -> list[Step]:
        """Return one GET per key of every name."""
        keys = [b"f%d:%d" % (name, key) for name in range(1, self._names + 1) for key in range(KEYS)]
        return [Step(process, ((b"GET", key),), "read", key) for key in keys]

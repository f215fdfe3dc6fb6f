"""Shared: commands on keys that clients write at every node at once, of which `ap` promises something all the same.

Three kinds of groups, each left for a fresh one every so many steps; values never repeat. Operations (the history's key
is the group):
- `take` (SETNX, SET NX, MSETNX; argument: the value; result: whether this one put it) and `look` (GET, SET NX GET that
  puts nothing new; result: the value): each node gives a key away once, and nobody takes it back;
- `add` (INCRBYFLOAT; argument: the amount in hundredths; result: the sum in hundredths) and `read`: exact sums;
- `move` (SET, GETSET, RENAME, RENAMENX, COPY; argument: the value that it writes, or None; result: the value that it
  returns, or None) and `shown` (result: the values of both keys): values go from key to key, and something is left.
"""

from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import Final

from trilemma.workload.reply import judge_single
from trilemma.workload.rotation import Rotation
from trilemma.workload.step import Command, Recorded, Reply, Step

ROTATION: Final = 50

CENTS_MAX: Final = 10_000_000
"""Amounts are drawn up to this, in hundredths, so that two different sets of them seldom have the same sum."""

_HUNDREDTHS: Final = 100
_NEAR: Final = Fraction(1, 10**9)
"""How far a sum of long doubles may be from the sum of the decimals that they stand for."""


class Shared:
    """Each step is on one of three keys that are given away, three sums, or three pairs of keys."""

    def __init__(self, rng: Random, prefix: bytes) -> None:
        self._rng = rng
        self._number = 0
        self._taken = Rotation(prefix + b"take", 3, ROTATION)
        self._sums = Rotation(prefix + b"sum", 3, 4 * ROTATION)
        self._pairs = Rotation(prefix + b"pair", 3, ROTATION)

    def next(self, process: int) -> Step:
        """Return a command on one of the groups."""
        choice = self._rng.randrange(3)
        if choice == 0:
            return self._take(process, self._rng.choice(self._taken.step()))
        if choice == 1:
            return self._add(process, self._rng.choice(self._sums.step()))
        return self._move(process, self._rng.choice(self._pairs.step()))

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step: what it took, counted or saw."""
        recorded = judge_single(step, replies)
        if recorded.outcome != "ok":
            return recorded
        if step.kind in ("add", "read"):
            return Recorded("ok", hundredths(recorded.result))
        if step.kind == "take":
            said = {b"OK": True, 1: True, None: False, 0: False}
            return Recorded("ok", said.get(recorded.result, recorded.result))
        if step.kind == "move" and step.note in MOVED:
            is_known = recorded.result in MOVED[step.note]
            return Recorded("ok", None if is_known else f"{recorded.result!r} in reply to {step.note.decode()}")
        return recorded

    def finals(self, process: int) -> list[Step]:
        """Return one read per group that there ever was."""
        return [
            *(Step(process, ((b"GET", key),), "look", key) for key in self._taken.all()),
            *(Step(process, ((b"GET", key),), "read", key) for key in self._sums.all()),
            *(Step(process, ((b"MGET", *pair(group)),), "shown", group) for group in self._pairs.all()),
        ]

    def _value(self) -> bytes:
        self._number += 1
        return b"w%d" % self._number

    def _take(self, process: int, key: bytes) -> Step:
        if self._rng.random() < 0.3:
            return Step(process, ((b"GET", key),), "look", key)
        value = self._value()
        commands: tuple[Command, ...] = ((b"SETNX", key, value), (b"SET", key, value, b"NX"), (b"MSETNX", key, value))
        return Step(process, (self._rng.choice(commands),), "take", key, value)

    def _add(self, process: int, key: bytes) -> Step:
        if self._rng.random() < 0.3:
            return Step(process, ((b"GET", key),), "read", key)
        cents = self._rng.randint(1, CENTS_MAX) * self._rng.choice((1, -1))
        amount = b"%s%d.%02d" % (b"-" if cents < 0 else b"", *divmod(abs(cents), _HUNDREDTHS))
        return Step(process, ((b"INCRBYFLOAT", key, amount),), "add", key, cents)

    def _move(self, process: int, group: bytes) -> Step:
        one, other = self._rng.sample(pair(group), 2)
        choice = self._rng.random()
        if choice < 0.25:
            return Step(process, ((b"MGET", *pair(group)),), "shown", group)
        if choice < 0.5:
            value = self._value()
            name = self._rng.choice((b"SET", b"GETSET"))
            return Step(process, ((name, one, value),), "move", group, value, note=name)
        word = self._rng.choice((b"RENAME", b"RENAMENX", b"COPY", b"COPY"))
        command = (word, one, other, *((b"REPLACE",) if word == b"COPY" and choice < 0.9 else ()))
        return Step(process, (command,), "move", group, note=word)


MOVED: Final[dict[bytes, tuple[Reply, ...]]] = {
    b"SET": (b"OK",),
    b"RENAME": (b"OK", "ERR no such key"),
    b"RENAMENX": (0, 1, "ERR no such key"),
    b"COPY": (0, 1),
}
"""What commands reply that put a value somewhere, and return none."""


def pair(group: bytes) -> tuple[bytes, bytes]:
    """Return the two keys of a group."""
    head, _, name = group.rpartition(b":")
    tag = b"%s{%s}" % (head + b":" if head else b"", name)
    return tag + b"1", tag + b"2"


def hundredths(shown: Reply) -> Reply:
    """Return a number in hundredths, 0 where there is none; what is no such number stays as it is."""
    if shown is None:
        return 0
    try:
        number = Fraction(shown.decode()) * _HUNDREDTHS if isinstance(shown, bytes) else None
    except ValueError:
        number = None
    if number is None or abs(number - round(number)) > _NEAR:
        return shown
    return round(number)

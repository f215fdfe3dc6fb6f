"""String and key commands of every kind, alone and in transactions, on small groups of keys. Judged by the Redis model.

Operations: `command` (argument: the command; result: the reply) and `transaction` (argument: a tuple of commands;
result: EXEC's array). The history's key is the group, whose three keys share a hash tag: `n` mostly holds numbers, `t`
and `u` text. Deadlines are far ahead or past, because the model knows no now: see `expiry` for those that matter.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from trilemma.workload.reply import judge_single, judge_transaction
from trilemma.workload.step import Command, Recorded, Reply, Step

ROTATION: Final = 60
"""Steps before a group is left for a fresh one: what the search can order under heavy overlap (FAULTS §4)."""

LOOKING_ROTATION: Final = 40
"""The same where half of the commands only look: what is written in between is ordered by fewer of them."""

TRANSACTION_SHARE: Final = 0.15

FAR_MS: Final = 10_000_000_000_000
"""Absolute deadlines are drawn from this one on: the year 2286."""

LONG_OFFSET: Final = 40
"""What is written there makes a value too long to be kept beside its key."""

FRACTIONS: Final = (b"0.5", b"1.25", b"-0.75", b"3")
"""Amounts of INCRBYFLOAT whose sums need no rounding."""

_INT64_MIN: Final = b"-9223372036854775808"
_RELATIVE_S: Final = b"100000"
_RELATIVE_MS: Final = b"100000000"


class _Draws:
    """What templates are filled with: the keys of the current group and values that never repeat."""

    __slots__ = ("_fractions", "_rng", "group", "number")

    def __init__(self, rng: Random, fractions: Sequence[bytes]) -> None:
        self._rng = rng
        self._fractions = fractions
        self.group = b""
        self.number = 0

    def any_key(self) -> bytes:
        return self.group + self._rng.choice((b"n", b"t", b"u"))

    def text_key(self) -> bytes:
        return self.group + self._rng.choice((b"t", b"u", b"t", b"n"))

    def number_key(self) -> bytes:
        return self.group + self._rng.choice((b"n", b"n", b"n", b"t"))

    def text(self) -> bytes:
        self.number += 1
        return b"v%d;" % self.number

    def integer(self) -> bytes:
        self.number += 1
        return b"%d" % (self.number * 1000)

    def amount(self) -> bytes:
        return b"%d" % self._rng.choice((2, 7, -3, 50))

    def fraction(self) -> bytes:
        return self._rng.choice(self._fractions)

    def offset(self) -> bytes:
        return b"%d" % self._rng.choice((0, 1, 3, 9, -1))

    def index(self) -> bytes:
        return b"%d" % self._rng.randint(-6, 6)

    def moment_ms(self) -> bytes:
        return b"%d" % (FAR_MS + self._rng.randrange(1000) * 1000) if self._rng.random() < 0.9 else b"1"

    def moment_s(self) -> bytes:
        return b"%d" % (FAR_MS // 1000 + self._rng.randrange(1000)) if self._rng.random() < 0.9 else b"1"

    def condition(self) -> bytes:
        return self._rng.choice((b"NX", b"XX", b"GT", b"LT"))

    def length(self) -> bytes:
        return b"%d" % self._rng.choice((-1, 0, 2, 4))

    def presence(self) -> bytes:
        return self._rng.choice((b"NX", b"XX"))


Template = Callable[[_Draws], Command]

_COMMON: Final[tuple[Template, ...]] = (
    lambda d: (b"GET", d.any_key()),
    lambda d: (b"MGET", d.any_key(), d.any_key()),
    lambda d: (b"SET", d.text_key(), d.text()),
    lambda d: (b"SET", d.number_key(), d.integer()),
    lambda d: (b"INCR", d.number_key()),
    lambda d: (b"INCRBY", d.number_key(), d.amount()),
    lambda d: (b"APPEND", d.text_key(), d.text()),
    lambda d: (b"DEL", d.any_key()),
)

RARE: Final[tuple[Template, ...]] = (
    lambda d: (b"SET", d.text_key(), d.text(), d.presence()),
    lambda d: (b"SET", d.text_key(), d.text(), b"GET"),
    lambda d: (b"SET", d.text_key(), d.text(), d.presence(), b"GET"),
    lambda d: (b"SET", d.text_key(), d.text(), b"KEEPTTL"),
    lambda d: (b"SET", d.text_key(), d.text(), b"EX", _RELATIVE_S),
    lambda d: (b"SET", d.text_key(), d.text(), b"PX", _RELATIVE_MS, b"XX"),
    lambda d: (b"SET", d.text_key(), d.text(), b"EXAT", d.moment_s()),
    lambda d: (b"SET", d.text_key(), d.text(), b"NX", b"PXAT", d.moment_ms()),
    lambda d: (b"SETEX", d.text_key(), _RELATIVE_S, d.text()),
    lambda d: (b"PSETEX", d.text_key(), _RELATIVE_MS, d.text()),
    lambda d: (b"SETNX", d.text_key(), d.text()),
    lambda d: (b"GETSET", d.text_key(), d.text()),
    lambda d: (b"GETDEL", d.any_key()),
    lambda d: (b"GETEX", d.any_key()),
    lambda d: (b"GETEX", d.any_key(), b"PXAT", d.moment_ms()),
    lambda d: (b"GETEX", d.any_key(), b"EX", _RELATIVE_S),
    lambda d: (b"GETEX", d.any_key(), b"PERSIST"),
    lambda d: (b"MSET", d.text_key(), d.text(), d.number_key(), d.integer()),
    lambda d: (b"MSETNX", d.text_key(), d.text(), d.number_key(), d.integer()),
    lambda d: (b"STRLEN", d.any_key()),
    lambda d: (b"GETRANGE", d.any_key(), d.index(), d.index()),
    lambda d: (b"SUBSTR", d.any_key(), d.index(), d.index()),
    lambda d: (b"SETRANGE", d.text_key(), d.offset(), d.text()),
    lambda d: (b"LCS", d.any_key(), d.any_key()),
    lambda d: (b"LCS", d.any_key(), d.any_key(), b"LEN"),
    lambda d: (b"DECR", d.number_key()),
    lambda d: (b"DECRBY", d.number_key(), d.amount()),
    lambda d: (b"DECRBY", d.number_key(), _INT64_MIN),
    lambda d: (b"INCRBYFLOAT", d.number_key(), d.fraction()),
    lambda d: (b"UNLINK", d.any_key(), d.any_key()),
    lambda d: (b"EXISTS", d.any_key(), d.any_key()),
    lambda d: (b"TOUCH", d.any_key()),
    lambda d: (b"TYPE", d.any_key()),
    lambda d: (b"RENAME", d.any_key(), d.any_key()),
    lambda d: (b"RENAMENX", d.any_key(), d.any_key()),
    lambda d: (b"COPY", d.any_key(), d.any_key()),
    lambda d: (b"COPY", d.any_key(), d.any_key(), b"REPLACE"),
    lambda d: (b"EXPIRE", d.any_key(), _RELATIVE_S),
    lambda d: (b"PEXPIRE", d.any_key(), _RELATIVE_MS, d.presence()),
    lambda d: (b"EXPIRE", d.any_key(), b"-1"),
    lambda d: (b"EXPIREAT", d.any_key(), d.moment_s()),
    lambda d: (b"EXPIREAT", d.any_key(), d.moment_s(), d.condition()),
    lambda d: (b"PEXPIREAT", d.any_key(), d.moment_ms(), d.condition()),
    lambda d: (b"TTL", d.any_key()),
    lambda d: (b"PTTL", d.any_key()),
    lambda d: (b"EXPIRETIME", d.any_key()),
    lambda d: (b"PEXPIRETIME", d.any_key()),
    lambda d: (b"PERSIST", d.any_key()),
)

LOOKING: Final[tuple[Template, ...]] = (
    lambda d: (b"OBJECT", b"ENCODING", d.any_key()),
    lambda d: (b"OBJECT", b"ENCODING", d.any_key()),
    lambda d: (b"OBJECT", b"REFCOUNT", d.any_key()),
    lambda d: (b"OBJECT", b"IDLETIME", d.any_key()),
    lambda d: (b"OBJECT", b"FREQ", d.any_key()),
    lambda d: (b"LCS", d.any_key(), d.any_key(), b"IDX"),
    lambda d: (b"LCS", d.any_key(), d.any_key(), b"IDX", b"WITHMATCHLEN"),
    lambda d: (b"LCS", d.any_key(), d.any_key(), b"IDX", b"MINMATCHLEN", d.length(), b"WITHMATCHLEN"),
    lambda d: (b"LCS", d.any_key(), d.any_key(), b"MINMATCHLEN", d.length(), b"IDX"),
    lambda d: (b"SETRANGE", d.any_key(), b"%d" % LONG_OFFSET, d.text()),
)

COUNTING: Final[tuple[Template, ...]] = 10 * (lambda d: (b"INCRBYFLOAT", d.group + b"n", d.fraction()),)
"""Fractions that are added one after the other, so that it shows how their sum is rounded."""


def keys_of(group: bytes) -> tuple[bytes, ...]:
    """Return the three keys of a group."""
    return group + b"n", group + b"t", group + b"u"


class StringCommands:
    """Half common commands, half rare ones; some in transactions of two or three.

    Args:
        name: what the names of groups begin with.
        rare: templates of the rare ones.
        fractions: amounts of INCRBYFLOAT.
    """

    def __init__(
        self,
        rng: Random,
        prefix: bytes,
        groups: int = 2,
        rotation: int = ROTATION,
        name: bytes = b"s",
        rare: Sequence[Template] = RARE,
        fractions: Sequence[bytes] = FRACTIONS,
    ):
        self._rng = rng
        self._name = name
        self._rare = rare
        self._prefix = prefix
        self._groups = groups
        self._rotation = rotation
        self._drawn = 0
        self._draws = _Draws(rng, fractions)
        self._used: dict[bytes, None] = {}

    def next(self, process: int) -> Step:
        """Return one command, or a transaction."""
        place = (self._name, self._drawn // self._rotation, self._rng.randrange(self._groups))
        group = b"%s{%s%d.%d}" % (self._prefix, *place)
        self._drawn += 1
        self._used[group] = None
        self._draws.group = group
        if self._rng.random() >= TRANSACTION_SHARE:
            command = self._command()
            return Step(process, (command,), "command", group, command)
        commands = tuple(self._command() for _ in range(self._rng.randint(2, 3)))
        return Step(process, ((b"MULTI",), *commands, (b"EXEC",)), "transaction", group, commands)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step."""
        return (judge_single if step.kind == "command" else judge_transaction)(step, replies)

    @property
    def groups(self) -> list[bytes]:
        """The groups that were used."""
        return list(self._used)

    def finals(self, process: int) -> list[Step]:
        """Return one MGET per group that was used."""
        looks = [(group, (b"MGET", *keys_of(group))) for group in self.groups]
        return [Step(process, (look,), "command", group, look) for group, look in looks]

    def _command(self) -> Command:
        table = _COMMON if self._rng.random() < 0.5 else self._rare
        return self._rng.choice(table)(self._draws)


def looking(rng: Random, prefix: bytes) -> StringCommands:
    """Return commands of which half look at how a value is kept (OBJECT), or at what two have in common (LCS)."""
    return StringCommands(rng, prefix, rotation=LOOKING_ROTATION, name=b"l", rare=LOOKING)

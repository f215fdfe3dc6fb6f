"""What travels from a session to the executor of a shard: units, and what comes back: results.

A unit is one command, or one transaction, whose keys share a shard; it takes effect at one moment. The body of a Raft
entry and of a forwarded batch is a list of units.
"""

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from trilemma.base.limits import MIB, limit


class Path(IntEnum):
    """How a unit is ordered against others."""

    WRITE = 0
    """In the log."""
    READ = 1
    """Beside the log, as fresh as the keyspace's READ promises."""
    LOGGED_READ = 2
    """In the log: it must come after the same connection's earlier writes and before its later ones."""


class Watch(msgspec.Struct, frozen=True, array_like=True):
    """A key that must still have this version (View.version) when the transaction takes effect."""

    db: int
    key: bytes
    version: int


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One command of a transaction."""

    db: int
    argv: list[bytes]


class Unit(msgspec.Struct, frozen=True, array_like=True):
    """One command (`argv`), or a transaction (`parts`, with `argv` empty).

    `protocol` is that of the client (2 or 3): the executor encodes the reply. `explain` wants a receipt beside it.
    """

    path: Path
    db: int
    protocol: int
    argv: list[bytes]
    parts: list[Part] = []
    watches: list[Watch] = []
    explain: bool = False

    @property
    def is_whole(self) -> bool:
        """Say whether there is something to carry out: no unit of a sound node's lacks it."""
        return bool(self.argv or self.parts or self.watches) and all(part.argv for part in self.parts)

    @property
    def is_read(self) -> bool:
        """Say whether it has no effect, so that it is never UNCERTAIN."""
        return self.path is not Path.WRITE


Result = list[bytes] | bytes | bool | None
"""Of one unit: encoded replies, one per command; or one encoded error for all of it; None: a watched key had changed;
False: it was not executed and never will be by this executor, so it may be sent elsewhere."""

NOT_EXECUTED: Result = False

REPLY_BYTES_PER_TURN = limit(
    "reply_bytes_per_turn",
    8 * MIB,
    "bytes per shard",
    "replies made faster than they leave are held in memory",
    "the rest is answered in the next turn",
)

UNIT_BYTES_PER_TURN = limit(
    "unit_bytes_per_turn",
    16 * MIB,
    "bytes per shard",
    "an entry or batch is one record of the log and one frame to a peer",
    "the rest is in the next turn's; a larger unit is alone in its own",
)
VALUE_BYTES_PER_TURN = limit(
    "value_bytes_per_turn",
    8 * MIB,
    "bytes per shard",
    "a command on a value of many MiB takes milliseconds, and links fall where a turn takes a second",
    "the rest is executed in the next turn",
)
"""Values written, or read from the engine, in one turn; what one command alone handles may exceed it."""


def result_bytes(result: Result) -> int:
    """Return how many bytes a result holds."""
    return sum(map(len, result)) if type(result) is list else 0


def argument_bytes(unit: Unit) -> int:
    """Return how many bytes a unit's arguments hold."""
    return sum(map(len, unit.argv)) + sum(len(word) for part in unit.parts for word in part.argv)


encode_units = msgspec.msgpack.Encoder().encode


def encode_first(units: Sequence[Unit], bytes_max: int) -> tuple[int, bytes]:
    """Encode the first of some units, as many as are no more than so many bytes, at least one; return how many.

    Their size is known only once they are encoded, so that ordinary units, which fit, cost no counting.
    """
    count = len(units)
    body = encode_units(units)
    while len(body) > bytes_max and count > 1:
        count //= 2
        body = encode_units(units[:count])
    return count, body


decode_units = msgspec.msgpack.Decoder(list[Unit]).decode
encode_results = msgspec.msgpack.Encoder().encode
decode_results = msgspec.msgpack.Decoder(list[Result]).decode

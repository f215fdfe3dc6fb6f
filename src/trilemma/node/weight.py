"""How much a unit is going to handle, told before it runs: what an entry takes in is bounded by it (node/proposals.py).

An entry is applied whole, in one turn of each replica, so the turn's bound has to be kept where entries are made. Knows
which commands make a value of the one that stands, or show it whole; how long that one is, it asks. All others cost as
much as their arguments, which the input's bound covers.
"""

from collections.abc import Callable

from trilemma.base.limits import KIB
from trilemma.command.table import CommandSpec, keys_of, lookup
from trilemma.node.internal import own_words
from trilemma.node.unit import Unit
from trilemma.resp.number import parse_int64

WHOLE = {
    *("append", "copy", "get", "getdel", "getex", "getrange", "getset", "incrbyfloat", "lcs", "mget", "rename"),
    *("renamenx", "setrange", "substr", "persist", "expire", "expireat", "pexpire", "pexpireat"),
}
"""Commands that copy, rewrite or return a value that stands already, or a part of it."""

LARGE_BYTES = 64 * KIB
"""What is shorter is taken for nothing where it comes by an argument: the input's bound covers it."""

PLACES_MAX = 16_384
"""Places remembered at most; without them an entry may take in more than it should, once."""

StoredBytes = Callable[[int, bytes], int]
"""How many bytes stand under (db, key) as the rows are now, 0 where nothing does."""


class Weights:
    """The weights of units that are run one after the other: what one writes, the next one finds."""

    def __init__(self, stored_bytes: StoredBytes) -> None:
        self._stored_bytes = stored_bytes
        self._coming: dict[tuple[int, bytes], int] = {}
        """By place, how many bytes what was weighed may bring there: the rows do not show it yet."""

    def all_is_stored(self) -> None:
        """Take note that the rows show all that was weighed so far."""
        self._coming.clear()

    def of(self, unit: Unit) -> int:
        """Return about how many bytes of values a unit handles beside its arguments."""
        if unit.parts:
            return sum(self._of_command(part.db, part.argv) for part in unit.parts)
        return self._of_command(unit.db, own_words(unit.argv))

    def _of_command(self, db: int, argv: list[bytes]) -> int:
        spec = lookup(argv[0]) if argv else None
        if spec is None:
            return 0
        name = spec.name
        is_whole = name in WHOLE or (name == "set" and len(argv) > 3 and _gets(argv))
        if not (is_whole or _has_large(argv)):
            return 0
        if name == "get" and not self._coming:
            return self._stored_bytes(db, argv[1])  # so common that it goes a shorter way
        sizes = self._sizes(spec, db, argv)
        if not is_whole:
            return 0
        return _part(argv, sum(sizes)) if name in ("getrange", "substr") else sum(sizes)

    def _sizes(self, spec: CommandSpec, db: int, argv: list[bytes]) -> list[int]:
        """Return how many bytes will stand under each key, and remember it where they come by this command."""
        coming = self._coming
        keys = keys_of(spec, argv)
        sizes = [max(self._stored_bytes(db, key), coming.get((db, key), 0)) for key in keys]
        if spec.name == "append":
            sizes[0] += len(argv[2])
        elif spec.name == "setrange":
            sizes[0] = max(sizes[0], (parse_int64(argv[2]) or 0) + len(argv[3]))
        largest = max(*sizes, *map(len, argv))
        if largest >= LARGE_BYTES or spec.name == "append":
            if len(coming) >= PLACES_MAX:
                coming.clear()
            coming.update(((db, key), largest) for key in keys)
        return sizes


def _part(argv: list[bytes], size: int) -> int:
    """Return how many of `size` bytes GETRANGE shows."""
    start, end = parse_int64(argv[2]) or 0, parse_int64(argv[3]) or 0
    start = max(start + size, 0) if start < 0 else start
    end = max(end + size, 0) if end < 0 else end
    return max(min(end + 1, size) - start, 0)


def _gets(argv: list[bytes]) -> bool:
    return any(word.upper() == b"GET" for word in argv[3:])


def _has_large(argv: list[bytes]) -> bool:
    if len(argv) <= 3 and len(argv[-1]) < LARGE_BYTES:
        return False  # a key alone is never that long
    return max(map(len, argv)) >= LARGE_BYTES

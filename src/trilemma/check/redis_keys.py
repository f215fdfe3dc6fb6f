"""The sequential meaning of Redis' commands on keys as such: existence, names, deadlines.

Source: redis.io/commands/?group=generic; compared with redis-server in the tests.
"""

from collections.abc import Sequence
from typing import Any, Final

from trilemma.check.redis_entry import POSITIVE, ROLLING, Data, Entry, Refusal, deadline, later
from trilemma.check.redis_strings import Run


def _delete(data: Data, args: Sequence[bytes]) -> Any:
    return sum(data.pop(key, None) is not None for key in args)


def _exists(data: Data, args: Sequence[bytes]) -> Any:
    return sum(key in data for key in args)


def _type(data: Data, args: Sequence[bytes]) -> Any:
    return b"string" if args[0] in data else b"none"


def _rename(data: Data, args: Sequence[bytes]) -> Any:
    if args[0] not in data:
        raise Refusal("ERR no such key")
    data[args[1]] = data.pop(args[0])
    return b"OK"


def _renamenx(data: Data, args: Sequence[bytes]) -> Any:
    if args[0] not in data:
        raise Refusal("ERR no such key")
    if args[1] in data:
        return 0
    data[args[1]] = data.pop(args[0])
    return 1


def _copy(data: Data, args: Sequence[bytes]) -> Any:
    if args[0] == args[1]:
        raise Refusal("ERR source and destination objects are the same")
    replace = b"REPLACE" in [word.upper() for word in args[2:]]
    if args[0] not in data or (args[1] in data and not replace):
        return 0
    data[args[1]] = data[args[0]]
    return 1


def _expire(unit: bytes) -> Run:
    def run(data: Data, args: Sequence[bytes]) -> Any:
        entry = data.get(args[0])
        new_ms = deadline(unit, args[1])
        if entry is None or not _allowed(entry.deadline_ms, new_ms, args[2].upper() if len(args) > 2 else b""):
            return 0
        if new_ms is None:
            del data[args[0]]
        else:
            data[args[0]] = Entry(entry.value, new_ms)
        return 1

    return run


def _allowed(old_ms: int | None, new_ms: int | None, condition: bytes) -> bool:
    """Whether EXPIRE's condition lets the new deadline replace the old one; no deadline counts as infinitely late."""
    if condition == b"NX":
        return old_ms is None
    if condition == b"XX":
        return old_ms is not None
    if condition == b"GT":
        return old_ms is not None and new_ms is not None and later(new_ms, old_ms)
    if condition == b"LT":
        return old_ms is None or new_ms is None or later(old_ms, new_ms)
    return True


def _time_to_live(data: Data, args: Sequence[bytes]) -> Any:
    entry = data.get(args[0])
    if entry is None:
        return -2
    return -1 if entry.deadline_ms is None else POSITIVE


def _expire_time(divisor: int) -> Run:
    def run(data: Data, args: Sequence[bytes]) -> Any:
        entry = data.get(args[0])
        if entry is None:
            return -2
        if entry.deadline_ms is None:
            return -1
        return POSITIVE if entry.deadline_ms == ROLLING else (entry.deadline_ms + divisor // 2) // divisor

    return run


def _persist(data: Data, args: Sequence[bytes]) -> Any:
    entry = data.get(args[0])
    if entry is None or entry.deadline_ms is None:
        return 0
    data[args[0]] = Entry(entry.value)
    return 1


COMMANDS: Final[dict[bytes, Run]] = {
    b"DEL": _delete,
    b"UNLINK": _delete,
    b"EXISTS": _exists,
    b"TOUCH": _exists,
    b"TYPE": _type,
    b"RENAME": _rename,
    b"RENAMENX": _renamenx,
    b"COPY": _copy,
    b"EXPIRE": _expire(b"EX"),
    b"PEXPIRE": _expire(b"PX"),
    b"EXPIREAT": _expire(b"EXAT"),
    b"PEXPIREAT": _expire(b"PXAT"),
    b"TTL": _time_to_live,
    b"PTTL": _time_to_live,
    b"EXPIRETIME": _expire_time(1000),
    b"PEXPIRETIME": _expire_time(1),
    b"PERSIST": _persist,
}

READS: Final = frozenset({b"EXISTS", b"TOUCH", b"TYPE", b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"})
"""The commands above that never change anything."""

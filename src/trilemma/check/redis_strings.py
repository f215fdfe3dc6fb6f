"""The sequential meaning of Redis' string commands, one function per command.

Each takes the data, which it may change, and the arguments after the command's name, and returns the reply.
Source: redis.io/commands/?group=string; compared with redis-server in the tests.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from trilemma.check.redis_entry import INT64_MAX, INT64_MIN, Data, Entry, Refusal, deadline, integer
from trilemma.check.redis_float import is_rounded, total
from trilemma.check.redis_lcs import lcs

Run = Callable[[Data, Sequence[bytes]], Any]

_UNITS: Final = (b"EX", b"PX", b"EXAT", b"PXAT")


def _value(data: Data, key: bytes) -> bytes | None:
    entry = data.get(key)
    return None if entry is None else entry.value


def _number(data: Data, key: bytes) -> bytes:
    """Return what is added to: what is absent counts as 0, but what holds nothing is no number."""
    value = _value(data, key)
    return b"0" if value is None else value


def _put(data: Data, key: bytes, value: bytes) -> None:
    """Change a value as APPEND or INCR do: the deadline stays."""
    entry = data.get(key)
    data[key] = Entry(value, None if entry is None else entry.deadline_ms)


def _set(data: Data, args: Sequence[bytes]) -> Any:
    key, value, *words = args
    options = [word.upper() for word in words]
    old = data.get(key)
    shown = old.value if old is not None and b"GET" in options else None
    if (b"NX" in options and old is not None) or (b"XX" in options and old is None):
        return shown
    data[key] = Entry(value, old.deadline_ms if old is not None and b"KEEPTTL" in options else None)
    for unit, number in zip(options, words[1:], strict=False):
        if unit in _UNITS:
            _expire_at(data, key, deadline(unit, number))
    return shown if b"GET" in options else b"OK"


def _expire_at(data: Data, key: bytes, deadline_ms: int | None) -> None:
    if deadline_ms is None:
        del data[key]
    else:
        data[key] = Entry(data[key].value, deadline_ms)


def _get(data: Data, args: Sequence[bytes]) -> Any:
    return _value(data, args[0])


def _getset(data: Data, args: Sequence[bytes]) -> Any:
    old = _value(data, args[0])
    data[args[0]] = Entry(args[1])
    return old


def _getdel(data: Data, args: Sequence[bytes]) -> Any:
    entry = data.pop(args[0], None)
    return None if entry is None else entry.value


def _getex(data: Data, args: Sequence[bytes]) -> Any:
    key = args[0]
    value = _value(data, key)
    if value is not None and len(args) > 1:
        if args[1].upper() == b"PERSIST":
            data[key] = Entry(value)
        else:
            _expire_at(data, key, deadline(args[1].upper(), args[2]))
    return value


def _setnx(data: Data, args: Sequence[bytes]) -> Any:
    if args[0] in data:
        return 0
    data[args[0]] = Entry(args[1])
    return 1


def _set_with_deadline(unit: bytes) -> Run:
    def run(data: Data, args: Sequence[bytes]) -> Any:
        return _set(data, (args[0], args[2], unit, args[1]))

    return run


def _mget(data: Data, args: Sequence[bytes]) -> Any:
    return tuple(_value(data, key) for key in args)


def _mset(data: Data, args: Sequence[bytes]) -> Any:
    data.update((key, Entry(value)) for key, value in zip(args[::2], args[1::2], strict=True))
    return b"OK"


def _msetnx(data: Data, args: Sequence[bytes]) -> Any:
    if any(key in data for key in args[::2]):
        return 0
    _mset(data, args)
    return 1


def _append(data: Data, args: Sequence[bytes]) -> Any:
    value = (_value(data, args[0]) or b"") + args[1]
    _put(data, args[0], value)
    return len(value)


def _strlen(data: Data, args: Sequence[bytes]) -> Any:
    return len(_value(data, args[0]) or b"")


def _getrange(data: Data, args: Sequence[bytes]) -> Any:
    begin, end = integer(args[1]), integer(args[2])
    value = _value(data, args[0]) or b""
    if begin < 0 and end < 0 and begin > end:
        return b""
    begin = max(begin + len(value), 0) if begin < 0 else begin
    end = max(end + len(value), 0) if end < 0 else end
    return value[begin : end + 1]


def _setrange(data: Data, args: Sequence[bytes]) -> Any:
    offset = integer(args[1])
    if offset < 0:
        raise Refusal("ERR offset is out of range")
    value = _value(data, args[0]) or b""
    if args[2]:
        value = value.ljust(offset, b"\0")
        value = value[:offset] + args[2] + value[offset + len(args[2]) :]
        _put(data, args[0], value)
    return len(value)


def _increment(data: Data, key: bytes, amount: int) -> int:
    total = integer(_number(data, key)) + amount
    if not INT64_MIN <= total <= INT64_MAX:
        raise Refusal("ERR increment or decrement would overflow")
    _put(data, key, b"%d" % total)
    return total


def _decrby(data: Data, args: Sequence[bytes]) -> Any:
    amount = integer(args[1])
    if amount == INT64_MIN:
        raise Refusal("ERR decrement would overflow")
    return _increment(data, args[0], -amount)


def _incrbyfloat(data: Data, args: Sequence[bytes]) -> Any:
    text = total(_number(data, args[0]), args[1])
    _put(data, args[0], text)
    return text


def incrbyfloat_as_told(data: Data, args: Sequence[bytes], told: Any, *, is_exact: bool = False) -> Any:
    """Add a number, and round as the reply does where rounding may have made it (see `is_rounded`); else as the model
    does."""
    if isinstance(told, bytes) and is_rounded(_number(data, args[0]), args[1], told, is_exact=is_exact):
        _put(data, args[0], told)
        return told
    return _incrbyfloat(data, args)


def _lcs(data: Data, args: Sequence[bytes]) -> Any:
    return lcs(_value(data, args[0]) or b"", _value(data, args[1]) or b"", args[2:])


COMMANDS: Final[dict[bytes, Run]] = {
    b"SET": _set,
    b"GET": _get,
    b"GETSET": _getset,
    b"GETDEL": _getdel,
    b"GETEX": _getex,
    b"SETNX": _setnx,
    b"SETEX": _set_with_deadline(b"EX"),
    b"PSETEX": _set_with_deadline(b"PX"),
    b"MGET": _mget,
    b"MSET": _mset,
    b"MSETNX": _msetnx,
    b"APPEND": _append,
    b"STRLEN": _strlen,
    b"GETRANGE": _getrange,
    b"SUBSTR": _getrange,
    b"SETRANGE": _setrange,
    b"INCR": lambda data, args: _increment(data, args[0], 1),
    b"DECR": lambda data, args: _increment(data, args[0], -1),
    b"INCRBY": lambda data, args: _increment(data, args[0], integer(args[1])),
    b"DECRBY": _decrby,
    b"INCRBYFLOAT": _incrbyfloat,
    b"LCS": _lcs,
}

READS: Final = frozenset({b"GET", b"MGET", b"STRLEN", b"GETRANGE", b"SUBSTR", b"LCS"})
"""The commands above that never change anything."""

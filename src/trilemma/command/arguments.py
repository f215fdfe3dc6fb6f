"""Reading arguments the way Redis does: numbers, expiry times, options."""

from trilemma.base.errors import ReplyError, error, register
from trilemma.resp.number import parse_int64

INT64_MAX = (1 << 63) - 1
INT64_MIN = -(1 << 63)
INT32_MAX = (1 << 31) - 1
INT32_MIN = -(1 << 31)
MS_PER_S = 1_000

register("invalid_expire", "ERR invalid expire time in '{command}' command", "send a time that fits 64 bits of ms")
register(
    "int32_range",
    f"ERR value is out of range, value must between {INT32_MIN} and {INT32_MAX}",
    "send a number that fits 32 bits",
)
register("db_range", "ERR DB index is out of range", "dbs are 0 to 15")
register("no_such_key", "ERR no such key", "create the key first")


def integer(text: bytes) -> int:
    """Return an int64.

    Raises:
        ReplyError: not_integer.
    """
    number = parse_int64(text)
    if number is None:
        raise error("not_integer")
    return number


def deadline_ms(command: str, unit: bytes, text: bytes, now_ms: int) -> int:
    """Return the absolute deadline of SET's and GETEX' EX, PX, EXAT, PXAT.

    Raises:
        ReplyError: not_integer, invalid_expire (zero and below, or beyond 64 bits).
    """
    number = integer(text)
    if number <= 0:
        raise error("invalid_expire", command=command)
    return absolute_ms(command, number, unit in (b"EX", b"EXAT"), unit in (b"EX", b"PX"), now_ms)


def absolute_ms(command: str, number: int, in_seconds: bool, is_relative: bool, now_ms: int) -> int:
    """Return a time as absolute milliseconds.

    Raises:
        ReplyError: invalid_expire, where it leaves 64 bits.
    """
    if in_seconds:
        if not -(-INT64_MIN // MS_PER_S) <= number <= INT64_MAX // MS_PER_S:
            raise error("invalid_expire", command=command)
        number *= MS_PER_S
    if is_relative:
        if number > INT64_MAX - now_ms:
            raise error("invalid_expire", command=command)
        number += now_ms
    return number


def db_index(text: bytes, dbs: int = 16) -> int:
    """Return the number of a db.

    Raises:
        ReplyError: not_integer, int32_range, db_range.
    """
    number = int32(text)
    if not 0 <= number < dbs:
        raise error("db_range")
    return number


def selected_db(text: bytes, before: int) -> int:
    """Return the db after a SELECT: the one before, where SELECT answers an error."""
    try:
        return db_index(text)
    except ReplyError:
        return before


def int32(text: bytes) -> int:
    """Return a C int.

    Raises:
        ReplyError: not_integer, int32_range.
    """
    number = integer(text)
    if not INT32_MIN <= number <= INT32_MAX:
        raise error("int32_range")
    return number

"""What the sequential Redis model works on: a few keys, their values and deadlines, and the rules they share.

Owns argument parsing with Redis 7.0's error texts. Time does not pass in the model: a deadline is far ahead or past.
Source: redis.io/commands; compared with redis-server in the tests.
"""

import re
from typing import Final, NamedTuple, TypeAlias

INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1

ROLLING: Final = -1
"""A deadline set relative to a now that the model does not know. It lies before any absolute deadline (FAR_MS on)."""

FAR_MS: Final = 10_000_000_000_000
"""Absolute deadlines (ms since 1970) from here on, the year 2286, have not passed; those below have."""

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


class Entry(NamedTuple):
    """A key's value and deadline (ms since 1970, ROLLING, or None)."""

    value: bytes
    deadline_ms: int | None = None


Data: TypeAlias = dict[bytes, Entry]


class Refusal(Exception):  # noqa: N818 - a reply, not a fault of the program
    """An error reply, with its text."""


class _Positive:
    """The expected reply 'some positive integer': a time to live."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and other > 0

    __hash__ = None  # type: ignore[assignment]


POSITIVE: Final = _Positive()


def integer(text: bytes) -> int:
    """Return the integer that Redis would read from `text`.

    Raises:
        Refusal: Redis would not.
    """
    if _INTEGER.fullmatch(text):
        number = int(text)
        if INT64_MIN <= number <= INT64_MAX:
            return number
    raise Refusal("ERR value is not an integer or out of range")


def deadline(unit: bytes, text: bytes) -> int | None:
    """Return the deadline named by EX, PX, EXAT or PXAT and a number; None if it has passed already."""
    number = integer(text)
    if unit in (b"EX", b"PX"):
        return ROLLING if number > 0 else None
    moment_ms = number * 1000 if unit == b"EXAT" else number
    return moment_ms if moment_ms >= FAR_MS else None


def later(one_ms: int, other_ms: int) -> bool:
    """Whether the first deadline is later than the second.

    Raises:
        ValueError: both are relative, and the model knows no now.
    """
    if one_ms == other_ms == ROLLING:
        raise ValueError("the model cannot compare two relative deadlines")
    return one_ms > other_ms

"""The numbers of INCRBYFLOAT in the sequential Redis model: which texts are numbers, their sums, what rounding does.

Redis adds long doubles of 64 bits of mantissa, and prints 17 digits after the point. The model adds exactly, and holds
any reply for right that this rounding may have made of a sum: what was rounded, only the reply can tell. Where there is
none, see `is_unsure`. Source: string2ld and ld2string of redis-server 7.0 (util.c), incrbyfloatCommand (t_string.c).
Twin: the store's own long doubles, in the tests.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from trilemma.check.redis_entry import Refusal

TEXT_BYTES_MAX: Final = 5 * 1024 - 1
"""MAX_LONG_DOUBLE_CHARS of Redis, less its NUL."""

_DIGITS: Final = 17
_MANTISSA_BITS: Final = 64
_TOO_LARGE: Final = Fraction(2) ** 16_384
_TOO_SMALL: Final = Fraction(2) ** -16_446
"""Half of the smallest number: what is not above it is rounded to none."""

_FAR: Final = 8 * TEXT_BYTES_MAX
"""An exponent so large is out of range whatever stands before it."""

_DECIMAL = re.compile(rb"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
_HEXADECIMAL = re.compile(
    rb"([+-]?)0[xX](?:([0-9a-fA-F]+)(?:\.([0-9a-fA-F]*))?|\.([0-9a-fA-F]+))(?:[pP]([+-]?[0-9]+))?"
)
_INFINITE = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE)

_SHORT_BITS: Final = 30
"""A number of so many bits before the point, and no more than 17 after it, makes sums that are exact in any format, as
long as there are fewer than some thousands of them."""


_NUMBERS_KEPT: Final = 1_024
"""How many texts are remembered with their numbers: a search adds the same ones over and over."""


@lru_cache(_NUMBERS_KEPT)
def number(text: bytes) -> Fraction | None:
    """Return the number that a text is to Redis; None for an infinite one.

    Raises:
        Refusal: it is none, or beyond what a long double can be.
    """
    if _INFINITE.fullmatch(text):
        return None
    match = _DECIMAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text)
    value = None if match is None or len(text) > TEXT_BYTES_MAX else _value(match)
    if value is None:
        raise Refusal("ERR value is not a valid float")
    return value


def _value(match: re.Match[bytes]) -> Fraction | None:
    """Return what digits with an exponent stand for; None where a long double cannot."""
    base, unit = (10, 10) if match.re is _DECIMAL else (16, 2)
    part = match[3] or match[4] or b""
    digits = ((match[2] or b"") + part).decode()
    # int() of a decimal text this long is refused by Python; that of a Decimal is not.
    mantissa = Fraction(int(Decimal(digits)) if base == 10 else int(digits, base), base ** len(part))
    if not mantissa:
        return mantissa
    if abs(float(match[5] or 0)) > _FAR:
        return None
    size = mantissa * Fraction(unit) ** int(match[5] or 0)
    if size <= _TOO_SMALL or size >= _TOO_LARGE:
        return None
    return -size if match[1] == b"-" else size


def total(held: bytes, amount: bytes) -> bytes:
    """Return the sum of two texts as Redis would print it, had it rounded nothing before.

    Raises:
        Refusal: one of them is no number, or the sum is none.
    """
    left, right = number(held), number(amount)
    if left is None or right is None or abs(left + right) >= _TOO_LARGE:
        raise Refusal("ERR increment would produce NaN or Infinity")
    return _printed(left + right)


def is_rounded(held: bytes, amount: bytes, told: bytes, *, is_exact: bool = False) -> bool:
    """Say whether a reply is what rounding may have made of the sum of two texts.

    Args:
        is_exact: a store that keeps exact sums, and rounds each as it is shown: what is held is one that was shown.
    """
    try:
        left, right, shown = number(held), number(amount), number(told)
    except Refusal:
        return False
    if left is None or right is None or shown is None or _printed(shown) != told:
        return False
    exact = left + right
    errors = sum(_rounding(each) for each in (left, right))
    if is_exact:
        errors += abs(left) / (1 << _MANTISSA_BITS) + Fraction(1, 2 * 10**_DIGITS)
    if errors or _rounding(exact):
        errors += abs(exact) / (1 << _MANTISSA_BITS)
    return abs(exact - shown) <= errors + Fraction(1, 2 * 10**_DIGITS)


def _rounding(value: Fraction) -> Fraction:
    """Return by how much a long double that stands for a number may differ from it."""
    whole = value.numerator
    odd = whole // (whole & -whole) if whole else 0
    is_held = value.denominator & (value.denominator - 1) == 0 and abs(odd).bit_length() <= _MANTISSA_BITS
    return Fraction(0) if is_held else abs(value) / (1 << _MANTISSA_BITS)


def _printed(value: Fraction) -> bytes:
    scaled = round(value * 10**_DIGITS)
    digits = str(Decimal(abs(scaled))).rjust(_DIGITS + 1, "0")  # of an int this long Python refuses to make a text
    text = f"{digits[:-_DIGITS]}.{digits[-_DIGITS:]}".rstrip("0").rstrip(".")
    return ("-" + text if scaled < 0 else text).encode()


def is_unsure(words: Iterable[object]) -> bool:
    """Say whether among words there is a number, not short, with which a sum may have been rounded."""
    return any(isinstance(word, bytes) and not _is_short(word) for word in words)


def _is_short(text: bytes) -> bool:
    try:
        value = number(text)
    except Refusal:
        return True  # no number at all
    return value is None or (abs(value) < 1 << _SHORT_BITS and (value * (1 << _DIGITS)).denominator == 1)

"""The 80-bit long double of INCRBYFLOAT: parsed, added and printed as an x86-64 redis-server does.

Exact fractions are rounded to 64 bits of mantissa after each step, ties to even, so that replies are Redis' byte for
byte and equal on every replica, whatever its processor. Source: string2ld and ld2string of redis-server 7.0 (util.c);
incrbyfloatCommand (t_string.c); the x87 extended format.
"""

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from trilemma.resp.number import DECIMAL, HEXADECIMAL, INFINITY

LongDouble: TypeAlias = Fraction | float
"""A float only where it is infinite."""

TEXT_BYTES_MAX = 5 * 1024 - 1  # MAX_LONG_DOUBLE_CHARS of Redis, less its NUL
_MANTISSA_BITS = 64
_EXPONENT_END = 16_384  # the first power of two that is too large
_QUANTUM_MIN = -16_445  # the exponent of the smallest subnormal
_HUMAN_DIGITS = 17  # after the point
# Texts of magnitudes far outside the format are refused before any power is computed for them.
_MAGNITUDE_MAX = {10: 4_940, 16: 16_400}
_MAGNITUDE_MIN = {10: -4_960, 16: -16_460}
_EXPONENT_DIGITS_MAX = 6


def parse_long_double(text: bytes) -> LongDouble | None:
    """Return the long double that `text` is to Redis (decimal, hexadecimal or infinite), or None.

    Not a number, a finite text beyond the largest value, or one that vanishes to zero is none.
    """
    if len(text) > TEXT_BYTES_MAX:
        return None
    if (infinite := INFINITY.fullmatch(text)) is not None:
        return -math.inf if infinite[1] == b"-" else math.inf
    base, match = 10, DECIMAL.fullmatch(text)
    if match is None:
        base, match = 16, HEXADECIMAL.fullmatch(text)
    return None if match is None else _from_digits(match, base)


def add_long_doubles(left: LongDouble, right: LongDouble) -> Fraction | None:
    """Return the rounded sum; None where it is infinite or not a number."""
    if isinstance(left, float) or isinstance(right, float):
        return None
    return _rounded(left + right)


def format_long_double(value: Fraction) -> bytes:
    """Return the text that INCRBYFLOAT stores: 17 digits after the point, without zeros at the end."""
    scaled = round(value * 10**_HUMAN_DIGITS)
    # str() of an int this long is refused by Python; Decimal's is not, and is exact here.
    digits = str(Decimal(abs(scaled))).rjust(_HUMAN_DIGITS + 1, "0")
    whole, part = digits[:-_HUMAN_DIGITS], digits[-_HUMAN_DIGITS:].rstrip("0")
    text = f"{whole}.{part}" if part else whole
    return ("-" + text if scaled < 0 else text).encode("ascii")


def _from_digits(match: re.Match[bytes], base: int) -> Fraction | None:
    part = match[4] if match[4] is not None else match[3] or b""
    digits = ((match[2] or b"") + part).lstrip(b"0").decode("ascii")
    if not digits:
        return Fraction(0)
    exponent = _exponent(match[5])
    digit_power = 4 if base == 16 else 1
    magnitude = digit_power * (len(digits) - len(part)) + exponent
    if not _MAGNITUDE_MIN[base] <= magnitude <= _MAGNITUDE_MAX[base]:
        return None
    mantissa = int(digits, 16) if base == 16 else int(Decimal(digits))
    power = exponent - digit_power * len(part)
    unit = 2 if base == 16 else 10
    value = Fraction(mantissa * unit**power) if power >= 0 else Fraction(mantissa, unit**-power)
    rounded = _rounded(-value if match[1] == b"-" else value)
    return rounded or None  # a nonzero text that vanishes is an error to Redis


def _exponent(text: bytes | None) -> int:
    """Return an exponent, clipped where it can no longer matter."""
    if text is None:
        return 0
    digits = text.lstrip(b"+-").lstrip(b"0") or b"0"
    size = int(digits) if len(digits) <= _EXPONENT_DIGITS_MAX else 10**_EXPONENT_DIGITS_MAX
    return -size if text[:1] == b"-" else size


def _rounded(value: Fraction) -> Fraction | None:
    """Return the nearest value of the format, ties to even; None beyond the largest."""
    if not value:
        return value
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if size < _power_of_two(exponent):
        exponent -= 1
    quantum = _power_of_two(max(exponent - _MANTISSA_BITS + 1, _QUANTUM_MIN))
    result = round(value / quantum) * quantum
    return None if abs(result) >= 1 << _EXPONENT_END else result


def _power_of_two(exponent: int) -> Fraction:
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)

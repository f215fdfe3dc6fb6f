"""The text of exact numbers, of any length: what counters hold and ship.

A long double has up to 4,933 digits before the point and its exact fraction as many below the bar; Python refuses to
turn an int of more than 4,300 digits (or fewer, where a program says so) into text and back, Decimal does not.
"""

from decimal import Decimal
from fractions import Fraction

_SHORT_BITS = 2_000
"""An int below this has at most 603 digits; the lowest limit that Python can be set to is 640."""
_SHORT_DIGITS = 600


def exact_text(number: Fraction) -> str:
    """Return an exact number as text: `7`, or `7/2`."""
    top = _digits(number.numerator)
    return top if number.denominator == 1 else f"{top}/{_digits(number.denominator)}"


def exact_number(text: str) -> Fraction:
    """Read back what `exact_text` wrote."""
    top, _, below = text.partition("/")
    return Fraction(_int(top), _int(below)) if below else Fraction(_int(top))


def _digits(number: int) -> str:
    return str(number) if number.bit_length() <= _SHORT_BITS else str(Decimal(number))


def _int(digits: str) -> int:
    return int(digits) if len(digits) <= _SHORT_DIGITS else int(Decimal(digits))

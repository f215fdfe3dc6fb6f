"""What a state shows as a string: the SET that won, and what was added to it where it is a number.

Sums are exact; they are rounded once, as they are shown (PROTOCOLS §5.5).
"""

from fractions import Fraction

from trilemma.crdt.entry import KeyState
from trilemma.crdt.exact import exact_text
from trilemma.resp.longdouble import add_long_doubles, format_long_double, parse_long_double
from trilemma.resp.number import parse_int64


def shown(state: KeyState) -> bytes | None:
    """Return the string that a state shows: the winning SET, with what was added to it where it is a number."""
    return shown_as(state, exact(state) if state.counts_live else None)


def shown_as(state: KeyState, number: Fraction | None) -> bytes | None:
    """Return the string that a state shows of which `exact` is known."""
    if state.counts_live and number is not None:
        return number_text(number)
    winner = state.winner()
    return None if winner is None else winner.value


def exact(state: KeyState) -> Fraction | None:
    """Return the exact number that a state is, 0 where nothing is, None where a text hides what was added."""
    winner = state.winner()
    base = Fraction(0) if winner is None else _number(winner.value)
    return None if base is None else base + state.sum()


def _number(text: bytes) -> Fraction | None:
    """Return the exact number that a string is, None where it is none."""
    integer = parse_int64(text)
    if integer is not None:
        return Fraction(integer)
    found = parse_long_double(text)
    return found if isinstance(found, Fraction) else None


def number_text(number: Fraction) -> bytes:
    """Return a number as it is shown: exact if whole, else rounded once as INCRBYFLOAT does."""
    if number.denominator == 1:
        return exact_text(number).encode("ascii")
    rounded = add_long_doubles(number, Fraction(0))
    return b"inf" if rounded is None else format_long_double(rounded)


def is_beyond_int64(text: bytes) -> bool:
    """Say whether a string is a whole number beyond 64 bits, as merged sums may be."""
    return text.removeprefix(b"-").isdigit()

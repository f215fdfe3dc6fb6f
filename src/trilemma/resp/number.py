"""Numbers in Redis' text forms: which texts are numbers, and which text a number gets.

Python's int() and float() accept more (blanks, `_`, `+1`, other digits) and print otherwise, so neither is used on what
a client sent. Source: string2ll (util.c), getDoubleFromObject (object.c) and addReplyDouble (networking.c) of
redis-server 7.0. The numbers of INCRBYFLOAT are in longdouble.py.
"""

import math
import re

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
# What C's strtod takes, without its NaN and the blanks before, none of which Redis accepts.
DECIMAL = re.compile(rb"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
HEXADECIMAL = re.compile(rb"([+-]?)0[xX](?:([0-9a-fA-F]+)(?:\.([0-9a-fA-F]*))?|\.([0-9a-fA-F]+))(?:[pP]([+-]?[0-9]+))?")
INFINITY = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)


def parse_int64(text: bytes) -> int | None:
    """Return the integer that `text` is in Redis' one accepted form, or None.

    No blank, plus sign, leading zero or minus zero; 64 bits.
    """
    if _INTEGER.fullmatch(text) is None:
        return None
    value = int(text)
    return value if INT64_MIN <= value <= INT64_MAX else None


def parse_double(text: bytes) -> float | None:
    """Return the double that `text` is to Redis (decimal, hexadecimal or infinite), or None.

    Not a number, a finite text beyond the largest double, or one that vanishes to zero is no double.
    """
    if (infinite := INFINITY.fullmatch(text)) is not None:
        return -math.inf if infinite[1] == b"-" else math.inf
    match = DECIMAL.fullmatch(text)
    if match is not None:
        value = float(text)
    else:
        match = HEXADECIMAL.fullmatch(text)
        if match is None:
            return None
        try:
            value = float.fromhex(text.decode("ascii"))
        except OverflowError:
            return None
    if math.isinf(value) or (value == 0 and any((match[group] or b"").strip(b"0") for group in (2, 3, 4))):
        return None
    return value


def format_double(value: float) -> bytes:
    """Return a double as Redis 7.0 sends it: 17 significant digits, as C's %.17g."""
    return b"%.17g" % value

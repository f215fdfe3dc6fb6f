"""Numbers in Redis' text forms: which texts are numbers, and which text a number gets.

Python's int() and float() accept more (blanks, `_`, `+1`, other digits) and print otherwise, so neither is used on what
a client sent. Source: string2ll, getDoubleFromObject and addReplyDouble of redis-server 7.0.
"""

import re

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


def parse_int64(text: bytes) -> int | None:
    """Return the integer that `text` is in Redis' one accepted form, or None.

    No blank, plus sign, leading zero or minus zero; 64 bits. Source: string2ll (util.c).
    """
    if _INTEGER.fullmatch(text) is None:
        return None
    value = int(text)
    return value if INT64_MIN <= value <= INT64_MAX else None

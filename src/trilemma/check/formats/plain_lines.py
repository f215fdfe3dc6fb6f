"""Reads and writes of plain values in our own format, many lines at once and without a call for each.

Only lines that are spelled as `writer` spells them are taken: what comes out of decoding is encoded again, and if that
is not the same to the byte, the lines are left to the reader that takes each apart. So no member can stand twice, no
value can be spelled in a second way, and times, truths and broken numbers need no second look.
Source: see `jsonlines`. Twin: `jsonlines.stream`, in the tests.
"""

from typing import Annotated, Final, Literal

import msgspec

from trilemma.check.formats.jsonlines import DECODE_ERRORS
from trilemma.check.history import END_OF_TIME_US

_Time = Annotated[int, msgspec.Meta(ge=0, lt=END_OF_TIME_US)]


class PlainLine(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A read or a write, its members in the order in which they are written; text stands for bytes."""

    process: int
    invoke_us: _Time
    complete_us: _Time | None = None
    kind: Literal["read", "write"]
    key: str
    argument: str | int | None = None
    result: str | int | None = None
    outcome: Literal["ok", "fail", "info"] = "ok"
    node: str = ""
    keyspace: str = ""
    mode: str = ""


_DECODE: Final = msgspec.json.Decoder(PlainLine).decode_lines
_ENCODE: Final = msgspec.json.Encoder().encode_lines


def plain_lines(piece: bytes) -> list[PlainLine] | None:
    """Return what the lines of a piece say, however it is spelled; None where one of them says anything else."""
    try:
        return _DECODE(piece)
    except DECODE_ERRORS:
        return None


def plain_groups(piece: bytes) -> dict[str, list[PlainLine]] | None:
    """Return what the lines of a piece say, by key; None where one of them is anything else, or wrong."""
    lines = plain_lines(piece)
    if lines is None or _ENCODE(lines) != piece:
        return None
    keys: dict[str, list[PlainLine]] = {}
    for line in lines:
        end_us = line.complete_us
        if end_us is None:
            if line.outcome == "ok":
                return None
        elif end_us < line.invoke_us:
            return None
        group = keys.get(line.key)
        if group is None:
            keys[line.key] = [line]
        else:
            group.append(line)
    return keys

"""LCS: the longest common subsequence of two strings, as Redis 7.0 reports it (t_string.c, lcsCommand).

A row of the table is one number, whose bits say where the length grows: H. Hyyrö, "Bit-parallel LCS-length computation
revisited", AWOCA 2004. A whole table at the bound takes milliseconds, so that no LCS keeps a node from its links.
"""

from dataclasses import dataclass

from trilemma.base.errors import ReplyError, error, register
from trilemma.base.limits import limit
from trilemma.command.arguments import integer
from trilemma.command.context import DataContext
from trilemma.resp.reply import MapReply, Reply

LCS_CELLS_MAX = limit(
    "lcs_cells_max", 4 << 20, "cells", "the table of length x length costs time", "ERR Insufficient memory …"
)
LCS_BYTES_MAX = limit(
    "lcs_bytes_max", 64 << 10, "bytes of both strings", "the way back through the table costs time", "as above"
)

register("lcs_both", "ERR If you want both the length and indexes, please just use IDX.", "leave LEN out")
register("lcs_strings", "ERR The specified keys must contain string values", "compare strings")
register(
    "lcs_memory",
    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
    "compare shorter strings",
)


@dataclass(slots=True)
class _Options:
    length: bool = False
    indexes: bool = False
    with_lengths: bool = False
    shortest: int = 0


def _parse(words: list[bytes]) -> _Options:
    options = _Options()
    position = 0
    while position < len(words):
        word = words[position].upper()
        if word == b"IDX":
            options.indexes = True
        elif word == b"LEN":
            options.length = True
        elif word == b"WITHMATCHLEN":
            options.with_lengths = True
        elif word == b"MINMATCHLEN" and position + 1 < len(words):
            options.shortest = max(integer(words[position + 1]), 0)
            position += 1
        else:
            raise error("syntax")
        position += 1
    return options


def _strings(ctx: DataContext, argv: list[bytes]) -> tuple[bytes, bytes]:
    try:
        first, second = (ctx.view.string(ctx.db, key) or b"" for key in argv[1:3])
    except ReplyError:
        raise error("lcs_strings") from None
    return first, second


def _rows(first: bytes, second: bytes) -> list[int]:
    """Return a row of bits for every prefix of `first`: bit j is clear where byte j of `second` makes it one longer.

    The number of clear bits among the lowest j is the length for the first j bytes of `second`.
    """
    if len(first) + len(second) > LCS_BYTES_MAX or (len(first) + 1) * (len(second) + 1) > LCS_CELLS_MAX:
        raise error("lcs_memory")
    ones = (1 << len(second)) - 1
    where = {byte: _places(second, byte) for byte in set(first)}
    row = ones
    rows = [row]
    for byte in first:
        matched = row & where[byte]
        row = (row + matched | row - matched) & ones
        rows.append(row)
    return rows


def _places(text: bytes, byte: int) -> int:
    """Return a number with a bit for every place at which a byte stands."""
    digits = bytearray(b"0" * 256)
    digits[byte] = ord("1")
    return int(text.translate(digits)[::-1] or b"0", 2)


@dataclass(slots=True)
class _Match:
    first_start: int
    second_start: int
    length: int


class _Lengths:
    """The lengths of one row, from its end leftwards."""

    __slots__ = ("_bits", "length")

    def __init__(self, row: int, columns: int) -> None:
        self.length = columns - (row & (1 << columns) - 1).bit_count()
        self._bits = row.to_bytes(max(row.bit_length(), columns) // 8 + 1, "little")

    def left(self, column: int) -> int:
        """Return the length one column to the left of `column`."""
        return self.length - (not self._bits[column - 1 >> 3] >> (column - 1 & 7) & 1)


def _walk(first: bytes, second: bytes, rows: list[int]) -> tuple[bytes, list[_Match]]:
    """Walk back from the end; return the subsequence and its runs, the last run first."""
    found = bytearray()
    runs: list[_Match] = []
    row, column = len(first), len(second)
    here, above = _Lengths(rows[row], column), _Lengths(rows[row - 1], column)
    is_running = False
    while row > 0 and column > 0:
        is_match = first[row - 1] == second[column - 1]
        if is_match:
            found.append(first[row - 1])
            if is_running:
                runs[-1].first_start, runs[-1].second_start = row - 1, column - 1
                runs[-1].length += 1
            else:
                runs.append(_Match(row - 1, column - 1, 1))
        is_running = is_match
        if not is_match and above.length <= here.left(column):
            here.length, above.length = here.left(column), above.left(column)
            column -= 1
            continue
        if is_match:
            column -= 1
        row -= 1
        here, above = _Lengths(rows[row], column), _Lengths(rows[max(row - 1, 0)], column)
    return bytes(reversed(found)), runs


def lcs(ctx: DataContext, argv: list[bytes]) -> Reply:
    """LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]."""
    first, second = _strings(ctx, argv)
    options = _parse(argv[3:])
    if options.indexes and options.length:
        raise error("lcs_both")
    rows = _rows(first, second)
    length = len(second) - rows[-1].bit_count()
    if options.length:
        return length
    common, runs = _walk(first, second, rows)
    if not options.indexes:
        return common
    matches: list[Reply] = [_shown(run, options.with_lengths) for run in runs if run.length >= options.shortest]
    return MapReply(((b"matches", matches), (b"len", length)))


def _shown(run: _Match, with_length: bool) -> Reply:
    ranges: list[Reply] = [[start, start + run.length - 1] for start in (run.first_start, run.second_start)]
    return [*ranges, run.length] if with_length else ranges

"""LCS: the longest common subsequence of two strings, as Redis 7.0 reports it (t_string.c, lcsCommand)."""

from array import array
from dataclasses import dataclass

from trilemma.base.errors import ReplyError, error, register
from trilemma.base.limits import limit
from trilemma.command.arguments import integer
from trilemma.command.context import DataContext
from trilemma.resp.reply import MapReply, Reply

LCS_CELLS_MAX = limit(
    "lcs_cells_max", 4 << 20, "cells", "the table of length x length is held in memory", "ERR Insufficient memory …"
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


def _table(first: bytes, second: bytes) -> "list[array[int]]":
    """Return the lengths for all pairs of prefixes."""
    if (len(first) + 1) * (len(second) + 1) > LCS_CELLS_MAX:
        raise error("lcs_memory")
    above = array("I", bytes(4 * (len(second) + 1)))
    table = [above]
    for byte in first:
        row = array("I", [0])
        left = 0
        for column, other in enumerate(second):
            left = above[column] + 1 if byte == other else max(left, above[column + 1])
            row.append(left)
        table.append(row)
        above = row
    return table


@dataclass(slots=True)
class _Match:
    first_start: int
    second_start: int
    length: int


def _walk(first: bytes, second: bytes, table: "list[array[int]]") -> tuple[bytes, list[_Match]]:
    """Walk back from the end; return the subsequence and its runs, the last run first."""
    found = bytearray()
    runs: list[_Match] = []
    row, column = len(first), len(second)
    is_running = False
    while row > 0 and column > 0:
        if first[row - 1] == second[column - 1]:
            row, column = row - 1, column - 1
            found.append(first[row])
            if is_running:
                runs[-1].first_start, runs[-1].second_start = row, column
                runs[-1].length += 1
            else:
                runs.append(_Match(row, column, 1))
                is_running = True
        else:
            if table[row - 1][column] > table[row][column - 1]:
                row -= 1
            else:
                column -= 1
            is_running = False
    return bytes(reversed(found)), runs


def lcs(ctx: DataContext, argv: list[bytes]) -> Reply:
    """LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]."""
    first, second = _strings(ctx, argv)
    options = _parse(argv[3:])
    if options.indexes and options.length:
        raise error("lcs_both")
    table = _table(first, second)
    if options.length:
        return table[-1][-1]
    common, runs = _walk(first, second, table)
    if not options.indexes:
        return common
    matches: list[Reply] = [_shown(run, options.with_lengths) for run in runs if run.length >= options.shortest]
    return MapReply(((b"matches", matches), (b"len", table[-1][-1])))


def _shown(run: _Match, with_length: bool) -> Reply:
    ranges: list[Reply] = [[start, start + run.length - 1] for start in (run.first_start, run.second_start)]
    return [*ranges, run.length] if with_length else ranges

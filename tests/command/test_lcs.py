"""LCS by rows of bits finds what the table of numbers finds, the way back through it included."""

import random

import pytest

from trilemma.base.errors import ReplyError
from trilemma.command import lcs

ROUNDS = 4_000


def table_of(first: bytes, second: bytes) -> list[list[int]]:
    """The dumb twin: the length for every pair of prefixes."""
    above = [0] * (len(second) + 1)
    table = [above]
    for byte in first:
        row = [0]
        for column, other in enumerate(second):
            row.append(above[column] + 1 if byte == other else max(row[-1], above[column + 1]))
        table.append(row)
        above = row
    return table


def walk(first: bytes, second: bytes, table: list[list[int]]) -> tuple[bytes, list[tuple[int, int]]]:
    """The dumb twin: lcsCommand's way back, as the subsequence and its pairs of places, last first."""
    found, places = bytearray(), []
    row, column = len(first), len(second)
    while row > 0 and column > 0:
        if first[row - 1] == second[column - 1]:
            row, column = row - 1, column - 1
            found.append(first[row])
            places.append((row, column))
        elif table[row - 1][column] > table[row][column - 1]:
            row -= 1
        else:
            column -= 1
    return bytes(reversed(found)), places


def test_random_strings_have_the_same_length_and_the_same_way_back() -> None:
    rng = random.Random(4)
    for _ in range(ROUNDS):
        letters = rng.choice([1, 2, 3, 4, 26])
        first, second = (bytes(rng.randrange(letters) for _ in range(rng.randrange(24))) for _ in range(2))
        table = table_of(first, second)
        rows = lcs._rows(first, second)
        common, runs = lcs._walk(first, second, rows)
        assert len(second) - rows[-1].bit_count() == table[-1][-1]
        wanted, places = walk(first, second, table)
        ends = [(run.first_start + i, run.second_start + i) for run in runs for i in reversed(range(run.length))]
        assert (common, ends) == (wanted, places), (first, second)


@pytest.mark.parametrize("sizes", [(2_048, 2_048), (1, lcs.LCS_BYTES_MAX), (lcs.LCS_BYTES_MAX, 0)])
def test_beyond_a_bound_it_is_refused(sizes: tuple[int, int]) -> None:
    first, second = (b"x" * size for size in sizes)
    lcs._rows(first[2:], second)
    with pytest.raises(ReplyError, match="Insufficient memory"):
        lcs._rows(first + b"x" * (lcs.LCS_CELLS_MAX // (len(second) + 1)), second + b"x")

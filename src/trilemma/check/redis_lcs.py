"""The sequential meaning of LCS with its options, by the book: a table of all lengths, and Redis' way back through it.

Replies to IDX are RESP2's. Source: redis.io/commands/lcs; compared with redis-server in the tests of the store's own.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

Places = tuple[tuple[int, int], ...]

ANSWERS_KEPT: Final = 4_096
"""A search asks for the same two strings over and over."""


def lcs(one: bytes, other: bytes, words: Sequence[bytes]) -> Any:
    """Return the reply for two strings; `words`: the options, in any case."""
    options = [word.upper() for word in words]
    pairs = _matched(one, other)
    if options == [b"LEN"]:
        return len(pairs)
    if b"IDX" not in options:
        return bytes(one[i] for i, _ in reversed(pairs))
    shortest = int(options[options.index(b"MINMATCHLEN") + 1]) if b"MINMATCHLEN" in options else 0
    matches = []
    for i, j, length in _runs(pairs):
        ranges = ((i, i + length - 1), (j, j + length - 1))
        if length >= shortest:
            matches.append((*ranges, length) if b"WITHMATCHLEN" in options else ranges)
    return b"matches", tuple(matches), b"len", len(pairs)


@lru_cache(ANSWERS_KEPT)
def _matched(one: bytes, other: bytes) -> Places:
    """Return the places of the bytes in common, the last ones first."""
    best = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, left in enumerate(one):
        for j, right in enumerate(other):
            best[i + 1][j + 1] = best[i][j] + 1 if left == right else max(best[i][j + 1], best[i + 1][j])
    pairs = []
    i, j = len(one), len(other)
    while i and j:
        if one[i - 1] == other[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif best[i - 1][j] > best[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return tuple(pairs)


def _runs(pairs: Places) -> list[tuple[int, int, int]]:
    """Return runs of neighbours in both strings as start, start and length, the last one first."""
    runs: list[tuple[int, int, int]] = []
    for i, j in pairs:
        if runs and (runs[-1][0] - 1, runs[-1][1] - 1) == (i, j):
            runs[-1] = (i, j, runs[-1][2] + 1)
        else:
            runs.append((i, j, 1))
    return runs

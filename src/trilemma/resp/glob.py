"""Glob patterns as KEYS, SCAN and CONFIG GET take them, without the exponential time of nested stars.

A pattern is cut at its stars; each piece between is of fixed length and becomes one compiled regular expression. The
first must match at the start, the last at the end, and each between at its leftmost place after the one before; since
leftmost is enough, nothing is tried twice (CVE-2022-36021, CVE-2024-31228). Source: stringmatchlen of redis-server 7.0
(util.c), its oddities included: ranges may be reversed and compare signed bytes, a class may lack its `]`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from trilemma.base.errors import error, register
from trilemma.base.limits import KIB, limit

GLOB_PATTERN_BYTES_MAX = limit(
    "glob_pattern_bytes_max",
    KIB,
    "bytes",
    "time to match a key grows with pattern times key",
    "ERR pattern is too long",
)
register("pattern_too_long", "ERR pattern is too long", "send at most glob_pattern_bytes_max bytes (docs/limits.md)")

_CACHED_PATTERNS_MAX = 64
_STAR, _ANY, _OPEN, _CLOSE, _RANGE, _ESCAPE = b"*?[]-\\"
_SPECIAL = re.compile(rb"[*?\[\\]")

Matcher = Callable[[bytes], bool]


def literal_prefix(pattern: bytes) -> bytes:
    """Return the bytes that every match begins with, to bound an iteration over keys."""
    special = _SPECIAL.search(pattern)
    return pattern if special is None else pattern[: special.start()]


@lru_cache(maxsize=_CACHED_PATTERNS_MAX)
def compile_glob(pattern: bytes, ignore_case: bool = False) -> Matcher:
    """Return a function that says whether a byte string matches.

    Raises:
        ReplyError: pattern_too_long.

    Cost: at most pattern bytes times string bytes per match.
    """
    if len(pattern) > GLOB_PATTERN_BYTES_MAX:
        raise error("pattern_too_long")
    if pattern == b"*":
        return lambda _: True
    pieces = _pieces(pattern, ignore_case)
    if len(pieces) == 1:
        whole = re.compile(pieces[0].expression, re.DOTALL).fullmatch
        return lambda string: whole(string) is not None
    return _star_matcher(pieces)


@dataclass(slots=True)
class _Piece:
    """What stands between two stars: a regular expression and how many bytes it matches."""

    expression: bytes = b""
    length: int = 0

    def add(self, atom: bytes) -> None:
        self.expression += atom
        self.length += 1


def _star_matcher(pieces: list[_Piece]) -> Matcher:
    first, *middle, last = (re.compile(piece.expression, re.DOTALL) for piece in pieces)
    first_length, last_length = pieces[0].length, pieces[-1].length
    # Redis never matches an empty string with a pattern of stars other than "*" itself.
    length_min = max(1, sum(piece.length for piece in pieces))

    def matches(string: bytes) -> bool:
        end = len(string) - last_length
        if len(string) < length_min or first.match(string) is None or last.match(string, end) is None:
            return False
        position = first_length
        for piece in middle:
            found = piece.search(string, position, end)
            if found is None:
                return False
            position = found.end()
        return True

    return matches


def _pieces(pattern: bytes, ignore_case: bool) -> list[_Piece]:
    """Cut a pattern at its stars; the first and the last piece may be empty, the others are not."""
    pieces = [_Piece()]
    index = 0
    while index < len(pattern):
        byte = pattern[index]
        if byte == _STAR:
            if pieces[-1].length or len(pieces) == 1:
                pieces.append(_Piece())
        elif byte == _ANY:
            pieces[-1].add(b".")
        elif byte == _OPEN:
            atom, index = _class(pattern, index + 1, ignore_case)
            pieces[-1].add(atom)
        else:
            if byte == _ESCAPE and index + 1 < len(pattern):
                index += 1
            pieces[-1].add(_one_of({_fold(pattern[index], ignore_case)}, ignore_case))
        index += 1
    return pieces


def _class(pattern: bytes, index: int, ignore_case: bool) -> tuple[bytes, int]:
    """Read a class from behind its `[`; return its expression and the index of its last byte."""
    negated = pattern[index : index + 1] == b"^"
    index += negated
    members: set[int] = set()
    while True:
        left = len(pattern) - index
        if left == 0:
            index -= 1  # no `]`: the class ends with the pattern
            break
        if left >= 2 and pattern[index] == _ESCAPE:
            index += 1
            members.add(_fold(pattern[index], ignore_case))
        elif pattern[index] == _CLOSE:
            break
        elif left >= 3 and pattern[index + 1] == _RANGE:
            members |= _range(pattern[index], pattern[index + 2], ignore_case)
            index += 2
        else:
            members.add(_fold(pattern[index], ignore_case))
        index += 1
    atom = _one_of(members, ignore_case)
    return (b"(?!%b)." % atom if negated else atom), index


def _range(start: int, end: int, ignore_case: bool) -> set[int]:
    """Return the bytes between two, which C compares as signed and Redis swaps before it folds their case."""
    low, high = sorted((_signed(start), _signed(end)))
    if ignore_case:
        low, high = (_signed(_fold(bound & 0xFF, True)) for bound in (low, high))
    return {byte & 0xFF for byte in range(low, high + 1)}


def _one_of(members: set[int], ignore_case: bool) -> bytes:
    """Return the expression of one byte that is, once folded, among `members`."""
    accepted = [byte for byte in range(256) if _fold(byte, ignore_case) in members] if ignore_case else sorted(members)
    if not accepted:
        return b"(?!)"
    if len(accepted) == 1:
        return re.escape(bytes(accepted))
    return b"[%b]" % b"".join(b"\\x%02x" % byte for byte in accepted)


def _fold(byte: int, ignore_case: bool) -> int:
    return byte | 0x20 if ignore_case and ord("A") <= byte <= ord("Z") else byte


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte

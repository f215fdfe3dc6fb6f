"""Glob patterns: against a transcript of Redis' own function, against redis-server, and against the clock."""

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trilemma.base.errors import ReplyError
from trilemma.resp.glob import GLOB_PATTERN_BYTES_MAX, compile_glob, literal_prefix


def transcript(pattern: bytes, string: bytes) -> bool:
    """stringmatchlen of redis-server 7.0, line by line: a NUL ends the pattern as it ends an sds."""

    def signed(byte: int) -> int:
        return byte - 256 if byte > 127 else byte

    text = pattern + b"\0\0"
    p, left, s = 0, len(pattern), 0
    while left and s < len(string):
        c = text[p : p + 1]
        if c == b"*":
            while left and text[p + 1 : p + 2] == b"*":
                p, left = p + 1, left - 1
            if left == 1:
                return True
            return any(transcript(pattern[p + 1 :], string[at:]) for at in range(s, len(string)))
        if c == b"[":
            p, left = p + 1, left - 1
            negated = text[p : p + 1] == b"^"
            p, left = p + negated, left - negated
            match = False
            while True:
                if left >= 2 and text[p : p + 1] == b"\\":
                    p, left = p + 1, left - 1
                    match |= text[p] == string[s]
                elif text[p : p + 1] == b"]":
                    break
                elif left == 0:
                    p, left = p - 1, left + 1
                    break
                elif left >= 3 and text[p + 1 : p + 2] == b"-":
                    low, high = sorted((signed(text[p]), signed(text[p + 2])))
                    p, left = p + 2, left - 2
                    match |= low <= signed(string[s]) <= high
                else:
                    match |= text[p] == string[s]
                p, left = p + 1, left - 1
            if match == negated:
                return False
        elif c != b"?":
            if c == b"\\" and left >= 2:
                p, left = p + 1, left - 1
            if text[p] != string[s]:
                return False
        s += 1
        p, left = p + 1, left - 1
        if s == len(string):
            while text[p : p + 1] == b"*":
                p, left = p + 1, left - 1
            break
    return left == 0 and s == len(string)


letters = st.lists(st.sampled_from([bytes([c]) for c in b"abcz-]^\\*?[\x80\xff\n"]), max_size=8).map(b"".join)
pieces = [
    b"*",
    b"**",
    b"?",
    b"a",
    b"b",
    b"c",
    b"[",
    b"]",
    b"[^",
    b"-",
    b"\\",
    b"[a-c]",
    b"[c-a]",
    b"[^a]",
    b"[a-\xff]",
    b"\n",
    b"\x80",
]
patterns = st.lists(st.sampled_from(pieces), max_size=8).map(b"".join)


@settings(max_examples=1000)
@given(patterns, letters)
@example(b"[a-]", b"b")
@example(b"[\\a-z]", b"-")
@example(b"a*", b"a")
@example(b"**", b"")
@example(b"[^", b"x")
@example(b"*a*b*", b"ab")
@example(b"*a*a", b"ba")
def test_matching_is_that_of_redis(pattern: bytes, string: bytes) -> None:
    expected = pattern == b"*" or transcript(pattern, string)
    assert compile_glob(pattern)(string) == expected


@given(patterns, letters)
def test_every_match_begins_with_the_literal_prefix(pattern: bytes, string: bytes) -> None:
    if compile_glob(pattern)(string):
        assert string.startswith(literal_prefix(pattern))


@pytest.mark.parametrize(
    ("pattern", "prefix"), [(b"user:*", b"user:"), (b"abc", b"abc"), (b"*", b""), (b"a[b]", b"a"), (b"a\\*b", b"a")]
)
def test_literal_prefix_ends_at_the_first_special_byte(pattern: bytes, prefix: bytes) -> None:
    assert literal_prefix(pattern) == prefix


@pytest.mark.parametrize(
    ("pattern", "string", "matches"),
    [
        (b"MAX*", b"maxclients", True),
        (b"max[A-C]", b"MAXb", True),
        (b"[^a]", b"A", False),
        (b"a[\\B]", b"ab", True),
        (b"a", b"b", False),
    ],
)
def test_case_can_be_ignored(pattern: bytes, string: bytes, matches: bool) -> None:
    assert compile_glob(pattern, ignore_case=True)(string) == matches


def test_many_stars_take_no_exponential_time() -> None:
    match = compile_glob(b"*a" * (GLOB_PATTERN_BYTES_MAX // 2 - 1) + b"*b")
    begun = time.process_time()
    assert not match(b"a" * 65_536)
    assert time.process_time() - begun < 1


def test_a_pattern_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ReplyError, match="pattern is too long"):
        compile_glob(b"a" * (GLOB_PATTERN_BYTES_MAX + 1))


def bulk(words: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


@pytest.mark.process
def test_redis_server_finds_the_same_keys(converse: Callable[[bytes], bytes]) -> None:
    keys = [
        b"a",
        b"ab",
        b"abc",
        b"b",
        b"-",
        b"]",
        b"^",
        b"\\",
        b"x-z",
        b"a]",
        b"*",
        b"\xff",
        b"\x80b",
        b"a\nb",
        b"[",
        b"z",
    ]
    globs = [
        b"*",
        b"**",
        b"?",
        b"a*",
        b"*b",
        b"[a-c]",
        b"[c-a]",
        b"[^a]",
        b"[a-]",
        b"[\\a-z]",
        b"[",
        b"[^",
        b"[a",
        b"\\",
    ]
    globs += [b"\\*", b"[a-\xff]", b"[]", b"[]]", b"*[*", b"a?b", b"??", b"x-[a-z", b"[\\]]", b"*a*b*"]
    setup = bulk([b"SELECT", b"9"]) + bulk([b"FLUSHDB"]) + bulk([b"MSET", *(x for key in keys for x in (key, b"1"))])
    converse(setup)
    for glob in globs:
        answer = converse(bulk([b"SELECT", b"9"]) + bulk([b"KEYS", glob]))
        expected = sorted(key for key in keys if compile_glob(glob)(key))
        assert answer.startswith(b"+OK\r\n*%d\r\n" % len(expected)), glob
        for key in expected:
            assert b"$%d\r\n%b\r\n" % (len(key), key) in answer, (glob, key)

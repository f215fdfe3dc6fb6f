"""Numbers: which texts are accepted, what is printed, and that redis-server agrees."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floats import random_float, summed
from trilemma.resp.longdouble import add_long_doubles, parse_long_double
from trilemma.resp.number import INT64_MAX, INT64_MIN, format_double, parse_double, parse_int64

INTEGERS = [b"0", b"1", b"-1", b"10", b"9223372036854775807", b"-9223372036854775808"]
NO_INTEGERS = [
    b"",
    b"-",
    b"-0",
    b"+1",
    b"01",
    b"-01",
    b" 1",
    b"1 ",
    b"1\n",
    b"1_0",
    b"1.0",
    b"0x1",
    b"1\x00",
    "\u0661".encode(),
    b"9223372036854775808",
    b"-9223372036854775809",
    b"9" * 20,
    b"9" * 5000,
]
FLOATS = [
    b"0",
    b"-0",
    b"+1",
    b"01",
    b"3.0e3",
    b".5",
    b"5.",
    b"1e-5",
    b"1E+5",
    b"0x10",
    b"0x1.8p3",
    b"0X.8",
    b"-0x1p-3",
    b"10.50",
    b"5.0e3",
    b"0.1",
    b"123456789.123456789",
    b"1e17",
    b"1e300",
    b"-1.1",
    b"0e99999999999999999999",
    b"0.00000000000000000000000001",
    b"1e-300",
    b"9.99999999999999999999",
    b"18446744073709551616.5",
    b"0." + b"3" * 200,
]
NO_FLOATS = [
    b"",
    b".",
    b"e5",
    b"1e",
    b"1e+",
    b"nan",
    b"-nan",
    b"nan(1)",
    b"1_0",
    b" 1",
    b"1 ",
    b"1\n",
    b"0x",
    b"0x1p",
    b"0x.p1",
    b"infinit",
    b"1e99999",
    b"-1e99999",
    b"1e-99999",
    b"1e" + b"9" * 5000,
    b"1\x00",
    b"1,5",
]
INFINITE = [b"inf", b"-inf", b"+INF", b"Infinity", b"-iNfInItY"]


def bulk(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


@pytest.mark.parametrize("text", INTEGERS)
def test_an_integer_is_its_text(text: bytes) -> None:
    assert parse_int64(text) == int(text)


@pytest.mark.parametrize("text", NO_INTEGERS)
def test_other_texts_are_no_integer(text: bytes) -> None:
    assert parse_int64(text) is None


@given(st.integers(2 * INT64_MIN, 2 * INT64_MAX))
def test_exactly_64_bits_are_an_integer(value: int) -> None:
    assert parse_int64(b"%d" % value) == (value if INT64_MIN <= value <= INT64_MAX else None)


@given(st.floats(allow_nan=False))
def test_a_printed_double_is_read_back(value: float) -> None:
    assert parse_double(format_double(value)) == value


@pytest.mark.parametrize("text", FLOATS)
def test_what_c_reads_is_a_float(text: bytes) -> None:
    assert parse_double(text) is not None
    assert parse_long_double(text) is not None


@pytest.mark.parametrize("text", NO_FLOATS)
def test_other_texts_are_no_float(text: bytes) -> None:
    assert parse_double(text) is None
    assert parse_long_double(text) is None


@pytest.mark.parametrize("text", INFINITE)
def test_infinity_has_many_names(text: bytes) -> None:
    expected = -math.inf if text[:1] == b"-" else math.inf
    assert parse_double(text) == expected
    assert parse_long_double(text) == expected


def test_infinite_sums_are_no_number() -> None:
    assert add_long_doubles(math.inf, 1.0) is None
    assert add_long_doubles(math.inf, -math.inf) is None


def test_a_long_double_holds_what_a_double_does_not() -> None:
    assert parse_long_double(b"1e4932") is not None
    assert parse_double(b"1e4932") is None
    assert parse_long_double(b"9e4932") is None
    assert parse_long_double(b"1e-4950") is not None
    assert parse_long_double(b"1e-4952") is None


@pytest.mark.parametrize(
    ("left", "right", "text"),
    [
        (b"3.0e3", b"200", b"3200"),
        (b"1", b"0.1", b"1.1"),
        (b"0.1", b"0.2", b"0.3"),
        (b"10.50", b"-5.0e3", b"-4989.5"),
        (b"1", b"-1", b"0"),
        (b"-1e-20", b"0", b"0"),
        (b"18446744073709551615", b"0.5", b"18446744073709551616"),
    ],
)
def test_sums_print_as_people_write_them(left: bytes, right: bytes, text: bytes) -> None:
    assert summed(left, right) == text


def expected_reply(left: bytes, right: bytes) -> bytes:
    text = summed(left, right)
    return b"-%b\r\n" % text.encode() if isinstance(text, str) else b"$%d\r\n%b\r\n" % (len(text), text)


@pytest.mark.process
def test_redis_server_adds_and_prints_floats_as_we_do(converse: Callable[[bytes], bytes]) -> None:
    rng = random.Random(7)
    awkward = [
        *FLOATS,
        *(text for text in NO_FLOATS if text),
        *INFINITE,
        b"1e4932",
        b"9e4932",
        b"1e-4950",
        b"1e-4952",
        b"1.18e4932",
    ]
    pairs = [(text, b"1") for text in awkward] + [(b"1", text) for text in awkward]
    pairs += [(random_float(rng), random_float(rng)) for _ in range(1500)]
    pairs += [(b"inf", b"-inf"), (b"1.18e4932", b"1.18e4932")]
    for start in range(0, len(pairs), 200):
        batch = pairs[start : start + 200]
        answer = converse(
            b"".join(bulk(b"SET", b"f", left) + bulk(b"INCRBYFLOAT", b"f", right) for left, right in batch)
        )
        for left, right in batch:
            reply = b"+OK\r\n" + expected_reply(left, right)
            assert answer[: len(reply)] == reply, (left, right)
            answer = answer[len(reply) :]
        assert answer == b""


@pytest.mark.process
def test_redis_server_reads_integers_and_doubles_as_we_do(converse: Callable[[bytes], bytes]) -> None:
    for text in INTEGERS + NO_INTEGERS:
        answer = converse(bulk(b"SET", b"i", text) + bulk(b"INCRBY", b"i", b"0"))
        # INCR on an empty string is an error as well, from the same function.
        assert (b"-ERR value is not an integer" in answer) == (parse_int64(text) is None), text
    for text in FLOATS + NO_FLOATS + INFINITE + [b"1e308", b"1e309", b"5e-324", b"1e-324"]:
        answer = converse(bulk(b"ZADD", b"z", text, b"m"))
        assert (b"not a valid float" in answer) == (parse_double(text) is None), text

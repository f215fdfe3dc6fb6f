"""The sums of INCRBYFLOAT in the model: compared with the store's own long doubles, which redis-server agrees with."""

from fractions import Fraction
from random import Random

import pytest

from floats import random_float, summed
from trilemma.check.redis_entry import Refusal
from trilemma.check.redis_float import is_rounded, number, total
from trilemma.resp.longdouble import format_long_double

FUZZ_ROUNDS = 3_000

ODD = (
    b"", b"-", b".", b" 1", b"1 ", b"1_0", b"1e", b"0x", b"0x10", b"-0x1.8p3", b"0X.8", b"nan", b"nan(1)", b"inf",
    b"-Infinity", b"+1", b"01", b"-0", b".5", b"5.", b"1E+5", b"1e-5", b"0.1", b"123456789.123456789", b"1e-20",
    b"1e4932", b"9e4932", b"1.18e4932", b"1e-4950", b"1e-4952", b"0e99999999999999999999", b"1e99999999999999999999",
    b"1e-99999999999999999999", b"0x1p-99999", "\u0661".encode(), b"1\x00", b"9" * 4_500, b"1" + b"0" * 5_119,
    b"0." + b"0" * 5_000 + b"1", b"9007199254740993",
)  # fmt: skip


def draw(rng: Random) -> bytes:
    form = rng.randrange(6)
    return random_float(rng) if form < 4 else b"%.3g" % rng.uniform(-50, 50) if form == 4 else rng.choice(ODD)


def modelled(held: bytes, amount: bytes) -> bytes | str:
    try:
        return total(held, amount)
    except Refusal as refusal:
        return str(refusal)


def test_every_reply_of_the_store_is_one_that_rounding_may_have_made() -> None:
    rng = Random(91)
    exact = errors = 0
    pairs = [(text, b"1") for text in ODD] + [(b"1", text) for text in ODD]
    for held, amount in [*pairs, *((draw(rng), draw(rng)) for _ in range(FUZZ_ROUNDS))]:
        told, found = summed(held, amount), modelled(held, amount)
        if isinstance(told, str) or isinstance(found, str):
            assert told == found, (held, amount)
            errors += 1
            continue
        assert is_rounded(held, amount, told), (held, amount, told)
        exact += told == found
    assert min(exact, errors, FUZZ_ROUNDS - exact - errors) > FUZZ_ROUNDS // 20, (exact, errors)


def test_a_sum_that_is_wrong_by_more_than_rounding_is_none() -> None:
    rng = Random(92)
    for _ in range(FUZZ_ROUNDS):
        held, amount = b"%.9g" % rng.uniform(-1e6, 1e6), b"%.6g" % rng.uniform(-100, 100)
        told = summed(held, amount)
        assert isinstance(told, bytes)
        shown = number(told)
        assert shown is not None
        by = rng.choice([-1, 1]) * 10 ** rng.randint(5, 20)  # in the last of 17 digits; rounding comes to 10**4 here
        wrong = format_long_double(shown + Fraction(by, 10**17))
        assert not is_rounded(held, amount, wrong), (held, amount, told, wrong)
    for odd in (b"10.60", b"+10.6", b"1.06e1", b"inf", b"nan", b"", b"010.6"):
        assert not is_rounded(b"10.5", b"0.1", odd), odd
    assert is_rounded(b"10.5", b"0.1", b"10.6")


@pytest.mark.parametrize("text", [b"9223372036854775807", b"-9007199254740993", b"4611686018427387904"])
def test_whole_numbers_of_64_bits_are_never_rounded(text: bytes) -> None:
    for off in (-2, -1, 1, 2):
        assert not is_rounded(text, b"0", b"%d" % (int(text) + off))
        assert not is_rounded(text, b"%d" % off, text)
    assert is_rounded(text, b"0", text)

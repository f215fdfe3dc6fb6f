"""The bank invariant: looks at all accounts, in both shapes."""

from random import Random
from typing import Any

import pytest

from trilemma.check.bank import check_balances, check_bank
from trilemma.check.history import Operation
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 2_000


def read(result: Any, outcome: Any = "ok") -> Operation:
    return Operation(1, 0, 1, "read", b"bank", None, result, outcome)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"a": 5, "b": 4}, "hold 9, not 10"),
        ({"a": 5, "b": 6}, "hold 11, not 10"),
        ({"a": 11, "b": -1}, "overdrawn"),
        ({"a": 10}, "'b' is missing"),
        ({"a": 5, "b": 5, "c": 0}, "no account 'c'"),
        ({"a": 10, "b": None}, "no balance"),
        ((("a", 5), ("b", 4)), "hold 9, not 10"),
        ("gone", "no balances"),
        ((("a", 5), ("b", 5), ("b", 5)), "no balances"),
    ],
)
def test_balances_that_cannot_be_are_found(shown: Any, said: str) -> None:
    verdict = check_balances([read({"a": 5, "b": 5}), read(shown)], 10, accounts=["a", "b"])
    assert verdict.is_invalid
    assert said in verdict.reason
    assert verdict.witness == (read(shown),)


def test_balances_that_add_up_are_valid() -> None:
    assert check_balances([read({"a": 5, "b": 5}), read((("a", 0), ("b", 10)))], 10).is_valid
    assert check_balances([read({"a": 11, "b": -1})], 10, negative_allowed=True).is_valid


def test_accounts_are_those_of_the_first_read_where_nobody_says() -> None:
    assert check_balances([read({"a": 5, "b": 5}), read({"a": 10})], 10).is_invalid


def test_no_look_is_unknown() -> None:
    assert check_balances([], 10).validity is Validity.UNKNOWN
    assert check_balances([read({"a": 1}, "info"), read(None, "fail")], 10).validity is Validity.UNKNOWN
    assert check_bank([], (b"a",), 10).validity is Validity.UNKNOWN


def test_both_shapes_are_judged_alike_and_as_the_sums_say() -> None:
    rng = Random(91)
    good = 0
    for _ in range(FUZZ_ROUNDS):
        balances = [(rng.randrange(3), rng.randrange(3)) for _ in range(rng.randint(1, 3))]
        expected = all(a + b == 2 for a, b in balances)
        maps = [read({b"a": a, b"b": b}) for a, b in balances]
        look = (b"MGET", b"a", b"b")
        texts = [Operation(1, 0, 1, "command", b"g", look, (b"%d" % a, b"%d" % b)) for a, b in balances]
        assert check_balances(maps, 2).is_valid == expected
        assert check_bank(texts, (b"a", b"b"), 2).is_valid == expected
        good += expected
    assert FUZZ_ROUNDS // 20 < good < FUZZ_ROUNDS * 19 // 20

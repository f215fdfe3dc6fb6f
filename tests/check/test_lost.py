"""Lost writes, elements and dots, and convergence: hand-made histories, brute force, and every pair."""

from random import Random
from typing import Any

import pytest

from trilemma.check.brute import is_linearizable
from trilemma.check.convergence import check_convergence, check_equal_reads
from trilemma.check.history import Operation
from trilemma.check.lost import check_lost_dots, check_lost_elements, check_lost_writes
from trilemma.check.model import register
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 4_000


def change(kind: str, begin: int, end: int | None, argument: Any, outcome: Any = "ok") -> Operation:
    return Operation(1, begin, end, kind, b"k", argument, None, "info" if end is None else outcome)


def final(result: Any, node: str = "n1", key: bytes = b"k") -> Operation:
    return Operation(9, 900, 901, "read", key, None, result, "ok", node)


def _changes(rng: Random, kind: str) -> list[Operation]:
    changes = []
    for number in range(rng.randint(1, 4)):
        begin = rng.randrange(12)
        end = None if rng.random() < 0.15 else begin + rng.randrange(5)
        changes.append(change(kind, begin, end, b"%d;" % number, rng.choices(["ok", "fail"], [8, 1])[0]))
    return changes


def test_a_final_value_is_lost_exactly_if_no_order_of_the_writes_ends_with_it() -> None:
    rng = Random(131)
    lost = 0
    for _ in range(FUZZ_ROUNDS):
        writes = _changes(rng, "write")
        shown = final(rng.choice([None, *(each.argument for each in writes), b"never"]))
        # Writes in doubt may come after the final read, so they alone make no value right that no order ends with.
        expected = is_linearizable([*writes, shown], register())
        verdict = check_lost_writes(writes, [shown])
        assert verdict.is_valid == expected, (writes, shown)
        lost += verdict.is_invalid
    assert FUZZ_ROUNDS // 10 < lost < FUZZ_ROUNDS * 9 // 10


def test_a_final_string_has_lost_something_exactly_if_an_acknowledged_token_is_not_in_it() -> None:
    rng = Random(132)
    lost = 0
    for _ in range(FUZZ_ROUNDS):
        appends = _changes(rng, "append")
        tokens = [each.argument for each in appends if each.outcome != "fail" and rng.random() < 0.85]
        rng.shuffle(tokens)
        expected = any(each.outcome == "ok" and each.argument not in tokens for each in appends)
        assert check_lost_elements(appends, [final(b"".join(tokens))]).is_invalid == expected, (appends, tokens)
        lost += expected
    assert FUZZ_ROUNDS // 10 < lost < FUZZ_ROUNDS * 9 // 10


@pytest.mark.parametrize(
    ("shown", "said"),
    [(b"a;", "without"), (b"a;b;a;", "twice"), (b"a;b;c;", "nobody"), (b"a;b;d;", "nobody")],
)
def test_elements_lost_twice_or_from_nowhere_are_found(shown: bytes, said: str) -> None:
    appends = [change("append", 0, 1, b"a;"), change("append", 2, 3, b"b;"), change("append", 2, 3, b"d;", "fail")]
    verdict = check_lost_elements(appends, [final(shown)])
    assert verdict.is_invalid
    assert said in verdict.reason


def test_without_a_final_read_nothing_is_judged() -> None:
    assert check_lost_writes([change("write", 0, 1, b"a")], []).validity is Validity.UNKNOWN
    assert check_lost_elements([change("append", 0, 1, b"a;")], []).validity is Validity.UNKNOWN
    assert check_lost_dots([], {}).validity is Validity.UNKNOWN


def test_a_dot_is_lost_exactly_if_it_is_not_shown_and_no_other_write_had_seen_it() -> None:
    rng = Random(133)
    lost = 0
    for _ in range(FUZZ_ROUNDS):
        writes = []
        for number in range(rng.randint(1, 4)):
            context = {"n1": rng.randrange(3), "n2": rng.randrange(3)}
            receipt = (rng.choice(["n1", "n2"]), rng.randint(1, 3))
            writes.append(change("write", number, number + 1, number)._replace(receipt=receipt, context=context))
        shown = [each.receipt for each in writes if rng.random() < 0.5]
        expected = any(
            one.receipt not in shown
            and not any(other.context[one.receipt[0]] >= one.receipt[1] for j, other in enumerate(writes) if j != i)
            for i, one in enumerate(writes)
        )
        assert check_lost_dots(writes, {b"k": shown}).is_invalid == expected, (writes, shown)
        lost += expected
    assert FUZZ_ROUNDS // 10 < lost < FUZZ_ROUNDS * 9 // 10


def test_replicas_that_differ_have_not_converged_and_one_alone_says_nothing() -> None:
    assert check_convergence({"s": {"n1": 1, "n2": 1, "n3": 1}}).is_valid
    assert check_convergence({"s": {"n1": 1, "n2": 1, "n3": 2}, "t": {"n1": 1, "n2": 1}}).is_invalid
    assert check_convergence({"s": {"n1": 1}}).validity is Validity.UNKNOWN
    assert check_convergence({}).validity is Validity.UNKNOWN


def test_final_reads_must_show_the_same_at_every_node() -> None:
    assert check_equal_reads([final(1, "n1"), final(1, "n2")]).is_valid
    assert check_equal_reads([final(1, "n1"), final(2, "n2")]).is_invalid
    assert check_equal_reads([final(1, "n1"), final(2, "n1", b"l")]).validity is Validity.UNKNOWN

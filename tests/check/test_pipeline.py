"""Program order inside a pipeline: what was sent at once is held to the order sent; what is in doubt is not."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.model import COUNTER
from trilemma.check.pipeline import (
    check_early_reads,
    check_pipelined_appends,
    check_pipelined_counters,
    check_pipelined_registers,
)
from trilemma.check.register import check_register
from trilemma.check.verdict import Verdict

Check = Callable[[Iterable[Operation]], Verdict]


def sent(*what: tuple[str, Any, Any], process: int = 1, at_us: int = 100, outcome: Any = "ok") -> list[Operation]:
    """One pipeline: (kind, argument, result) each, all sent at one moment and answered one after the other."""
    return [
        Operation(process, at_us, at_us + 10 + place, kind, b"k", argument, result, outcome)
        for place, (kind, argument, result) in enumerate(what)
    ]


def write(value: bytes) -> tuple[str, Any, Any]:
    return ("write", value, b"OK")


def read(value: Any) -> tuple[str, Any, Any]:
    return ("read", None, value)


OLD = sent(write(b"old"), process=2, at_us=0)

OUT_OF_ORDER: list[tuple[Check, list[Operation]]] = [
    (check_pipelined_registers, sent(write(b"mine"), read(None))),
    (check_pipelined_registers, [*OLD, *sent(write(b"mine"), read(b"old"))]),
    (check_pipelined_registers, [*OLD, *sent(write(b"new"), process=3, at_us=50), *sent(read(b"new"), read(b"old"))]),
    (check_pipelined_registers, [*sent(write(b"1"), write(b"2")), *sent(read(b"1"), process=2, at_us=200)]),
    (check_pipelined_registers, sent(write(b"1"), write(b"2"), read(b"1"))),
    (check_pipelined_counters, sent(("add", 1, 2), ("add", 1, 1))),
    (check_pipelined_counters, sent(("add", 7, 7), read(0))),
    (check_pipelined_counters, [*sent(("add", 5, 5), process=2), *sent(("add", 1, 8), ("add", 2, 7))]),
    (check_pipelined_appends, [*sent(("append", b"1;", 4), ("append", b"2;", 2))]),
    (check_pipelined_appends, sent(("append", b"1;", 2), read(b""))),
    (check_pipelined_appends, sent(read(b"1;"), read(b""))),
    (check_pipelined_appends, sent(read(b"1;"), ("append", b"1;", 2))),
]


@pytest.mark.parametrize("case", range(len(OUT_OF_ORDER)))
def test_what_took_effect_in_another_order_than_it_was_sent_in_is_found(case: int) -> None:
    check, operations = OUT_OF_ORDER[case]
    assert check(operations).is_invalid


def test_the_other_checkers_take_a_pipeline_for_concurrent() -> None:
    assert check_register([*OLD, *sent(write(b"mine"), read(b"old"))]).is_valid
    assert check_linearizable(sent(("add", 1, 2), ("add", 1, 1)), COUNTER).is_valid


IN_ORDER: list[tuple[Check, list[Operation]]] = [
    (check_pipelined_registers, [*OLD, *sent(read(b"old"), write(b"mine"), read(b"mine"))]),
    (check_pipelined_registers, [*sent(write(b"other"), process=2), *sent(write(b"mine"), read(b"other"))]),
    (check_pipelined_registers, [*sent(write(b"1"), write(b"2")), *sent(read(b"1"), process=2, at_us=105)]),
    (check_pipelined_counters, sent(("add", 1, 1), ("add", -5, -4), read(-4))),
    (check_pipelined_counters, [*sent(("add", 5, 7), process=2), *sent(("add", 2, 2), ("add", 3, 10))]),
    (check_pipelined_appends, sent(("append", b"1;", 2), ("append", b"11;", 5), read(b"1;11;"))),
]


@pytest.mark.parametrize("case", range(len(IN_ORDER)))
def test_what_others_did_meanwhile_may_come_in_between(case: int) -> None:
    check, operations = IN_ORDER[case]
    assert check(operations).is_valid


@pytest.mark.parametrize("outcome", ["ok", "info", "fail"])
def test_what_was_sent_behind_a_read_is_not_shown_by_it_whatever_became_of_it(outcome: Any) -> None:
    early, late = sent(read(b"mine"), write(b"mine"))
    late = late._replace(outcome=outcome)
    assert check_early_reads([early, late]).is_invalid
    assert check_early_reads([late, early]).is_valid
    assert check_early_reads([early._replace(process=2), late]).is_valid
    assert check_early_reads([early, late._replace(key=b"other")]).is_valid


def test_what_is_in_doubt_has_no_place_in_the_order() -> None:
    doubtful = sent(write(b"mine"), outcome="info")
    assert check_pipelined_registers([*OLD, *doubtful, *sent(read(b"old"))]).is_valid
    late = sent(("add", 3, None), outcome="info")
    assert check_pipelined_counters([*late, *sent(("add", 1, 1), ("add", 1, 5))]).is_valid

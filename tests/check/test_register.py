"""The zones: hand-made histories with known verdicts, agreement with brute force, and speed."""

import time
from random import Random
from typing import Any

import pytest

from trilemma.check.brute import is_linearizable
from trilemma.check.forge import disturb, forge
from trilemma.check.history import Operation
from trilemma.check.model import register
from trilemma.check.register import check_register
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 12_000


def write(begin: int, end: int | None, value: Any, outcome: Any = "ok", key: bytes = b"k") -> Operation:
    return Operation(1, begin, end, "write", key, value, b"OK", outcome)


def read(begin: int, end: int, value: Any, outcome: Any = "ok", key: bytes = b"k") -> Operation:
    return Operation(2, begin, end, "read", key, None, value, outcome)


LINEARIZABLE = {
    "nothing at all": [],
    "read of the initial value": [read(0, 1, None)],
    "write then read": [write(0, 1, b"a"), read(2, 3, b"a")],
    "old value while the write is under way": [write(0, 9, b"a"), read(1, 2, None), read(3, 4, b"a")],
    "equal stamps are concurrent": [write(0, 5, b"a"), read(5, 6, None)],
    "two concurrent writes, the reader picks the order": [
        write(0, 9, b"a"),
        write(0, 9, b"b"),
        read(10, 11, b"b"),
        read(12, 13, b"b"),
    ],
    "an unknown write that is never seen": [write(0, None, b"a", "info"), read(9, 10, None)],
    "an unknown write that is seen much later": [
        write(0, None, b"a", "info"),
        read(8, 9, None),
        read(50, 51, b"a"),
    ],
    "an unknown write that takes effect between two others": [
        write(0, None, b"a", "info"),
        write(5, 6, b"b"),
        read(7, 8, b"a"),
    ],
    "a failed write nobody sees": [write(0, 1, b"a", "fail"), read(2, 3, None)],
    "a failed read says nothing": [write(0, 1, b"a"), read(2, 3, None, "fail"), read(2, 3, None, "info")],
    "keys do not constrain each other": [write(0, 1, b"a"), read(2, 3, None, key=b"other")],
}

NOT_LINEARIZABLE = {
    "stale read of the initial value": [write(0, 1, b"a"), read(2, 3, None)],
    "stale read after an overwrite": [write(0, 1, b"a"), write(2, 3, b"b"), read(4, 5, b"a")],
    "read from the future": [read(0, 1, b"a"), write(2, 3, b"a")],
    "read of a value nobody wrote": [read(0, 1, b"a")],
    "failed write seen": [write(0, 1, b"a", "fail"), read(2, 3, b"a")],
    "new value, then the old one": [write(0, 99, b"a"), read(1, 2, b"a"), read(3, 4, None)],
    "two writes seen in turn and back again": [
        write(0, 9, b"a"),
        write(0, 9, b"b"),
        read(10, 11, b"a"),
        read(12, 13, b"b"),
        read(14, 15, b"a"),
    ],
    "a write and its reads inside the reign of another": [
        write(0, 1, b"a"),
        write(2, 3, b"b"),
        read(2, 3, b"b"),
        read(5, 6, b"a"),
    ],
    "an unknown write replaced and seen again": [
        write(0, None, b"a", "info"),
        read(1, 2, b"a"),
        write(3, 4, b"b"),
        read(5, 6, b"b"),
        read(7, 8, b"a"),
    ],
    "an acknowledged write lost for ever": [
        write(0, 1, b"a"),
        write(2, 3, b"b"),
        read(9, 10, b"a"),
        read(11, 12, b"a"),
    ],
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_linearizable_history_is_valid(name: str) -> None:
    assert check_register(LINEARIZABLE[name]).is_valid


@pytest.mark.parametrize("name", NOT_LINEARIZABLE)
def test_broken_history_is_invalid_and_its_witness_is_broken_too(name: str) -> None:
    verdict = check_register(NOT_LINEARIZABLE[name])
    assert verdict.is_invalid
    assert verdict.witness
    assert check_register(verdict.witness).is_invalid


def test_value_written_twice_gives_unknown_never_a_pass() -> None:
    assert check_register([write(0, 1, b"a"), write(2, 3, b"a")]).validity is Validity.UNKNOWN


def test_foreign_operation_gives_unknown_never_a_pass() -> None:
    assert check_register([Operation(1, 0, 1, "add", b"k", 1)]).validity is Validity.UNKNOWN


def test_initial_value_other_than_absence_is_read_first() -> None:
    assert check_register([read(0, 1, b"0")], initial=b"0").is_valid
    assert check_register([write(0, 1, b"a"), read(2, 3, b"0")], initial=b"0").is_invalid


def _draw(rng: Random, number: int) -> tuple[str, Any]:
    return ("write", b"v%d" % number) if rng.random() < 0.5 else ("read", None)


def _run(state: Any, operation: Operation) -> tuple[Any, Any]:
    return (state, state) if operation.kind == "read" else (b"OK", operation.argument)


def test_zones_never_disagree_with_brute_force() -> None:
    rng = Random(2)
    model = register()
    valid = 0
    for _ in range(FUZZ_ROUNDS):
        history = disturb(rng, forge(rng, rng.randint(2, 7), None, _draw, _run), rng.randrange(8))
        verdict = check_register(history)
        assert verdict.is_valid == is_linearizable(history, model), history
        if verdict.is_invalid:
            assert not is_linearizable(verdict.witness, model), (history, verdict.witness)
        valid += verdict.is_valid
    assert FUZZ_ROUNDS // 10 < valid < FUZZ_ROUNDS * 9 // 10, "the fuzz must show both kinds of history"


def test_histories_made_by_a_real_register_are_always_valid() -> None:
    rng = Random(3)
    for _ in range(300):
        assert check_register(forge(rng, 60, None, _draw, _run)).is_valid


def test_a_hundred_thousand_operations_take_no_quadratic_time() -> None:
    history = forge(Random(4), 100_000, None, _draw, _run)
    begin = time.process_time()
    assert check_register(history).is_valid
    assert time.process_time() - begin < 3

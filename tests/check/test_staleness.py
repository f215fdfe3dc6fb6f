"""Staleness: hand-made histories, and agreement with the definition read by read."""

from random import Random
from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.check.register import check_register
from trilemma.check.staleness import check_staleness, describe, k_staleness, measure, t_visibility
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 6_000


def write(begin: int, end: int | None, value: Any, key: bytes = b"k", outcome: Any = "ok") -> Operation:
    return Operation(1, begin, end, "write", key, value, None, "info" if end is None else outcome)


def read(begin: int, end: int, value: Any, key: bytes = b"k") -> Operation:
    return Operation(2, begin, end, "read", key, None, value)


WRITES = [write(0, 10, 1), write(20, 30, 2), write(40, 50, 3)]


@pytest.mark.parametrize(
    ("look", "versions", "age_us"),
    [
        (read(60, 61, 3), 0, 0),
        (read(60, 61, 2), 1, 10),
        (read(60, 61, 1), 2, 30),
        (read(60, 61, None), 3, 50),
        (read(45, 61, 2), 0, 0),
        (read(50, 61, 2), 0, 0),
        (read(51, 61, 2), 1, 1),
    ],
)
def test_a_read_is_stale_by_the_newer_writes_that_were_over_and_since_the_first(
    look: Operation, versions: int, age_us: int
) -> None:
    (found,) = measure([*WRITES, look])
    assert (found.versions, found.age_us) == (versions, age_us)


def test_concurrent_writes_are_not_newer() -> None:
    (found,) = measure([write(0, 10, 1), write(5, 8, 2), read(20, 21, 1)])
    assert found.versions == 0


def test_a_write_has_taken_effect_once_it_was_read() -> None:
    slow = [write(0, 100, 1), read(2, 4, 1), write(5, 8, 2), read(20, 21, 1)]
    assert sorted(each.versions for each in measure(slow)) == [0, 1]
    doubtful = [write(0, None, 1), read(2, 4, 1), write(5, 8, 2), read(20, 21, 1)]
    assert sorted(each.versions for each in measure(doubtful)) == [0, 1]


def test_writes_in_doubt_or_failed_make_no_read_stale() -> None:
    history = [write(0, 10, 1), write(20, None, 2), write(20, 30, 3, outcome="fail"), read(60, 61, 1)]
    assert [each.versions for each in measure(history)] == [0]


def test_keys_are_measured_apart() -> None:
    assert sorted(each.versions for each in measure([*WRITES, read(60, 61, None, b"other"), read(60, 61, 2)])) == [0, 1]


def test_a_bound_that_is_kept_is_valid_and_one_that_is_not_is_invalid() -> None:
    history = [*WRITES, read(60, 61, 1)]
    assert check_staleness(history, versions_max=2, age_us_max=30).is_valid
    assert check_staleness(history, versions_max=1).is_invalid
    verdict = check_staleness(history, age_us_max=29)
    assert verdict.is_invalid
    assert verdict.witness == (history[-1],)
    assert verdict.reason == "1 reads were too stale, the worst by 2 versions and 30 us"


@pytest.mark.parametrize(
    "history",
    [[], WRITES, [*WRITES, write(90, 91, 1), read(95, 96, 1)], [read(0, 1, 9)], [Operation(1, 0, 1, "add", b"k", 1)]],
    ids=["nothing", "no read", "a value twice", "a value from nowhere", "a foreign kind"],
)
def test_what_cannot_be_measured_is_unknown(history: list[Operation]) -> None:
    assert check_staleness(history, versions_max=5).validity is Validity.UNKNOWN


def test_figures_are_told_for_people() -> None:
    measured = measure([*WRITES, read(60, 61, 3), read(60, 61, 3), read(60, 61, 3), read(1_550, 1_551, 2)])
    assert describe(measured) == {
        "stale reads": "1 of 4 (25.0%)",
        "versions behind": "0 (median), 1 (p99), 1 (worst)",
        "ms behind": "0.0 (median), 1.5 (p99), 1.5 (worst)",
        "k-staleness": "saw one of the last k: 75.0% (k=1), 100.0% (k=2), 100.0% (k=3), 100.0% (k=5)",
        "t-visibility": "saw all older than t: 75.0% (1 ms), 100.0% (10 ms), 100.0% (100 ms), 100.0% (1 s)",
    }
    assert describe([]) == {}
    assert (t_visibility(measured, 1_000), t_visibility(measured, 1_501), t_visibility([], 5)) == (0.75, 1.0, 1.0)
    assert (k_staleness(measured, 1), k_staleness(measured, 2), k_staleness([], 1)) == (0.75, 1.0, 1.0)


def _stale(history: list[Operation], look: Operation) -> tuple[int, int]:
    """The dumb twin: the definition."""
    happened = [each for each in history if each.kind == "write" and each.outcome != "fail" and each.key == look.key]
    ends = [each.end_us for each in happened if each.argument == look.result]
    ends += [
        each.end_us for each in history if each.kind == "read" and (each.key, each.result) == (look.key, look.result)
    ]
    shown_us = -1 if look.result is None else min(ends)
    missed = [
        each.end_us
        for each in happened
        if each.outcome == "ok" and each.invoke_us > shown_us and each.end_us < look.invoke_us
    ]
    return len(missed), look.invoke_us - min(missed) if missed else 0


def test_measures_never_disagree_with_the_definition() -> None:
    rng = Random(95)
    stale = 0
    for _ in range(FUZZ_ROUNDS):
        history = []
        for number in range(rng.randint(1, 6)):
            begin = rng.randrange(20)
            end = None if rng.random() < 0.1 else begin + rng.randrange(6)
            history.append(write(begin, end, number, rng.choice([b"k", b"l"]), rng.choices(["ok", "fail"], [9, 1])[0]))
        for _ in range(rng.randint(1, 4)):
            key, begin = rng.choice([b"k", b"l"]), rng.randrange(25)
            values = [
                each.argument for each in history if each.kind == "write" and each.key == key and each.outcome != "fail"
            ]
            history.append(read(begin, begin + rng.randrange(4), rng.choice([None, *values]), key))
        for found in measure(history):
            assert (found.versions, found.age_us) == _stale(history, found.read), history
            stale += found.versions > 0
    assert stale > FUZZ_ROUNDS // 2


def test_a_linearizable_history_has_no_stale_read() -> None:
    rng = Random(96)
    linearizable = 0
    for _ in range(FUZZ_ROUNDS):
        history = [
            write(begin, begin + rng.randrange(4), number) for number in range(3) for begin in [rng.randrange(12)]
        ]
        at = rng.randrange(14)
        history.append(read(at, at + rng.randrange(4), rng.choice([None, 0, 1, 2])))
        if check_register(history).is_valid:
            linearizable += 1
            assert check_staleness(history, versions_max=0).is_valid, history
    assert linearizable > FUZZ_ROUNDS // 10

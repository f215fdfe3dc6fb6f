"""Queues: hand-made histories, and agreement with trying every assignment of values to operations."""

from random import Random
from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.check.queue import account, check_queue
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 8_000


def put(at: int, value: Any, outcome: Any = "ok") -> Operation:
    return Operation(1, at, None if outcome == "info" else at + 1, "enqueue", b"q", value, None, outcome)


def take(at: int, value: Any, outcome: Any = "ok") -> Operation:
    return Operation(2, at, None if outcome == "info" else at + 1, "dequeue", b"q", None, value, outcome)


def drain(at: int, *values: Any, outcome: Any = "ok") -> Operation:
    return Operation(3, at, None if outcome == "info" else at + 1, "drain", b"q", None, values, outcome)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([put(0, 1), put(2, 2), drain(9, 2)], "never came out"),
        ([put(0, 1), take(2, None), take(4, None)], "never came out"),
        ([put(0, 1), take(2, 1), take(4, 1), drain(9)], "more often"),
        ([put(0, 1), drain(9, 1, 7)], "nobody can have put it in"),
        ([put(0, 1, "fail"), drain(9, 1)], "nobody can have put it in"),
        ([take(0, 1), put(2, 1), drain(9)], "nobody can have put it in"),
        ([put(0, 1), put(2, 2), take(4, None, "info"), drain(9)], "never came out"),
    ],
    ids=["lost", "lost, seen empty", "duplicated", "unexpected", "failed", "from the future", "two lost, one in doubt"],
)
def test_a_queue_that_loses_or_makes_up_values_is_found(history: list[Operation], said: str) -> None:
    verdict = check_queue(history)
    assert verdict.is_invalid
    assert said in verdict.reason
    assert verdict.witness


@pytest.mark.parametrize(
    "history",
    [
        [put(0, 1), put(2, 2), take(4, 2), drain(9, 1)],
        [put(0, 1), take(2, 1)],
        [put(0, 1, "info"), put(2, 2), drain(9, 2)],
        [put(0, 1, "info"), put(2, 2), drain(9, 1, 2)],
        [put(0, 1), put(2, 1), drain(9, 1, 1)],
        [put(0, 1, "fail"), put(2, 2), drain(9, 2)],
    ],
    ids=["all", "nothing missing", "in doubt and not there", "recovered", "a value twice", "failed"],
)
def test_a_queue_that_keeps_what_it_took_is_valid(history: list[Operation]) -> None:
    assert check_queue(history).is_valid


@pytest.mark.parametrize(
    "history",
    [
        [],
        [drain(9)],
        [put(0, 1)],
        [put(0, 1), drain(0)],
        [put(0, 1), take(2, None, "info"), drain(9)],
        [put(0, 1), put(2, 2), drain(4, outcome="info"), drain(9)],
    ],
    ids=["nothing", "nothing put in", "no drain", "drained before", "taken in doubt", "drained in doubt"],
)
def test_what_cannot_be_told_is_unknown_never_a_pass(history: list[Operation]) -> None:
    assert check_queue(history).validity is Validity.UNKNOWN


def test_values_that_come_out_twice_are_only_counted_where_a_queue_promises_once_at_least() -> None:
    history = [put(0, 1), take(2, 1), take(4, 1)]
    verdict = check_queue(history, at_least_once=True)
    assert verdict.is_valid
    assert "1 duplicated" in verdict.reason


def test_the_account_tells_recovered_from_acknowledged() -> None:
    found = account([put(0, 1, "info"), put(2, 2), drain(9, 1, 2)])
    assert found.recovered == {1: 1}
    assert found.acknowledged == 1


def test_queues_are_judged_apart() -> None:
    good = [put(0, 1), drain(9, 1)]
    bad = [each._replace(key=b"other") for each in [put(0, 1), drain(9)]]
    verdict = check_queue(good + bad)
    assert verdict.is_invalid
    assert {each.key for each in verdict.witness} == {b"other"}


def _explains(history: list[Operation]) -> bool:
    """The dumb twin: give what came out to enqueues, and what is missing to takers in doubt."""
    enqueues = [each for each in history if each.kind == "enqueue" and each.outcome != "fail"]
    out = []
    for each in history:
        if each.outcome == "ok" and each.kind == "dequeue" and each.result is not None:
            out.append((each.result, each))
        if each.outcome == "ok" and each.kind == "drain":
            out += [(value, each) for value in each.result]
    acknowledged_us = [each.end_us for each in enqueues if each.outcome == "ok"]
    empty = any(
        each.outcome == "ok"
        and (each.kind == "drain" or (each.kind == "dequeue" and each.result is None))
        and all(end_us < each.invoke_us for end_us in acknowledged_us)
        for each in history
    )
    doubtful = sum(each.outcome == "info" and each.kind == "dequeue" for each in history)
    any_number = any(each.outcome == "info" and each.kind == "drain" for each in history)

    def assign(index: int, free: list[Operation]) -> bool:
        if index == len(out):
            left = sum(each.outcome == "ok" for each in free)
            return not empty or any_number or left <= doubtful
        value, taker = out[index]
        return any(
            each.argument == value
            and each.invoke_us <= taker.end_us
            and assign(index + 1, free[:place] + free[place + 1 :])
            for place, each in enumerate(free)
        )

    return assign(0, enqueues)


def _history(rng: Random) -> list[Operation]:
    history = [
        put(rng.randrange(12), rng.randrange(3), rng.choices(["ok", "info", "fail"], [6, 2, 1])[0])
        for _ in range(rng.randint(1, 4))
    ]
    for _ in range(rng.randrange(4)):
        value = rng.choice([None, *range(3)])
        history.append(take(rng.randrange(14), value, rng.choices(["ok", "info", "fail"], [6, 1, 1])[0]))
    if rng.random() < 0.7:
        values = [each.argument for each in history if each.kind == "enqueue" and rng.random() < 0.6]
        history.append(drain(rng.choice([5, 15]), *values, outcome=rng.choices(["ok", "info"], [9, 1])[0]))
    return history


def test_verdicts_never_disagree_with_trying_every_assignment() -> None:
    rng = Random(51)
    counts: dict[Validity, int] = {}
    for _ in range(FUZZ_ROUNDS):
        history = _history(rng)
        verdict = check_queue(history)
        assert verdict.is_invalid != _explains(history), history
        counts[verdict.validity] = counts.get(verdict.validity, 0) + 1
    assert all(counts[each] > FUZZ_ROUNDS // 20 for each in Validity), counts

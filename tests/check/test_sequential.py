"""Sequential consistency: the field's examples, what time does not matter to, and agreement with a plain search."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from trilemma.check.busy import forge_busy, plant_stale_read
from trilemma.check.deadline import Deadline
from trilemma.check.forge import disturb, forge
from trilemma.check.fuzz import CASES
from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.model import COUNTER, QUEUE, STRING, register
from trilemma.check.ordering import OrderSearch
from trilemma.check.saturation import process_order
from trilemma.check.sequential import check_sequential
from trilemma.check.verdict import Validity


def ops(*lines: str) -> list[Operation]:
    """Return a register's operations: each line is a process' `wx1` (write 1 to x) and `rx1` (read 1 from x).

    `?` after an operation: nobody knows what became of it. All processes run side by side.
    """
    history = []
    for process, line in enumerate(lines):
        for number, word in enumerate(line.split()):
            value = int(word[2]) or None
            operation = Operation(process, 10 * number, 10 * number + 5, "write", word[1].encode(), value)
            if word[0] == "r":
                operation = operation._replace(kind="read", argument=None, result=value)
            if word.endswith("?"):
                operation = operation._replace(outcome="info", complete_us=None)
            history.append(operation)
    return history


POSSIBLE = {
    "nothing": ops(),
    "a stale read of another's write": ops("wx1 wx2", "rx2 rx2", "rx1 rx1 rx2"),
    "a read of what is written later": ops("rx1", "ry0 ry0 ry0 wx1"),
    "two keys seen in one order": ops("wx1", "wy1", "rx1 ry0", "rx1 ry1"),
    "a write that nobody answered comes late": ops("wx1? wx2", "rx2 rx1"),
    "a write that nobody answered never comes": ops("wx1? rx0", "rx0"),
}

IMPOSSIBLE = {
    "independent reads of independent writes": ops("wx1", "wy1", "rx1 ry0", "ry1 rx0"),
    "store buffering": ops("wx1 ry0", "wy1 rx0"),
    "message passing": ops("wx1 wy1", "ry1 rx0"),
    "own write not read": ops("wx1 rx0"),
    "back in time": ops("wx1", "wx2", "rx1 rx2 rx1"),
    "two orders of two writes": ops("wx1", "wx2", "rx1 rx2", "rx2 rx1"),
    "thin air": ops("rx3"),
    "a write that nobody answered is gone again": ops("wx1?", "rx1 rx0"),
}


@pytest.mark.parametrize("name", POSSIBLE)
def test_possible_history_is_valid(name: str) -> None:
    assert check_sequential(POSSIBLE[name], register()).is_valid


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_history_is_invalid_with_a_witness(name: str) -> None:
    verdict = check_sequential(IMPOSSIBLE[name], register())
    assert verdict.is_invalid
    assert check_sequential(verdict.witness, register()).is_invalid


def test_each_key_may_have_an_order_and_all_together_none() -> None:
    history = IMPOSSIBLE["store buffering"]
    for key in (b"x", b"y"):
        assert check_sequential([each for each in history if each.key == key], register()).is_valid
    assert check_sequential(history, register()).is_invalid


def test_what_is_linearizable_is_sequentially_consistent_but_not_the_other_way() -> None:
    history = ops("wx1 wx2", "ry0 ry0 ry0 rx1")
    assert check_linearizable(history, register()).is_invalid
    assert check_sequential(history, register()).is_valid


def test_queue_of_one_process_is_first_in_first_out() -> None:
    put = [Operation(1, 10 * i, 10 * i + 5, "enqueue", b"q", i) for i in range(2)]
    taken = [Operation(2, 10 * i, 10 * i + 5, "dequeue", b"q", None, 1 - i) for i in range(2)]
    assert check_sequential([*put, *taken], QUEUE).is_invalid
    apart = [each._replace(process=10 + number) for number, each in enumerate(taken)]
    assert check_sequential([*put, *apart], QUEUE).is_valid


def test_search_that_reaches_a_bound_is_unknown_never_valid() -> None:
    adds = [Operation(i, 0, None, "add", b"k", 1 << i, None, "info") for i in range(16)]
    impossible = Operation(99, 1, 2, "read", b"k", None, 1 << 16)
    assert check_sequential([*adds, impossible], COUNTER, steps_max=1_000).validity is Validity.UNKNOWN
    looks = iter(range(1_000_000))
    deadline = Deadline.after(3.0, lambda: float(next(looks)))
    assert check_sequential([*adds, impossible], COUNTER, deadline=deadline).validity is Validity.UNKNOWN


def _plainly(history: list[Operation], model: Any) -> bool | None:
    """Search without anything that makes it clever."""
    happened = [each for each in history if each.outcome != "fail"]
    plain = replace(model, reach=None, alike=None, is_read=lambda each: False)
    return OrderSearch(happened, plain, process_order(happened), 100_000).run()


@pytest.mark.parametrize("name", ["register", "string", "string with lengths", "cas register"])
def test_saturation_and_reach_agree_with_a_plain_search_on_longer_histories(name: str) -> None:
    case, rng = CASES[name], Random(9)
    seen = set()
    for _ in range(60):
        history = forge(rng, 9, case.model.initial, case.draw, case.run, 0.1, keys=2, processes=3)
        history = disturb(rng, history, rng.randrange(6))
        truth = _plainly(history, case.model)
        if truth is not None:
            assert check_sequential(history, case.model).is_valid == truth, history
            seen.add(truth)
    assert seen == {True, False}


def _lagging(rng: Random, size: int) -> list[Operation]:
    """Return a sequentially consistent history in which one process in three reads what others saw long before."""
    lag = [0, 0, 40]
    moments, history = [], []
    for number in range(size):
        process = rng.randrange(3)
        moments.append((10 * number - 10 * lag[process], number, process))
    states: dict[bytes, Any] = {}
    for _, number, process in sorted(moments):
        key = rng.choice([b"x", b"y"])
        operation = Operation(process, 10 * number, 10 * number + 5, "read", key, None, states.get(key))
        if rng.random() < 0.4 and process != 2:
            operation = operation._replace(kind="write", argument=number, result=None)
            states[key] = number
        history.append(operation)
    return history


@pytest.mark.parametrize("seed", range(3))
def test_a_replica_that_lags_is_sequentially_consistent_though_not_linearizable(seed: int) -> None:
    history = _lagging(Random(seed), 150)
    assert check_linearizable(history, register()).is_invalid
    assert check_sequential(history, register()).is_valid
    last = max((each for each in history if each.process == 2), key=lambda each: each.invoke_us)
    first = next(each for each in history if each.kind == "write" and each.key == last.key)
    swapped = [each._replace(result=first.argument) if each is last else each for each in history]
    assert check_sequential(swapped, register()).is_invalid


def test_busy_strings_are_judged_across_keys() -> None:
    history = forge_busy(Random(1))
    assert check_sequential(history, STRING, steps_max=1).is_valid
    verdict = check_sequential(plant_stale_read(Random(1), history), STRING, steps_max=len(history))
    assert verdict.is_invalid
    assert len(verdict.witness) <= 4

"""The models, step by step, and what they promise the search."""

from random import Random
from typing import Any

import pytest

from trilemma.check.fuzz import CASES
from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.model import COUNTER, MULTI_REGISTER, MUTEX, QUEUE, SET, STRING, Model, register
from trilemma.check.models.mutex import Lock


def op(kind: str, argument: Any = None, result: Any = None, process: int = 1) -> Operation:
    return Operation(process, 0, 1, kind, b"k", argument, result)


STEPS: list[tuple[Model[Any], Any, Operation, bool, Any]] = [
    (register(), None, op("read"), True, None),
    (register(), 1, op("cas", (1, 2), True), True, 2),
    (register(), 1, op("cas", (1, 2), False), False, 2),
    (register(), 3, op("cas", (1, 2), False), True, 3),
    (COUNTER, 1, op("add", 2, 3), True, 3),
    (COUNTER, 1, op("add", 2), True, 3),
    (COUNTER, 1, op("add", 2, 4), False, 3),
    (STRING, b"a", op("append", b"b"), True, b"ab"),
    (STRING, b"a", op("append", b"b", b"b"), True, b"ab"),
    (STRING, b"a", op("append", b"b", 2), True, b"ab"),
    (STRING, b"a", op("append", b"b", 1), False, b"ab"),
    (STRING, b"a", op("put", b"b"), True, b"b"),
    (STRING, b"", op("get", None, None), True, b""),
    (STRING, b"", op("get", None, "x"), False, b""),
    (STRING, b"", op("append", "x"), True, "x"),
    (STRING, b"a", op("get", None, None), False, b"a"),
    (SET, frozenset({1}), op("add", 1, False), True, frozenset({1})),
    (SET, frozenset({1}), op("add", 2, False), False, frozenset({1, 2})),
    (SET, frozenset({1}), op("remove", 1), True, frozenset()),
    (SET, frozenset({1, 2}), op("read", None, (1, 2)), True, frozenset({1, 2})),
    (SET, frozenset({1, 2}), op("read", None, [2, 1]), True, frozenset({1, 2})),
    (SET, frozenset({1, 2}), op("read", None, (1, 1, 2)), False, frozenset({1, 2})),
    (QUEUE, (1, 2), op("dequeue", None, 1), True, (2,)),
    (QUEUE, (1, 2), op("dequeue", None, 2), False, (2,)),
    (QUEUE, (), op("dequeue", None, None), True, ()),
    (QUEUE, (1,), op("enqueue", 2), True, (1, 2)),
    (MUTEX, Lock(), op("acquire"), True, Lock(1)),
    (MUTEX, Lock(2), op("acquire"), False, Lock(2)),
    (MUTEX, Lock(2), op("acquire", None, False), True, Lock(2)),
    (MUTEX, Lock(2), op("release"), False, Lock(2)),
    (MUTEX, Lock(1, 4), op("release"), True, Lock(None, 4)),
    (MUTEX, Lock(None, 4), op("acquire", None, 5), True, Lock(1, 5)),
    (MUTEX, Lock(None, 4), op("acquire", None, 4), False, Lock(1, 4)),
    (MUTEX, Lock(None, 4), op("acquire"), True, Lock(1, 4)),
    (MUTEX, Lock(2, 4), op("acquire", None, 5), False, Lock(2, 5)),
    (MULTI_REGISTER, ((b"x", 1),), op("multi_read", (b"x", b"y"), (1, None)), True, ((b"x", 1),)),
]


@pytest.mark.parametrize(("model", "before", "operation", "possible", "after"), STEPS)
def test_model_takes_this_step(
    model: Model[Any], before: Any, operation: Operation, possible: bool, after: Any
) -> None:
    told, state = model.step(before, operation)
    assert told == possible
    assert state == after or not possible
    assert model.step(before, operation._replace(outcome="info"))[0]


@pytest.mark.parametrize("model", [register(), COUNTER, STRING, SET, QUEUE, MUTEX, MULTI_REGISTER])
def test_model_refuses_what_it_has_no_operation_for(model: Model[Any]) -> None:
    with pytest.raises(ValueError, match="no operation"):
        model.step(model.initial, op("fly"))


@pytest.mark.parametrize("name", CASES)
def test_what_is_out_of_reach_stays_so_until_it_is_revived(name: str) -> None:
    """The contract of `Reach`, step by step, with results that are possible and such as are not."""
    case, rng = CASES[name], Random(3)
    model = case.model
    if model.reach is None:
        pytest.skip("this model promises nothing")
    states, results = [model.initial], [None]
    outside = 0
    for number in range(2_000):
        kind, argument = case.draw(rng, number % 7)
        operation = op(kind, argument)
        state = rng.choice(states[-30:])
        result, after = case.run(state, operation)
        states.append(after if len(repr(after)) < 60 else model.initial)
        results.append(result)
        wanted_kind, wanted_argument = case.draw(rng, number % 7)
        wanted = op(wanted_kind, wanted_argument)
        guess = case.run(rng.choice(states[-30:]), wanted)[0]
        wanted = wanted._replace(result=guess)
        if not model.reach.within(state, wanted):
            outside += 1
            assert not model.step(state, wanted)[0]
            if not model.reach.revives(operation, wanted):
                assert not model.reach.within(after, wanted)
    assert outside > 50


@pytest.mark.parametrize("name", CASES)
def test_a_read_changes_no_state(name: str) -> None:
    case, rng = CASES[name], Random(4)
    states = [case.model.initial]
    for number in range(500):
        operation = op(*case.draw(rng, number % 7))
        result, after = case.run(states[-1], operation)
        operation = operation._replace(result=result)
        if case.model.is_read(operation):
            assert case.model.step(states[-1], operation) == (True, states[-1])
        states.append(after if len(repr(after)) < 60 else case.model.initial)


def test_a_model_of_ones_own_is_an_initial_state_and_a_step() -> None:
    def step(state: int, operation: Operation) -> tuple[bool, int]:
        if operation.kind == "raise":
            return True, max(state, operation.argument)
        return operation.outcome == "info" or operation.result == state, state

    highest = Model("highest", 0, step)
    raised = [Operation(1, 0, 9, "raise", b"k", 5), Operation(2, 0, 9, "raise", b"k", 3)]
    seen = Operation(3, 20, 21, "look", b"k", None, 5)
    assert check_linearizable([*raised, seen], highest).is_valid
    verdict = check_linearizable([*raised, seen._replace(result=3)], highest)
    assert verdict.is_invalid
    assert "linearizable highest" in verdict.describe()

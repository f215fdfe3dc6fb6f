"""The search: agreement with brute force for every model, witnesses, bounds, and histories with a planted fault."""

import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from trilemma.check import model as models
from trilemma.check.brute import is_linearizable
from trilemma.check.forge import disturb, forge
from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.register import check_register
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 3_000


def _draw_register(rng: Random, number: int) -> tuple[str, Any]:
    kind = rng.choice(["read", "write", "cas"])
    return kind, {"read": None, "write": rng.randrange(3), "cas": (rng.randrange(3), rng.randrange(3))}[kind]


def _draw_counter(rng: Random, number: int) -> tuple[str, Any]:
    return ("read", None) if rng.random() < 0.4 else ("add", rng.choice([1, 2, -1]))


def _draw_append(rng: Random, number: int) -> tuple[str, Any]:
    return ("read", None) if rng.random() < 0.4 else ("append", b"%d;" % number)


def _draw_multi(rng: Random, number: int) -> tuple[str, Any]:
    keys = rng.choice([(b"x",), (b"y",), (b"x", b"y")])
    if rng.random() < 0.5:
        return "multi_read", keys
    return "multi_write", tuple((key, b"%d" % number) for key in keys)


def _runner(model: models.Model[Any]) -> Callable[[Any, Operation], tuple[Any, Any]]:
    """Find the result by asking the model: `info` gives the state, then each result that could be is tried."""

    def run(state: Any, operation: Operation) -> tuple[Any, Any]:
        after = model.step(state, operation._replace(outcome="info"))[1]
        held = dict(state) if isinstance(state, tuple) else {}
        of_pairs = tuple(held.get(key) for key in operation.argument) if operation.kind == "multi_read" else None
        guesses = [of_pairs, b"OK", True, False, state, after, len(after) if isinstance(after, bytes) else None]
        for guess in guesses:
            if model.step(state, operation._replace(outcome="ok", result=guess))[0]:
                return guess, after
        raise AssertionError(operation)

    return run


CASES: dict[str, tuple[models.Model[Any], Callable[[Random, int], tuple[str, Any]]]] = {
    "register": (models.register(0), _draw_register),
    "counter": (models.COUNTER, _draw_counter),
    "append": (models.APPEND, _draw_append),
    "multi_register": (models.MULTI_REGISTER, _draw_multi),
}


@pytest.mark.parametrize("name", CASES)
def test_search_never_disagrees_with_brute_force(name: str) -> None:
    model, draw = CASES[name]
    run = _runner(model)
    rng = Random(5)
    valid = 0
    for _ in range(FUZZ_ROUNDS):
        history = disturb(rng, forge(rng, rng.randint(2, 6), model.initial, draw, run), rng.randrange(8))
        verdict = check_linearizable(history, model)
        assert verdict.is_valid == is_linearizable(history, model), history
        assert verdict.is_valid or verdict.witness
        valid += verdict.is_valid
    assert FUZZ_ROUNDS // 10 < valid < FUZZ_ROUNDS * 9 // 10, "the fuzz must show both kinds of history"


def test_search_agrees_with_the_zones_on_histories_too_long_for_brute_force() -> None:
    rng = Random(6)

    def draw(rng: Random, number: int) -> tuple[str, Any]:
        return ("write", b"%d" % number) if rng.random() < 0.4 else ("read", None)

    def run(state: Any, operation: Operation) -> tuple[Any, Any]:
        return (state, state) if operation.kind == "read" else (b"OK", operation.argument)

    seen = set()
    for _ in range(300):
        history = disturb(rng, forge(rng, 40, None, draw, run), rng.randrange(3))
        verdict = check_linearizable(history, models.register())
        assert verdict.validity is check_register(history).validity
        seen.add(verdict.validity)
    assert seen == {Validity.VALID, Validity.INVALID}


def test_witness_of_a_stale_read_names_the_read_and_what_it_missed() -> None:
    history = [Operation(1, 10 * i, 10 * i + 5, "write", b"k", i, None) for i in range(30)]
    history.append(Operation(2, 400, 401, "read", b"k", None, 12))
    history += [Operation(3, 500 + i, 500 + i, "read", b"k", None, 29) for i in range(20)]
    verdict = check_linearizable(history, models.register())
    assert verdict.is_invalid
    assert len(verdict.witness) == 3
    written = [each.argument for each in verdict.witness if each.kind == "write"]
    assert written[0] == 12
    assert written[1] > 12
    assert verdict.witness[-1].result == 12


def test_search_that_reaches_its_bound_is_unknown_never_valid() -> None:
    adds = [Operation(i, 0, None, "add", b"k", 1 << i, None, "info") for i in range(16)]
    impossible = Operation(99, 1, 2, "read", b"k", None, -1)
    assert check_linearizable([*adds, impossible], models.COUNTER, steps_max=1_000).validity is Validity.UNKNOWN


def test_keys_are_judged_apart() -> None:
    good = [Operation(1, 0, 1, "add", b"a", 1, 1), Operation(1, 2, 3, "read", b"a", None, 1)]
    bad = [Operation(1, 0, 1, "add", b"b", 1, 1), Operation(1, 2, 3, "read", b"b", None, 0)]
    verdict = check_linearizable(good + bad, models.COUNTER)
    assert verdict.is_invalid
    assert {each.key for each in verdict.witness} == {b"b"}


def test_unknown_operation_may_take_effect_late_or_never() -> None:
    doubtful = Operation(1, 0, None, "add", b"k", 5, None, "info")
    reads = [Operation(2, 10, 11, "read", b"k", None, 0), Operation(2, 20, 21, "read", b"k", None, 5)]
    assert check_linearizable([doubtful, *reads], models.COUNTER).is_valid
    assert check_linearizable([doubtful, reads[0]], models.COUNTER).is_valid
    back = Operation(2, 30, 31, "read", b"k", None, 0)
    assert check_linearizable([doubtful, *reads, back], models.COUNTER).is_invalid


def _busy_history(rng: Random, clients: int, rounds: int) -> list[Operation]:
    """Overlapping appends and reads of one key by many clients, each taking effect within its interval."""
    state, history, free = b"", [], [0] * clients
    for number in range(rounds):
        process = rng.randrange(clients)
        moment = 10 * number
        invoke = max(free[process], moment - rng.randrange(10 * clients))
        complete = moment + 1 + rng.randrange(5 * clients)
        free[process] = moment + 1
        if rng.random() < 0.5:
            state += b"%d;" % number
            history.append(Operation(process, invoke, complete, "append", b"k", b"%d;" % number, len(state)))
        else:
            history.append(Operation(process, invoke, complete, "read", b"k", None, state))
    return history


@pytest.mark.parametrize("stale", [False, True])
def test_busy_key_with_fifty_clients_is_judged_within_the_bound(stale: bool) -> None:
    history = _busy_history(Random(7), 50, 600)
    if stale:
        at = max(i for i, each in enumerate(history) if each.kind == "read")
        early = next(each for each in history[100:] if each.kind == "read")
        history[at] = history[at]._replace(result=early.result)
    begin = time.process_time()
    assert check_linearizable(history, models.APPEND).is_invalid == stale
    assert time.process_time() - begin < 20

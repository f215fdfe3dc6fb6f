"""Fuzzing: random small histories of every model, judged by the clever checkers and by brute force.

A checker is believed as far as it agrees with its twin (FAULTS §4, pitfall 8). Histories have one or two keys, few
processes, equal stamps, operations of unknown outcome and such as failed; most are disturbed, the rest are right by
construction. A witness is held against brute force too: it is impossible, and possible without any one of its parts.
The last model stands for one of a user's own: nothing but an initial state and a step.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

from trilemma.check.brute import is_linearizable, is_sequential
from trilemma.check.forge import Draw, disturb, forge
from trilemma.check.history import Operation
from trilemma.check.linearizable import check_by_search, check_linearizable
from trilemma.check.model import (
    APPEND,
    COUNTER,
    MULTI_REGISTER,
    MUTEX,
    QUEUE,
    SET,
    STRING,
    Model,
    multi_registers,
    register,
)
from trilemma.check.models.base import Run
from trilemma.check.models.mutex import Lock, run_lock
from trilemma.check.sequential import check_sequential
from trilemma.check.verdict import Verdict

SIZE_MAX: Final = 6
"""Operations per history: brute force tries 720 orders at most."""

CHANGES_MAX: Final = 12


class Case(NamedTuple):
    """A model, how to draw an operation on it, and what it returns in a state."""

    model: Model[Any]
    draw: Draw
    run: Run


def _draw_register(rng: Random, number: int) -> tuple[str, Any]:
    return ("read", None) if rng.random() < 0.5 else ("write", number + 1)


def _draw_cas(rng: Random, number: int) -> tuple[str, Any]:
    kind = rng.choice(["read", "write", "cas"])
    return kind, {"read": None, "write": rng.randrange(3), "cas": (rng.randrange(3), rng.randrange(3))}[kind]


def _draw_counter(rng: Random, number: int) -> tuple[str, Any]:
    return ("read", None) if rng.random() < 0.4 else ("add", rng.choice([1, 2, -1]))


def _draw_append(rng: Random, number: int) -> tuple[str, Any]:
    return ("read", None) if rng.random() < 0.4 else ("append", b"%d;" % number)


def _draw_string(rng: Random, number: int) -> tuple[str, Any]:
    kind = rng.choice(["get", "get", "put", "append", "append"])
    return kind, None if kind == "get" else b"%d;" % number


def _draw_tangled_string(rng: Random, number: int) -> tuple[str, Any]:
    """Draw parts that differ, but of which some are the beginning of others."""
    kind = rng.choice(["get", "get", "put", "append", "append"])
    part = b"".join(b"ab"[int(bit) : int(bit) + 1] for bit in f"{number + 2:b}"[1:])
    return kind, None if kind == "get" else part


def _draw_doubtful_string(rng: Random, number: int) -> tuple[str, Any]:
    """Draw parts that need not be unique, nor be told apart in a value."""
    kind = rng.choice(["get", "get", "put", "append", "append"])
    return kind, None if kind == "get" else rng.choice([b"a", b"b", b"ab", b"ba", b""])


def _draw_set(rng: Random, number: int) -> tuple[str, Any]:
    kind = rng.choice(["add", "add", "remove", "read"])
    return kind, None if kind == "read" else rng.randrange(3)


def _draw_queue(rng: Random, number: int) -> tuple[str, Any]:
    return ("dequeue", None) if rng.random() < 0.5 else ("enqueue", rng.randrange(4))


def _draw_mutex(rng: Random, number: int) -> tuple[str, Any]:
    return rng.choice(["acquire", "release"]), None


def _run_fenced(state: Lock, operation: Operation) -> tuple[Any, Lock]:
    """Run a lock that grants fencing tokens."""
    done, after = run_lock(state, operation)
    if operation.kind != "acquire" or not done:
        return done, after
    token = (state.token or 0) + 1
    return token, after._replace(token=token)


def _draw_multi(rng: Random, number: int) -> tuple[str, Any]:
    keys = rng.choice([(b"x",), (b"y",), (b"x", b"y")])
    if rng.random() < 0.5:
        return "multi_read", keys
    return "multi_write", tuple((key, b"%d" % number) for key in keys)


def _draw_transaction(rng: Random, number: int) -> tuple[str, Any]:
    micros = []
    for place in range(rng.randint(1, 3)):
        key = rng.choice([b"x", b"y"])
        micros.append(("r", key, None) if rng.random() < 0.5 else ("w", key, (number + place) % 4))
    return "txn", tuple(micros)


def _silent(run: Run, kind: str) -> Run:
    """Return the same data type, but nothing is told by operations of one kind."""

    def silent(state: Any, operation: Operation) -> tuple[Any, Any]:
        result, after = run(state, operation)
        return (None if operation.kind == kind else result), after

    return silent


def _run_stack(state: tuple[Any, ...], operation: Operation) -> tuple[Any, tuple[Any, ...]]:
    if operation.kind == "push":
        return None, (*state, operation.argument)
    return (state[-1], state[:-1]) if state else (None, state)


def _step_stack(state: tuple[Any, ...], operation: Operation) -> tuple[bool, tuple[Any, ...]]:
    result, after = _run_stack(state, operation)
    return operation.outcome == "info" or bool(result == operation.result), after


def _draw_stack(rng: Random, number: int) -> tuple[str, Any]:
    return ("pop", None) if rng.random() < 0.5 else ("push", rng.randrange(4))


_NO_STACK: Final[tuple[Any, ...]] = ()


def _case(model: Model[Any], draw: Draw, silent_kind: str = "") -> Case:
    if model.run is None:
        raise ValueError(f"the {model.name} model does not say what operations return")
    return Case(model, draw, _silent(model.run, silent_kind) if silent_kind else model.run)


CASES: Final = {
    "register": _case(register(0), _draw_register),
    "cas register": _case(register(0), _draw_cas),
    "counter": _case(COUNTER, _draw_counter),
    "silent counter": _case(COUNTER, _draw_counter, "add"),
    "append": _case(APPEND, _draw_append),
    "string": _case(STRING, _draw_string, "append"),
    "string with lengths": _case(STRING, _draw_string),
    "tangled string": _case(STRING, _draw_tangled_string, "append"),
    "doubtful string": _case(STRING, _draw_doubtful_string, "append"),
    "set": _case(SET, _draw_set, "add"),
    "queue": _case(QUEUE, _draw_queue),
    "mutex": _case(MUTEX, _draw_mutex),
    "fenced mutex": Case(MUTEX, _draw_mutex, _run_fenced),
    "multi-register": _case(MULTI_REGISTER, _draw_multi),
    "register transactions": _case(multi_registers(0), _draw_transaction),
    "user-defined stack": Case(Model("stack", _NO_STACK, _step_stack), _draw_stack, _run_stack),
}
"""What is fuzzed, by name."""


@dataclass(slots=True)
class Tally:
    """What a campaign saw; `disagreements` holds each history with what was wrong about it."""

    rounds: int = 0
    valid: int = 0
    invalid: int = 0
    disagreements: list[tuple[str, list[Operation]]] = field(default_factory=list)


def fuzz_linearizable(case: Case, seed: int, rounds: int) -> Tally:
    """Compare the checkers of linearizability with brute force on random histories."""

    def judge(history: list[Operation], tally: Tally) -> bool:
        truth = all(is_linearizable(group, case.model) for group in _by_key(history))
        for check in (check_linearizable, check_by_search):
            verdict = _up_to_failure(check(history, case.model), case.model, history)
            _compare(verdict, truth, case.model, is_linearizable, history, tally)
        return truth

    return _fuzz(case, seed, rounds, judge, processes=SIZE_MAX)


def fuzz_sequential(case: Case, seed: int, rounds: int) -> Tally:
    """Compare the checker of sequential consistency with brute force on random histories."""

    def judge(history: list[Operation], tally: Tally) -> bool:
        truth = is_sequential(history, case.model)
        _compare(check_sequential(history, case.model), truth, case.model, is_sequential, history, tally)
        return truth

    return _fuzz(case, seed, rounds, judge, processes=3)


def _fuzz(case: Case, seed: int, rounds: int, judge: Callable[[list[Operation], Tally], bool], processes: int) -> Tally:
    rng = Random(seed)
    tally = Tally()
    for _ in range(rounds):
        size, keys, among = rng.randint(3, SIZE_MAX), rng.choice([1, 1, 2]), rng.randint(2, processes)
        history = forge(rng, size, case.model.initial, case.draw, case.run, 0.15, keys, among)
        history = disturb(rng, history, rng.randrange(CHANGES_MAX))
        truth = judge(history, tally)
        tally.rounds += 1
        tally.valid += truth
        tally.invalid += not truth
    return tally


def _up_to_failure(verdict: Verdict, model: Model[Any], history: list[Operation]) -> Verdict:
    """Return a verdict without what its witness tells but does not need: writes of values that are shown, which ended
    only after no order was left, so that when they ended says nothing."""
    for last in sorted(verdict.witness, key=lambda each: each.end_us):
        needed = [each for each in verdict.witness if each.end_us <= last.end_us or model.is_read(each)]
        shown = [each for each in needed if each.outcome == "ok"]
        if shown and not is_linearizable(
            _only([each for each in history if each.key == last.key], shown, model), model
        ):
            return verdict._replace(witness=tuple(needed))
    return verdict


def _by_key(history: list[Operation]) -> list[list[Operation]]:
    keys = dict.fromkeys(each.key for each in history)
    return [[each for each in history if each.key == key] for key in keys]


def _compare(
    verdict: Verdict,
    truth: bool,
    model: Model[Any],
    twin: Callable[[list[Operation], Model[Any]], bool],
    history: list[Operation],
    tally: Tally,
) -> None:
    """Note where a verdict is not the truth, or its witness shows too little or too much."""
    if (truth and not verdict.is_valid) or (not truth and not verdict.is_invalid):
        tally.disagreements.append((f"{verdict.validity.value}, and brute force says otherwise", history))
        return
    if truth:
        return
    shown = [each for each in verdict.witness if each.outcome == "ok"]
    group = [each for each in history if each.key in {one.key for one in shown}]
    if not shown or twin(_only(group, shown, model), model):
        tally.disagreements.append(("the witness alone is possible", history))
    if any(group.count(one) > 1 for one in shown):
        return  # of two equal operations a witness shows one
    for one in shown:
        if not twin(_only(group, [each for each in shown if each is not one], model), model):
            tally.disagreements.append(("a part of the witness can be left out", history))
            return


def _only(history: list[Operation], shown: list[Operation], model: Model[Any]) -> list[Operation]:
    """Return the history with all but `shown` forgotten: what it returned, and when it ended."""
    left = []
    for each in history:
        if each in shown:
            left.append(each)
        elif each.outcome != "fail" and not model.is_read(each):
            left.append(each._replace(outcome="info"))
    return left

"""Linearizability, sequential consistency and PRAM by trying every order: the dumb twins of the clever checkers.

No cache, no zones, no pruning. For histories of a handful of operations only.
Source: the definitions, Herlihy and Wing, "Linearizability", TOPLAS 12(3), 1990; Lamport, IEEE TC 28(9), 1979;
Lipton and Sandberg, "PRAM", Princeton CS-TR-180-88, 1988.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.model import Model

OPERATIONS_MAX: Final = 12
"""Operations per history: 12! orders are the most that a test can wait for."""


def is_linearizable(operations: Iterable[Operation], model: Model[Any]) -> bool:
    """Return whether some legal order of the operations of one key agrees with real time.

    Raises:
        ValueError: there are more than OPERATIONS_MAX operations that may have happened.
    """
    return _some_order(_happened(operations), model, {}, Operation.precedes)


def is_sequential(operations: Iterable[Operation], model: Model[Any]) -> bool:
    """Return whether some legal order of the operations of all keys agrees with the order of each process.

    Raises:
        ValueError: there are more than OPERATIONS_MAX operations that may have happened.
    """
    happened = sorted(_happened(operations), key=lambda each: each.invoke_us)
    place = {id(each): number for number, each in enumerate(happened)}

    def precedes(one: Operation, other: Operation) -> bool:
        return one.outcome == "ok" and one.process == other.process and place[id(one)] < place[id(other)]

    return _some_order(happened, model, {}, precedes)


def is_pram(operations: Iterable[Operation], model: Model[Any]) -> bool:
    """Return whether each process has a legal order of its operations and all writes that agrees with every process.

    Raises:
        ValueError: there are more than OPERATIONS_MAX operations in one of these orders.
    """
    history = list(operations)
    return all(
        is_sequential([each for each in history if each.process == process or not model.is_read(each)], model)
        for process in {each.process for each in history}
    )


def _happened(operations: Iterable[Operation]) -> list[Operation]:
    happened = [operation for operation in operations if operation.outcome != "fail"]
    if len(happened) > OPERATIONS_MAX:
        raise ValueError(f"{len(happened)} operations are too many for brute force (at most {OPERATIONS_MAX})")
    return happened


def _some_order(
    waiting: list[Operation],
    model: Model[Any],
    states: dict[bytes, Any],
    precedes: Callable[[Operation, Operation], bool],
) -> bool:
    if all(operation.outcome == "info" for operation in waiting):
        return True
    for index, candidate in enumerate(waiting):
        if any(precedes(other, candidate) for other in waiting if other is not candidate):
            continue
        legal, after = model.step(states.get(candidate.key, model.initial), candidate)
        rest = waiting[:index] + waiting[index + 1 :]
        if legal and _some_order(rest, model, {**states, candidate.key: after}, precedes):
            return True
    return False

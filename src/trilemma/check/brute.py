"""Linearizability by trying every order: the dumb twin that the clever checkers are compared with.

No cache, no zones, no pruning. For histories of a handful of operations only.
Source: the definition, Herlihy and Wing, "Linearizability", TOPLAS 12(3), 1990.
"""

from collections.abc import Iterable
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.model import Model

OPERATIONS_MAX: Final = 12
"""Operations per history: 12! orders are the most that a test can wait for."""


def is_linearizable(operations: Iterable[Operation], model: Model[Any]) -> bool:
    """Return whether some legal order of the operations agrees with real time.

    Raises:
        ValueError: there are more than OPERATIONS_MAX operations that may have happened.
    """
    happened = [operation for operation in operations if operation.outcome != "fail"]
    if len(happened) > OPERATIONS_MAX:
        raise ValueError(f"{len(happened)} operations are too many for brute force (at most {OPERATIONS_MAX})")
    return _some_order(happened, model, model.initial)


def _some_order(waiting: list[Operation], model: Model[Any], state: Any) -> bool:
    if all(operation.outcome == "info" for operation in waiting):
        return True
    for index, candidate in enumerate(waiting):
        if any(other.precedes(candidate) for other in waiting):
            continue
        legal, after = model.step(state, candidate)
        if legal and _some_order(waiting[:index] + waiting[index + 1 :], model, after):
            return True
    return False

"""A set and a first-in-first-out queue.

Set: `add` and `remove` (argument: the element; result: whether it changed the set, as bool or 0/1, or nothing told),
`read` (result: all elements, as a set, a list or a tuple in any order). Queue: `enqueue` (argument: the element),
`dequeue` (result: the element, None where the queue was empty). Source: knossos `model.clj` (`set`, `fifo-queue`).
"""

from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.models.base import (
    TOLD_NOTHING,
    Model,
    Reach,
    by_content,
    deterministic,
    is_plain_read,
    unknown_kind,
)

Elements = frozenset[Any]
Line = tuple[Any, ...]


def _run_set(state: Elements, operation: Operation) -> tuple[Any, Elements]:
    if operation.kind == "read":
        return state, state
    if operation.kind == "add":
        return operation.argument not in state, state | {operation.argument}
    if operation.kind == "remove":
        return operation.argument in state, state - {operation.argument}
    raise unknown_kind("set", operation)


def _step_set(state: Elements, operation: Operation) -> tuple[bool, Elements]:
    result, after = _run_set(state, operation)
    told = operation.result
    if operation.outcome == "info":
        return True, after
    if operation.kind == "read":
        return told is not None and len(told) == len(result) and frozenset(told) == result, after
    return told in TOLD_NOTHING or bool(told == result), after


def _within_set(state: Elements, operation: Operation) -> bool:
    return operation.kind != "read" or operation.result is None or state <= frozenset(operation.result)


def _revives_set(write: Operation, operation: Operation) -> bool:
    return write.kind == "remove"


_EMPTY: Final[Elements] = frozenset()

SET: Final = Model("set", _EMPTY, _step_set, is_plain_read, Reach(_within_set, _revives_set), by_content, _run_set)
"""A set, empty at first."""


def _run_queue(state: Line, operation: Operation) -> tuple[Any, Line]:
    if operation.kind == "enqueue":
        return operation.result, (*state, operation.argument)
    if operation.kind == "dequeue":
        return (state[0], state[1:]) if state else (None, state)
    raise unknown_kind("queue", operation)


def _is_empty_look(operation: Operation) -> bool:
    return operation.kind == "dequeue" and operation.outcome == "ok" and operation.result is None


def _within_queue(state: Line, operation: Operation) -> bool:
    return operation.kind != "dequeue" or operation.result is None or operation.result in state


def _revives_queue(write: Operation, operation: Operation) -> bool:
    return write.kind == "enqueue" and bool(write.argument == operation.result)


_NOBODY: Final[Line] = ()

QUEUE: Final = deterministic(
    "queue", _NOBODY, _run_queue, _is_empty_look, Reach(_within_queue, _revives_queue), by_content
)
"""A queue, empty at first."""

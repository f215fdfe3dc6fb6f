"""A counter: `read` (result: int), `add` (argument: amount of either sign; result: the new sum, None if not told)."""

from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.models.base import TOLD_NOTHING, Model, Reach, by_content, is_plain_read, unknown_kind


def _run(state: int, operation: Operation) -> tuple[Any, int]:
    if operation.kind == "read":
        return state, state
    if operation.kind == "add":
        return state + operation.argument, state + operation.argument
    raise unknown_kind("counter", operation)


def _step(state: int, operation: Operation) -> tuple[bool, int]:
    result, after = _run(state, operation)
    told = operation.result
    silent = operation.outcome == "info" or (operation.kind == "add" and told in TOLD_NOTHING)
    return silent or bool(told == result), after


def _sum_before(operation: Operation) -> int | None:
    """Return the sum that an operation must find, None where any will do."""
    if operation.kind == "read":
        return int(operation.result) if isinstance(operation.result, int) else None
    return None if operation.result in TOLD_NOTHING else int(operation.result - operation.argument)


def _within(state: int, operation: Operation) -> bool:
    wanted = _sum_before(operation)
    return wanted is None or state <= wanted


def _revives(write: Operation, operation: Operation) -> bool:
    return write.kind == "add" and bool(write.argument < 0)


COUNTER: Final = Model("counter", 0, _step, is_plain_read, Reach(_within, _revives), by_content, _run)
"""A counter that begins at 0."""

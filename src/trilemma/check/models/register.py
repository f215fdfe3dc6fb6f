"""Registers: one value that is read, written, and compared and set.

`read` (result: value), `write` (argument: value), `cas` (argument: (expected, new); result: bool). Source: Jepsen's
`cas-register` (knossos `model.clj`).
"""

from dataclasses import replace
from typing import Any

from trilemma.check.grouping import group_registers
from trilemma.check.history import Operation
from trilemma.check.models.base import Model, Reach, by_content, deterministic, unknown_kind
from trilemma.check.register import check_register


def _run(state: Any, operation: Operation) -> tuple[Any, Any]:
    if operation.kind == "read":
        return state, state
    if operation.kind == "write":
        return operation.result, operation.argument
    if operation.kind == "cas":
        expected, new = operation.argument
        return (True, new) if state == expected else (False, state)
    raise unknown_kind("register", operation)


def _is_read(operation: Operation) -> bool:
    """Say whether it changes nothing; a compare-and-set that did not match changes nothing."""
    return operation.kind == "read" or (
        operation.kind == "cas" and operation.outcome == "ok" and operation.result is False
    )


def _within(state: Any, operation: Operation) -> bool:
    if operation.kind == "read":
        return bool(state == operation.result)
    if operation.kind == "cas" and operation.result is True:
        return bool(state == operation.argument[0])
    return True


def _revives(write: Operation, operation: Operation) -> bool:
    if operation.kind == "write" or write.kind == "read":
        return False
    wanted = operation.result if operation.kind == "read" else operation.argument[0]
    return bool(wanted == (write.argument if write.kind == "write" else write.argument[1]))


def register(initial: Any = None) -> Model[Any]:
    """Return a register that holds `initial` before the first write."""
    model = deterministic("register", initial, _run, _is_read, Reach(_within, _revives), by_content)
    return replace(model, judge=check_register, group=group_registers)

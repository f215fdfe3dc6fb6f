"""A string that grows: `append` (argument), `put` (argument: the whole value), `read` or `get` (result: the value).

An absent key is an empty string; a read says so by the empty value or None. Values may be bytes or str. Two models
differ in what an append's result means: in APPEND it is the new length, always; in STRING it is the new length where
it is an int, and says nothing otherwise. Source: Porcupine's key-value model (`porcupine_test.go`), MIT 6.824.
"""

from typing import Any, Final

from trilemma.check.blocks import check_blocks
from trilemma.check.grouping import group_strings
from trilemma.check.history import Operation
from trilemma.check.models.base import Model, Reach, by_content, deterministic, is_plain_read, unknown_kind
from trilemma.check.parts import told_length

_NOTHING: Final[Any] = b""


def _run(state: Any, operation: Operation) -> tuple[Any, Any]:
    if operation.kind in ("read", "get"):
        return state, state
    if operation.kind == "append":
        after = state + operation.argument if state else operation.argument
        return len(after), after
    if operation.kind == "put":
        return operation.result, operation.argument
    raise unknown_kind("string", operation)


def _step(state: Any, operation: Operation) -> tuple[bool, Any]:
    result, after = _run(state, operation)
    if operation.outcome == "info":
        return True, after
    if operation.kind == "append":
        return told_length(operation) in (None, result), after
    return bool(operation.result == result) or not (operation.result or result), after


def _within(state: Any, operation: Operation) -> bool:
    if not state:
        return True
    if operation.kind in ("read", "get"):
        return isinstance(operation.result, type(state)) and operation.result.startswith(state)
    told = told_length(operation) if operation.kind == "append" else None
    return told is None or len(state) + len(operation.argument) <= told


def _revives(write: Operation, operation: Operation) -> bool:
    return write.kind == "put" and _within(write.argument, operation)


_REACH: Final = Reach(_within, _revives)

APPEND: Final = deterministic("append", _NOTHING, _run, is_plain_read, _REACH, by_content)
"""Appends that return the new length."""

STRING: Final = Model("string", _NOTHING, _step, is_plain_read, _REACH, by_content, _run, check_blocks, group_strings)
"""Puts, gets, and appends that need not say what they made."""

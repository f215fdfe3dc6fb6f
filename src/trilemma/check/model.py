"""Sequential models: what a data type does when operations come one at a time.

A model is data: an initial state and a pure step from (state, operation) to (possible?, new state). States are
hashable, because the search remembers them. An operation of outcome `info` has no result, so a step must accept it
whatever it would have returned. Source: Porcupine `model.go`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from trilemma.check.history import Operation

State = TypeVar("State")


def _never(operation: Operation) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Model(Generic[State]):
    """A sequential data type.

    `step` must be pure. `is_read` may say of an operation that it changes no state, whatever the state: the search
    then need not try it in every place. To leave it out costs time, never correctness.
    """

    name: str
    initial: State
    step: Callable[[State, Operation], tuple[bool, State]]
    is_read: Callable[[Operation], bool] = _never


def deterministic(
    name: str,
    initial: State,
    run: Callable[[State, Operation], tuple[Any, State]],
    is_read: Callable[[Operation], bool] = _never,
) -> Model[State]:
    """Return the model of a type whose result is determined: `run` gives the result and the new state."""

    def step(state: State, operation: Operation) -> tuple[bool, State]:
        result, after = run(state, operation)
        return operation.outcome == "info" or result == operation.result, after

    return Model(name, initial, step, is_read)


def _is_read(operation: Operation) -> bool:
    return operation.kind in ("read", "multi_read")


def _unknown_kind(model: str, operation: Operation) -> ValueError:
    return ValueError(f"the {model} model has no operation {operation.kind!r}")


def _register(state: Any, operation: Operation) -> tuple[Any, Any]:
    if operation.kind == "read":
        return state, state
    if operation.kind == "write":
        return operation.result, operation.argument
    if operation.kind == "cas":
        expected, new = operation.argument
        return (True, new) if state == expected else (False, state)
    raise _unknown_kind("register", operation)


def register(initial: Any = None) -> Model[Any]:
    """Return a register: `read`, `write` (argument: value), `cas` (argument: (expected, new); result: bool)."""
    return deterministic("register", initial, _register, _is_read)


def _counter(state: int, operation: Operation) -> tuple[Any, int]:
    if operation.kind == "read":
        return state, state
    if operation.kind == "add":
        return state + operation.argument, state + operation.argument
    raise _unknown_kind("counter", operation)


COUNTER: Final = deterministic("counter", 0, _counter, _is_read)
"""A counter: `read` (result: int), `add` (argument: amount of either sign; result: the new sum)."""


def _appended(state: bytes, operation: Operation) -> tuple[Any, bytes]:
    if operation.kind == "read":
        return state, state
    if operation.kind == "append":
        after = state + operation.argument
        return len(after), after
    raise _unknown_kind("append", operation)


APPEND: Final = deterministic("append", b"", _appended, _is_read)
"""A string that grows: `append` (argument: bytes; result: the new length), `read` (result: bytes, empty if absent)."""


Pairs = tuple[tuple[bytes, Any], ...]


def _multi_register(state: Pairs, operation: Operation) -> tuple[Any, Pairs]:
    if operation.kind == "multi_read":
        held = dict(state)
        return tuple(held.get(key) for key in operation.argument), state
    if operation.kind == "multi_write":
        return operation.result, tuple(sorted({**dict(state), **dict(operation.argument)}.items()))
    raise _unknown_kind("multi-register", operation)


_NO_PAIRS: Final[Pairs] = ()

MULTI_REGISTER: Final = deterministic("multi-register", _NO_PAIRS, _multi_register, _is_read)
"""Registers that are read and written together: `multi_read` (argument: keys; result: their values, None where
absent), `multi_write` (argument: pairs of key and value)."""

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


def _keys_read(state: frozenset[bytes], operation: Operation) -> bool:
    """Say whether a look at a database may show what it did."""
    result = operation.result
    if operation.kind in ("read_keys", "read_all"):
        return bool(result == tuple(sorted(state)))
    if operation.kind == "read_size":
        return bool(result == len(state))
    if operation.kind == "read_random":
        return result in state if state else result is None
    if operation.kind == "read_values":
        return sum(value is not None for value in result) == len(state)
    raise _unknown_kind("key set", operation)


def _key_set(state: frozenset[bytes], operation: Operation) -> tuple[bool, frozenset[bytes]]:
    unsure = operation.outcome == "info"
    if operation.kind == "put":
        return unsure or operation.result is None, state | {operation.argument}
    if operation.kind == "delete":
        return unsure or operation.result == (operation.argument in state), state - {operation.argument}
    if operation.kind in ("flush", "flush_all"):
        return unsure or operation.result is None, frozenset()
    return unsure or _keys_read(state, operation), state


_NO_NAMES: Final[frozenset[bytes]] = frozenset()

KEY_SET: Final = Model("key set", _NO_NAMES, _key_set, lambda operation: operation.kind.startswith("read"))
"""Which keys a database has: `put` and `delete` (argument: the key; a delete's result: 1 or 0), `flush`, `read_keys`,
`read_size`, `read_random` (any key, None where there is none), `read_values` (a value per key, None where absent)."""

"""Registers that are read and written together.

`multi_read` (argument: keys; result: their values, None where absent), `multi_write` (argument: pairs of key and
value). All of them are one object: their history is not split.
"""

from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.models.base import Reach, deterministic, is_plain_read, unknown_kind

Pairs = tuple[tuple[bytes, Any], ...]


def _run(state: Pairs, operation: Operation) -> tuple[Any, Pairs]:
    if operation.kind == "multi_read":
        held = dict(state)
        return tuple(held.get(key) for key in operation.argument), state
    if operation.kind == "multi_write":
        return operation.result, tuple(sorted({**dict(state), **dict(operation.argument)}.items()))
    raise unknown_kind("multi-register", operation)


def _demands(operation: Operation) -> tuple[tuple[bytes, Any], ...]:
    if operation.kind != "multi_read" or not isinstance(operation.result, tuple):
        return ()
    return tuple(zip(operation.argument, operation.result, strict=False))


def _within(state: Pairs, operation: Operation) -> bool:
    held = dict(state)
    return all(held.get(key) == value for key, value in _demands(operation))


def _revives(write: Operation, operation: Operation) -> bool:
    return write.kind == "multi_write" and not set(_demands(operation)).isdisjoint(write.argument)


_NO_PAIRS: Final[Pairs] = ()

MULTI_REGISTER: Final = deterministic("multi-register", _NO_PAIRS, _run, is_plain_read, Reach(_within, _revives))
"""Registers, all absent at first."""

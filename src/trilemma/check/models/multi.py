"""Registers that are read and written together.

`multi_read` (argument: keys; result: their values, None where absent), `multi_write` (argument: pairs of key and
value), `txn` (argument: micro-operations `("r", key, None)` and `("w", key, value)`; result: the same with what was
read). All of them are one object: their history is not split. Source: Knossos, multi-register.
"""

from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.models.base import Model, Reach, deterministic, unknown_kind

Pairs = tuple[tuple[bytes, Any], ...]


def _is_read(operation: Operation) -> bool:
    if operation.kind == "txn":
        return all(micro[0] == "r" for micro in operation.argument)
    return operation.kind == "multi_read"


def _do(held: dict[bytes, Any], initial: Any, name: str, key: bytes, value: Any) -> tuple[str, bytes, Any]:
    if name == "r":
        return name, key, held.get(key, initial)
    if name != "w":
        raise ValueError(f"a register has no micro-operation {name!r}")
    held[key] = value
    return name, key, value


def _demands(operation: Operation) -> list[tuple[bytes, Any]]:
    """Return what registers must hold before an operation that was answered."""
    if not isinstance(operation.result, tuple):
        return []
    if operation.kind == "multi_read":
        return list(zip(operation.argument, operation.result, strict=False))
    demands: list[tuple[bytes, Any]] = []
    own: set[bytes] = set()
    for name, key, value in operation.result if operation.kind == "txn" else ():
        if name == "w":
            own.add(key)
        elif key not in own:
            demands.append((key, value))
    return demands


def _written(operation: Operation) -> list[tuple[bytes, Any]]:
    if operation.kind == "txn":
        return [(key, value) for name, key, value in operation.argument if name == "w"]
    return list(operation.argument) if operation.kind == "multi_write" else []


def _revives(write: Operation, operation: Operation) -> bool:
    written = _written(write)
    return any(demand in written for demand in _demands(operation))


_NO_PAIRS: Final[Pairs] = ()


def multi_registers(initial: Any = None) -> Model[Pairs]:
    """Return registers of which each holds `initial` at first."""

    def run(state: Pairs, operation: Operation) -> tuple[Any, Pairs]:
        held = dict(state)
        if operation.kind == "multi_read":
            return tuple(held.get(key, initial) for key in operation.argument), state
        if operation.kind == "multi_write":
            held.update(operation.argument)
            return operation.result, tuple(sorted(held.items()))
        if operation.kind == "txn":
            result = tuple(_do(held, initial, *micro) for micro in operation.argument)
            return result, tuple(sorted(held.items()))
        raise unknown_kind("multi-register", operation)

    def within(state: Pairs, operation: Operation) -> bool:
        held = dict(state)
        return all(held.get(key, initial) == value for key, value in _demands(operation))

    return deterministic("multi-register", _NO_PAIRS, run, _is_read, Reach(within, _revives))


MULTI_REGISTER: Final = multi_registers()
"""Registers, all absent at first."""

"""Registers that transactions read and write: the sequential model.

Operations: `multi_read` and `multi_write` as of `model.MULTI_REGISTER`, and `txn` (argument: micro-operations
`("r", key, None)` and `("w", key, value)`; result: the same with what was read). Source: Knossos, multi-register.
"""

from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.model import Model, deterministic
from trilemma.check.models.multi import Pairs

_NO_PAIRS: Final[Pairs] = ()


def transactional_registers(initial: Any = None) -> Model[Pairs]:
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
        raise ValueError(f"the registers have no operation {operation.kind!r}")

    return deterministic("multi-register", _NO_PAIRS, run, _is_read)


def _do(held: dict[bytes, Any], initial: Any, name: str, key: bytes, value: Any) -> tuple[str, bytes, Any]:
    if name == "r":
        return name, key, held.get(key, initial)
    if name != "w":
        raise ValueError(f"a register has no micro-operation {name!r}")
    held[key] = value
    return name, key, value


def _is_read(operation: Operation) -> bool:
    if operation.kind == "txn":
        return all(micro[0] == "r" for micro in operation.argument)
    return operation.kind == "multi_read"

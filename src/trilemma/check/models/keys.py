"""Which keys a database has, as commands about the whole of it show.

`put` and `delete` (argument: the key; a delete's result: 1 or 0), `flush`, `read_keys`, `read_size`, `read_random` (any
key, None where there is none), `read_values` (a value per key, None where absent).
"""

from typing import Final

from trilemma.check.history import Operation
from trilemma.check.models.base import Model, unknown_kind


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
    raise unknown_kind("key set", operation)


def _step(state: frozenset[bytes], operation: Operation) -> tuple[bool, frozenset[bytes]]:
    unsure = operation.outcome == "info"
    if operation.kind == "put":
        return unsure or operation.result is None, state | {operation.argument}
    if operation.kind == "delete":
        return unsure or operation.result == (operation.argument in state), state - {operation.argument}
    if operation.kind in ("flush", "flush_all"):
        return unsure or operation.result is None, frozenset()
    return unsure or _keys_read(state, operation), state


_NO_NAMES: Final[frozenset[bytes]] = frozenset()

KEY_SET: Final = Model("key set", _NO_NAMES, _step, lambda operation: operation.kind.startswith("read"))
"""A database without keys at first."""

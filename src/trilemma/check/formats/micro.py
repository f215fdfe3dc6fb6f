"""Micro-operations: what transactions are made of, `[:append 3 4]`, `[:r 3 [1 2]]`, `[:w :x 1]`.

Their names become `append`, `r`, `w`. Source: Jepsen, jepsen.txn.micro-op; Elle, list-append and rw-register.
"""

from typing import Any, Final

from trilemma.check.formats.key import Names

NAMES: Final = {":append": "append", ":r": "r", ":read": "r", ":w": "w", ":write": "w"}

Micro = tuple[str, bytes, Any]


def are_micro_operations(value: Any) -> bool:
    """Say whether a value is a transaction's."""
    return isinstance(value, tuple) and bool(value) and all(_is_micro(each) for each in value)


def _is_micro(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and isinstance(value[0], str) and value[0] in NAMES


def micro_operations(value: Any, names: Names, results: bool) -> tuple[Micro, ...]:
    """Return a transaction as the models have it.

    Args:
        results: whether what was read is known; else reads hold None.
    """
    made = []
    for name, key, content in value:
        known = results or NAMES[name] != "r"
        made.append((NAMES[name], names.of(key), names.value(content) if known else None))
    return tuple(made)

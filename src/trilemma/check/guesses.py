"""What a history is taken for where nobody says: whether its kinds and values are those of one data type.

Owns how the types that share a kind are told apart; `judges` asks row after row.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.lagging import may_lag

_SEVERAL: Final = (tuple, list, frozenset, set)
"""The types of several values at once."""


def shows_only(operations: Sequence[Operation]) -> bool:
    """Say whether nothing was done but to read, and several values were read at once: of a bank, a set, a register."""
    return all(each.kind in ("read", "get") for each in operations) and any(
        each.outcome == "ok" and isinstance(each.result, (*_SEVERAL, dict)) for each in operations
    )


def counts(operations: Sequence[Operation]) -> bool:
    """Say whether what was read are numbers: what is added to a counter, and to a set, is told in the same words.

    Nil was read of a counter that nobody had added to; where nothing else was read it is taken for an empty set.
    """
    shown = [each.result for each in operations if each.kind == "read" and each.outcome == "ok"]
    added = [each.argument for each in operations if each.kind == "add"]
    sums = [each for each in shown if each is not None]
    return bool(sums or not shown) and all(type(each) is int for each in (*sums, *added))


def shows_elements(operations: Sequence[Operation]) -> bool:
    """Say whether what was read are several values, or nothing, or elements were taken out."""
    shown = [each.result for each in operations if each.kind == "read" and each.outcome == "ok"]
    changes = any(each.kind in ("add", "remove") for each in operations)
    return changes and all(each is None or isinstance(each, _SEVERAL) for each in shown)


def counts_apart(operations: Sequence[Operation]) -> bool:
    """Say whether replicas of a counter may lag."""
    return counts(operations) and may_lag(operations)


def shows_elements_apart(operations: Sequence[Operation]) -> bool:
    """Say whether replicas of a set may lag."""
    return shows_elements(operations) and may_lag(operations)


def drains(operations: Sequence[Operation]) -> bool:
    """Say whether queues were emptied."""
    return any(each.kind == "drain" for each in operations)


def locks(operations: Sequence[Operation]) -> bool:
    """Say whether something was acquired or released."""
    return any(each.kind in ("acquire", "release") for each in operations)


def expires(operations: Sequence[Operation]) -> bool:
    """Say whether keys were given deadlines, or deleted."""
    return any(each.kind in ("expire", "delete") for each in operations)


def balances(operations: Sequence[Operation]) -> bool:
    """Say whether something was transferred."""
    return any(each.kind == "transfer" for each in operations)


def _micro_names(operations: Sequence[Operation]) -> Iterator[Any]:
    """Yield what each micro-operation of transactions does; None for what is none."""
    for each in operations:
        if each.kind == "txn":
            micros = each.argument if isinstance(each.argument, tuple) else (None,)
            yield from (micro[0] if isinstance(micro, tuple) and micro else None for micro in micros)


def writes_values(operations: Sequence[Operation]) -> bool:
    """Say whether transactions read and write values."""
    return all(name in ("r", "w") for name in _micro_names(operations))


def appends_elements(operations: Sequence[Operation]) -> bool:
    """Say whether transactions read lists and append to them."""
    return all(name in ("r", "append") for name in _micro_names(operations))

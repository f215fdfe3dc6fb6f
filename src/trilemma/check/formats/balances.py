"""Balances told as a vector, `[10 10]`, as older tests of banks tell them: the account of each is its index.

So it is where transfers name accounts by whole numbers; where they name them otherwise nobody knows whose is which.
Source: Jepsen, tests of banks before `jepsen.tests.bank`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from trilemma.check.formats.edn_value import Map, write
from trilemma.check.formats.error import FormatError, shown
from trilemma.check.formats.event import Event, Pair

_ENDS: Final = (":from", ":to")
"""What of a transfer are accounts."""


def with_accounts(pairs: Sequence[Pair], value: Callable[[Event], Any]) -> dict[int, Map]:
    """Return the balances of each account for each read, by its place among the operations, that tells a vector.

    Args:
        value: returns that of an event, without its key.

    Raises:
        FormatError: a vector is told, and the accounts are no numbers.
    """
    moves = [value(pair.begin) for pair in pairs if pair.begin.function == "transfer"]
    accounts = [move.get(name) for move in moves if isinstance(move, Map) for name in _ENDS]
    if not accounts:
        return {}
    other = next((each for each in accounts if type(each) is not int), None)
    found: dict[int, Map] = {}
    for place, pair in enumerate(pairs):
        balances: Any = value(pair.end) if pair.end is not None and _is_read(pair.end) else None
        if pair.end is None or not _are_balances(balances):
            continue
        if other is not None:
            accounts_are = f"transfers name accounts such as {shown(write(other))}, which are no places in it"
            raise FormatError(pair.end.line, pair.end.column, f"a read of {shown(write(balances))}: {accounts_are}")
        found[place] = Map(enumerate(balances))
    return found


def _is_read(end: Event) -> bool:
    return end.type == "ok" and end.function == "read"


def _are_balances(value: Any) -> bool:
    return type(value) is tuple and bool(value) and all(each is None or type(each) is int for each in value)

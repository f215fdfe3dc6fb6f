"""Counters begun at rest on keys that were gone: each shows what was added, and lives until somebody says otherwise.

What an earlier life of the key left behind (a deadline, a hidden value, a cleared counter) must not show through.
Operations, at one node and one after the other: `command` with `(b"INCRBY", key, amount)`, then `(b"GET", key)` and
`(b"PTTL", key)`; nobody else touches the keys meanwhile. Twin: Redis without any key, in the tests.
"""

from collections.abc import Iterable
from typing import Final

from trilemma.check.history import History, Operation
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "counters begun at rest"
FOR_EVER_MS: Final = -1
"""What PTTL says of a key without a deadline."""


def check_revivals(operations: Iterable[Operation]) -> Verdict:
    """Judge every key's increment, and what was read behind it."""
    groups = History(operations).by_key()
    if not groups:
        return unknown(CHECKER, "no key was gone")
    return combine((_check_key(group) for group in groups.values()), CHECKER)


def _check_key(group: list[Operation]) -> Verdict:
    begun = next(each for each in group if each.argument[0] == b"INCRBY")
    if begun.outcome != "ok":
        return unknown(CHECKER, f"{begun.key!r} was not begun anew")
    amount = int(begun.argument[2])
    wanted = {b"INCRBY": amount, b"GET": b"%d" % amount, b"PTTL": FOR_EVER_MS}
    for each in group:
        if each.outcome == "ok" and each.result != wanted[each.argument[0]]:
            return invalid(CHECKER, f"{each.key!r} was begun anew by {amount} and shows {each.result!r}", group)
    return valid(CHECKER)

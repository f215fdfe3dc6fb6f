"""Keyspaces that come and go: one client's reads of a key show what it wrote, and nothing once it is deleted for good.

The client's steps do not overlap, so no search is needed: what a read may show is known before it. A write that nobody
can tell of may take effect at any later time, save behind a delete that was acknowledged. Source: PROTOCOLS §7.4.
"""

from collections.abc import Sequence
from typing import Final

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, valid

CHECKER: Final = "passing keyspaces"


class _Key:
    """What one key may show next."""

    def __init__(self) -> None:
        self.now: set[object] = {None}
        self.later: set[object] = set()
        """What writes that nobody can tell of may still put there."""

    def take(self, operation: Operation) -> bool:
        """Take in an operation; return whether its result is possible."""
        is_ok = operation.outcome == "ok"
        if operation.kind == "read":
            return not is_ok or operation.result in self.now | self.later
        if operation.outcome == "fail":
            return True
        if operation.kind == "delete":
            self.now = {None} if is_ok else self.now | {None}
            self.later = set() if is_ok else self.later
        elif is_ok:
            self.now = {operation.argument}
        else:
            self.later |= {operation.argument}
        return True


def check_passing(operations: Sequence[Operation]) -> Verdict:
    """Judge the reads of keys that one client writes and deletes, each key for good.

    Args:
        operations: `write`, `read` and `delete` in the order of their invocation; others are ignored.

    Cost: O(n).
    """
    keys: dict[bytes, _Key] = {}
    for operation in operations:
        if operation.kind not in ("write", "read", "delete"):
            continue
        key = keys.setdefault(operation.key, _Key())
        if not key.take(operation):
            could = sorted(map(repr, key.now | key.later))
            reason = f"{operation.key!r} shows {operation.result!r}, which can only be {' or '.join(could)}"
            return invalid(CHECKER, reason, [operation])
    return valid(CHECKER)

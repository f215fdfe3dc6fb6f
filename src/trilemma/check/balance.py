"""The bank invariant where reads show accounts by name: transfers move money, so every read shows the same sum.

Operations: `read` (result: pairs of account and balance); others, such as `transfer`, are ignored. For the workload of
this package, whose looks are MGETs, see `bank`. Source: Jepsen `tests/bank.clj`.
"""

from collections.abc import Iterable
from typing import Final

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "bank balances"


def check_balances(operations: Iterable[Operation], total: int | None = None) -> Verdict:
    """Judge whether every read shows the same sum and no account overdrawn.

    Args:
        total: what all accounts hold together; None for what the first read shows.
    """
    reads = [each for each in operations if each.kind == "read" and each.outcome == "ok"]
    first: Operation | None = None
    for read in sorted(reads, key=lambda each: each.invoke_us):
        balances = [balance for _, balance in read.result]
        poor = [pair for pair in read.result if not isinstance(pair[1], int) or pair[1] < 0]
        if poor:
            return invalid(CHECKER, f"the balance of {poor[0][0]!r} is {poor[0][1]!r}", [read])
        if total is None:
            total, first = sum(balances), read
        if sum(balances) != total:
            reason = f"the accounts hold {sum(balances)}, not {total}"
            return invalid(CHECKER, reason, [read] if first is None else [first, read])
    return valid(CHECKER, f"{len(reads)} reads of {total}") if reads else unknown(CHECKER, "no read succeeded")

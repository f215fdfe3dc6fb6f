"""The bank invariant: transfers move money, so every look at all accounts shows the same sum, and none is overdrawn.

Weaker than the search over the same history, but linear. Source: Jepsen `tests/bank.clj`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "bank"


def check_bank(operations: Iterable[Operation], accounts: Sequence[bytes], total: int) -> Verdict:
    """Judge every MGET of all accounts.

    Args:
        operations: those of `workload.bank`; the accounts must have been opened before the first.
    """
    look = (b"MGET", *accounts)
    audits = [each for each in operations if each.outcome == "ok" and each.argument == look]
    for audit in audits:
        shown = audit.result
        if not isinstance(shown, tuple) or not all(isinstance(each, bytes) and each.isdigit() for each in shown):
            return invalid(CHECKER, f"a balance is missing or overdrawn: {shown!r}", [audit])
        if sum(int(each) for each in shown) != total:
            return invalid(CHECKER, f"the accounts hold {sum(int(each) for each in shown)}, not {total}", [audit])
    return valid(CHECKER, f"{len(audits)} audits") if audits else unknown(CHECKER, "no audit succeeded")

"""The bank invariant: transfers move money, so every look at all accounts shows the same sum, and none is overdrawn.

Two shapes of a look: the MGET of `workload.bank` (`check_bank`), and a `read` whose result maps accounts to balances
(`check_balances`), as Jepsen's histories have it. Weaker than the search over the same history, but linear.
Source: Jepsen `tests/bank.clj`. Twin: in the tests.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

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


def check_balances(
    operations: Iterable[Operation],
    total: int | None = None,
    accounts: Iterable[Hashable] | None = None,
    negative_allowed: bool = False,
) -> Verdict:
    """Judge every `read` of all balances.

    Args:
        operations: of one bank: `read` (result: a mapping from account to balance, or its pairs, each account once),
            and others, which are ignored.
        total: what all accounts hold together, in the accounts' unit; None for what the first read shows.
        accounts: the accounts that there are; None for those of the first read.
        negative_allowed: an account may be overdrawn.
    """
    reads = [each for each in operations if each.kind == "read" and each.outcome == "ok"]
    expected = None if accounts is None else frozenset(accounts)
    measure: list[Operation] = []
    for read in sorted(reads, key=lambda each: each.invoke_us):
        shown = _balances(read.result)
        if shown is None:
            return invalid(CHECKER, f"these are no balances: {read.result!r}", [read])
        if expected is None:
            expected = frozenset(shown)
        fault = _fault(shown, expected, total, negative_allowed)
        if fault:
            return invalid(CHECKER, fault, [*measure, read])
        if total is None:
            total, measure = sum(shown.values()), [read]
    return valid(CHECKER, f"{len(reads)} reads of {total}") if reads else unknown(CHECKER, "no read succeeded")


def shows_accounts(result: Any) -> bool:
    """Say whether what a read shows are accounts with balances, right or wrong, or nothing at all."""
    return result is None or isinstance(result, Mapping) or _are_pairs(result)


def _are_pairs(result: Any) -> bool:
    return isinstance(result, tuple | list) and all(
        isinstance(each, tuple | list) and len(each) == 2 for each in result
    )


def _balances(result: Any) -> dict[Hashable, Any] | None:
    if isinstance(result, Mapping):
        return dict(result)
    if _are_pairs(result):
        made = dict(result)
        return made if len(made) == len(result) else None
    return None


def _fault(shown: dict[Hashable, Any], expected: frozenset[Hashable], total: int | None, negative_allowed: bool) -> str:
    """Say what is wrong with balances; empty where nothing is."""
    for account in expected.symmetric_difference(shown):
        return f"the account {account!r} is missing" if account in expected else f"there is no account {account!r}"
    for account, balance in shown.items():
        if not isinstance(balance, int):
            return f"the account {account!r} holds {balance!r}, which is no balance"
        if balance < 0 and not negative_allowed:
            return f"the account {account!r} is overdrawn: {balance}"
    if total is not None and sum(shown.values()) != total:
        return f"the accounts hold {sum(shown.values())}, not {total}"
    return ""

"""Refusals: what a store that knows the command may answer in place of a reply, because of what befalls its cluster.

A workload sends nothing that is wrong in itself, so an error that blames the command (`ERR unknown command`), or a
reply of a shape that nobody asked for, is a wrong answer, however little was done. Source: docs/errors.md.
"""

from collections.abc import Iterable
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, valid

CHECKER: Final = "refusals"

REFUSALS: Final = (
    *("CLUSTERDOWN ", "TRYAGAIN ", "UNCERTAIN "),
    "ERR the command was carried out, but its reply is too long to be passed on",
)
"""How the errors begin that tell of the cluster, and not of the command. The last: of messages between nodes."""


def is_refusal(told: Any) -> bool:
    """Say whether a reply is an error that tells of the cluster."""
    return isinstance(told, str) and told.startswith(REFUSALS)


def check_refusals(operations: Iterable[Operation]) -> Verdict:
    """Judge that whatever was answered without being carried out for certain was refused, and not answered wrongly.

    An operation of unknown outcome without a result was not answered. One that `fail`s without a result is a
    transaction that was aborted: of these histories none watches anything.
    """
    for each in operations:
        is_unanswered = each.outcome == "info" and each.result is None
        if each.outcome != "ok" and not is_unanswered and each.complete_us is not None and not is_refusal(each.result):
            return invalid(CHECKER, f"{each.kind} was answered {each.result!r}, which is no refusal", [each])
    return valid(CHECKER)

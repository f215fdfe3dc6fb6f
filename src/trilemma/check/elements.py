"""Sets: no acknowledged element lost, no removed one back, none from nowhere.

Operations on a set: `add` and `remove` (argument: the element; result of a remove: 1 or 0, None where it is not known),
`read` (result: the elements). Of each read is demanded:
- *lost*: an element is there if an add of it must be seen and no remove may have taken that add away;
- *resurrected*: it is not there if each add that may be seen must have been taken away by a remove that must be seen;
- *invented*: it is not there if no add of it had begun.

What must and may be: a change may be seen if it began before the read ended and did not fail; it must be seen if it was
over before the read began. A remove may take away an add that had begun before the remove ended, and must take away one
that was over before the remove began. Where replicas lag (`ap`, an OR-set: a remove takes away what it has seen) what
must be seen is only what the same node, by its name, acknowledged, and everything in final reads; and a remove must
have taken away an add only at the same node. Where an add carries its dot as `receipt` and a remove what its executor
had seen as `context`, these decide. A remove that found nothing took nothing away.
Source: Jepsen `checker.clj` (set); Bieniusa et al., "An optimized conflict-free replicated set", arXiv:1210.3368;
basho/riak_dt#78, #82. Twin: the rules above written out, in the tests; and brute force over a sequential set.
Cost: O(elements shown + changes * reads) per set, less where elements are added once.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final

from trilemma.check.history import History, Operation
from trilemma.check.lagging import is_at_one_node
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "set"


def check_elements(
    operations: Iterable[Operation], finals: Sequence[Operation] = (), replicas_lag: bool = False
) -> Verdict:
    """Judge every read of every set.

    Args:
        finals: reads made after the run had come to rest, of any number of replicas.
        replicas_lag: a node need not show what other nodes acknowledged (`ap`), except at rest.

    Returns:
        `unknown` where no set was both changed and read.
    """
    at_rest = History(each for each in finals if _is_look(each)).by_key()
    during = History(operations).by_key()
    verdicts = []
    for key in dict.fromkeys([*during, *at_rest]):
        one_set = _Set(during.get(key, []), replicas_lag)
        found = [one_set.judge(read, False) for read in during.get(key, []) if _is_look(read)]
        found += [one_set.judge(read, True) for read in at_rest.get(key, [])]
        if one_set.has_changes or any(verdict.is_invalid for verdict in found):
            verdicts += found
    return combine(verdicts, CHECKER) if verdicts else unknown(CHECKER, "no set was both changed and read")


def _is_look(operation: Operation) -> bool:
    return operation.kind == "read" and operation.outcome == "ok"


class _Set:
    """The changes of one set."""

    def __init__(self, operations: list[Operation], replicas_lag: bool) -> None:
        self._replicas_lag = replicas_lag
        changes = [each for each in operations if each.kind in ("add", "remove") and each.outcome != "fail"]
        self.has_changes = bool(changes)
        self._adds: dict[Hashable, list[Operation]] = {}
        self._removes: dict[Hashable, list[Operation]] = {}
        for change in changes:
            if change.kind == "add":
                self._adds.setdefault(change.argument, []).append(change)
            elif change.outcome != "ok" or change.result is None or change.result:
                self._removes.setdefault(change.argument, []).append(change)

    def judge(self, read: Operation, is_final: bool) -> Verdict:
        """Judge one read."""
        shown = set(read.result or ())
        for element in shown:
            verdict = self._judge_presence(read, is_final, element)
            if verdict is not None:
                return verdict
        for element, adds in self._adds.items():
            if element not in shown:
                verdict = self._judge_absence(read, is_final, element, adds)
                if verdict is not None:
                    return verdict
        return valid(CHECKER)

    def _judge_presence(self, read: Operation, is_final: bool, element: Hashable) -> Verdict | None:
        adds = [each for each in self._adds.get(element, ()) if each.invoke_us <= read.end_us]
        if not adds:
            return invalid(CHECKER, f"invented: {element!r} was read, but nobody had added it", [read])
        removes = [each for each in self._removes.get(element, ()) if self._must_see(read, is_final, each)]
        takers = [next((each for each in removes if self._must_take(each, add)), None) for add in adds]
        if any(taker is None for taker in takers):
            return None
        reason = f"resurrected: {element!r} was read, but each add of it had been followed by a remove"
        return invalid(CHECKER, reason, [*adds, *(each for each in takers if each is not None), read])

    def _judge_absence(
        self, read: Operation, is_final: bool, element: Hashable, adds: list[Operation]
    ) -> Verdict | None:
        for add in adds:
            if self._must_see(read, is_final, add) and not any(
                each.invoke_us <= read.end_us and self._may_take(each, add) for each in self._removes.get(element, ())
            ):
                reason = (
                    f"lost: {element!r} was added and acknowledged, no remove can have taken it, yet it is not there"
                )
                return invalid(CHECKER, reason, [add, read])
        return None

    def _must_see(self, read: Operation, is_final: bool, change: Operation) -> bool:
        return change.precedes(read) and (not self._replicas_lag or is_final or is_at_one_node(change, read))

    def _must_take(self, remove: Operation, add: Operation) -> bool:
        known = _covers(remove, add)
        if known is not None:
            return known
        return add.precedes(remove) and (not self._replicas_lag or is_at_one_node(add, remove))

    @staticmethod
    def _may_take(remove: Operation, add: Operation) -> bool:
        known = _covers(remove, add)
        return not remove.precedes(add) if known is None else known


def _covers(remove: Operation, add: Operation) -> bool | None:
    """Say whether a remove's executor had seen the dot of an add; None where that was not recorded."""
    context: Any = remove.context
    if context is None or add.receipt is None:
        return None
    node, number = add.receipt
    return bool(context.get(node, 0) >= number)

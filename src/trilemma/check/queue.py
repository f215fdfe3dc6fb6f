"""Queues as a whole: what was put in comes out once, after a final drain; order is not judged.

Operations: `enqueue` (argument: the value), `dequeue` (result: the value, None where the queue was empty), `drain`
(result: the values taken, until the queue was empty). The queue was *drained* if a drain, or a dequeue that found it
empty, began after every acknowledged enqueue was over. By value:
- *unexpected*: came out, but nobody's enqueue can have put it in (it failed, or began only after that);
- *duplicated*: came out more often than it may have been put in by then;
- *recovered*: came out although its enqueue was never acknowledged: allowed;
- *lost*: acknowledged, but never came out. A dequeue or drain in doubt may have taken values that nobody saw: only what
  all of these together cannot have taken is lost for certain.
Source: Jepsen `checker.clj` (total-queue), with operations in doubt taken at their word. Twin: every assignment tried.
Cost: O(n log n).
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

from trilemma.check.history import History, Operation
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "queue"


class Account(NamedTuple):
    """What became of the values of one queue: how often each."""

    acknowledged: int
    unexpected: Counter[Hashable]
    duplicated: Counter[Hashable]
    recovered: Counter[Hashable]
    missing: Counter[Hashable]
    """Acknowledged, but never seen to come out."""
    takers: int | None
    """How many values operations in doubt may have taken at most; None for any number."""
    is_drained: bool

    @property
    def is_lost(self) -> bool:
        """Whether some of the missing values are lost for certain."""
        return self.is_drained and self.takers is not None and self.missing.total() > self.takers

    def describe(self) -> str:
        """Return the counts in a line."""
        names = ("unexpected", "duplicated", "recovered", "missing")
        counts = [f"{getattr(self, name).total()} {name}" for name in names if getattr(self, name)]
        return ", ".join([f"{self.acknowledged} acknowledged", *counts])


def account(operations: list[Operation]) -> Account:
    """Return what became of the values of one queue."""
    enqueues: dict[Hashable, list[Operation]] = {}
    for each in operations:
        if each.kind == "enqueue" and each.outcome != "fail":
            enqueues.setdefault(each.argument, []).append(each)
    takers: dict[Hashable, list[Operation]] = {value: [] for value in enqueues}
    for value, taker in _taken(operations):
        takers.setdefault(value, []).append(taker)
    found = Account(
        sum(each.outcome == "ok" for group in enqueues.values() for each in group),
        unexpected=Counter(),
        duplicated=Counter(),
        recovered=Counter(),
        missing=Counter(),
        takers=_takers_in_doubt(operations),
        is_drained=_is_drained(operations),
    )
    for value, group in takers.items():
        _match(value, enqueues.get(value, []), group, found)
    return found


def _match(value: Hashable, enqueues: list[Operation], takers: list[Operation], found: Account) -> None:
    """Match each taker of a value with an enqueue that had begun before: an acknowledged one, where there is one left.

    What one taker could have found, those that ended later could have found too, so that first come is first served.
    """
    waiting = sorted(enqueues, key=lambda each: each.invoke_us, reverse=True)
    left = {"ok": 0, "info": 0}
    has_begun = False
    for taker in sorted(takers, key=lambda each: each.end_us):
        while waiting and waiting[-1].invoke_us <= taker.end_us:
            left[waiting.pop().outcome] += 1
            has_begun = True
        if left["ok"]:
            left["ok"] -= 1
        elif left["info"]:
            left["info"] -= 1
            found.recovered[value] += 1
        elif has_begun:
            found.duplicated[value] += 1
        else:
            found.unexpected[value] += 1
    missing = left["ok"] + sum(each.outcome == "ok" for each in waiting)
    if missing:
        found.missing[value] += missing


def _takers_in_doubt(operations: list[Operation]) -> int | None:
    in_doubt = [each for each in operations if each.outcome == "info" and each.kind in ("dequeue", "drain")]
    return None if any(each.kind == "drain" for each in in_doubt) else len(in_doubt)


def _taken(operations: Iterable[Operation]) -> list[tuple[Hashable, Operation]]:
    """Return every value that came out, and by which operation."""
    taken: list[tuple[Hashable, Operation]] = []
    for each in operations:
        if each.outcome == "ok" and each.kind == "dequeue" and each.result is not None:
            taken.append((each.result, each))
        elif each.outcome == "ok" and each.kind == "drain":
            taken += [(value, each) for value in each.result or ()]
    return taken


def _is_drained(operations: list[Operation]) -> bool:
    """Whether the queue was seen to be empty after all acknowledged enqueues were over."""
    last_us = max((each.end_us for each in operations if each.kind == "enqueue" and each.outcome == "ok"), default=-1)
    return any(
        each.outcome == "ok"
        and each.invoke_us > last_us
        and (each.kind == "drain" or (each.kind == "dequeue" and each.result is None))
        for each in operations
    )


def check_queue(operations: Iterable[Operation], at_least_once: bool = False) -> Verdict:
    """Judge every queue.

    Args:
        at_least_once: a value may come out more often than it went in (`ap`): that is counted, no more.

    Returns:
        `unknown` where nothing went in, or where something is missing but the queue was not drained at the end, or
        operations in doubt may have taken it.
    """
    verdicts = [_check_key(key, group, at_least_once) for key, group in History(operations).by_key().items()]
    if len(verdicts) == 1:
        return verdicts[0]
    return combine(verdicts, CHECKER) if verdicts else unknown(CHECKER, "no operations")


def _check_key(key: bytes, operations: list[Operation], at_least_once: bool) -> Verdict:
    found = account(operations)
    said = f"{key!r}: {found.describe()}"
    if found.unexpected:
        value = next(iter(found.unexpected))
        return invalid(CHECKER, f"{value!r} came out, but nobody can have put it in. {said}", _about(operations, value))
    if found.duplicated and not at_least_once:
        value = next(iter(found.duplicated))
        return invalid(CHECKER, f"{value!r} came out more often than it went in. {said}", _about(operations, value))
    if found.is_lost:
        value = next(iter(found.missing))
        return invalid(CHECKER, f"{value!r} went in and never came out. {said}", _about(operations, value))
    if not found.acknowledged and not found.recovered:
        return unknown(CHECKER, f"nothing was put in. {said}")
    if found.missing and not found.is_drained:
        return unknown(CHECKER, f"it was not drained after the last enqueue. {said}")
    if found.missing:
        return unknown(CHECKER, f"what is missing may have been taken by operations in doubt. {said}")
    return valid(CHECKER, said)


def _about(operations: list[Operation], value: Hashable) -> list[Operation]:
    """Return the operations that a value went in and came out by."""
    taken = [each for other, each in _taken(operations) if other == value]
    return [each for each in operations if each.kind == "enqueue" and each.argument == value] + taken

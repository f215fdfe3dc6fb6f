"""Counters by bounds: every reply lies between what must and what may have been counted; at rest the sum is exact.

Operations: `add` (argument: the amount, of either sign; result: the new sum) and `read` (result: the sum). An amount
must have been counted in a reply if it was acknowledged before the reply's own call began, and may have been if it was
called before the reply ended. Where replicas may lag (`ap`), what must be seen is only what the same node, by its
name, acknowledged.
Weaker than the search, but linear in size whatever the overlap: two replies that are the same sum may lie within their
bounds and yet have no order. So bounds are a quick first look at linearizability, and never all of it.
Source: Jepsen `checker.clj` (counter), extended to amounts of either sign. Twin: the sums written out, in the tests.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from trilemma.check.history import History, Operation
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "counter bounds"
LAGGING_CHECKER: Final = "causal counter bounds"
"""The name of the same check where replicas may lag: another promise."""

QUORUM_CHECKER: Final = "quorum reads of counters"
FINAL_CHECKER: Final = "counter final sum"

SUMS_MAX: Final = 1 << 16
"""Distinct sums of doubtful amounts that are told apart: 16 doubtful operations of different amounts at least."""


class _Steps:
    """How much was added by when: amounts sorted by a time, with their running sums."""

    __slots__ = ("_sums", "_times")

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(pairs)
        self._times = [time_us for time_us, _ in ordered]
        self._sums = [0, *accumulate(amount for _, amount in ordered)]

    def before(self, time_us: int) -> int:
        return self._sums[bisect_left(self._times, time_us)]

    def until(self, time_us: int) -> int:
        return self._sums[bisect_right(self._times, time_us)]


class _Bounds:
    """The lowest and highest sum that a reply may show, given the operations on one counter."""

    __slots__ = ("_done_down", "_done_up", "_tried_down", "_tried_up")

    def __init__(self, adds: list[Operation], seen: list[Operation]) -> None:
        """Args: `adds` may be counted, `seen` of them must be once acknowledged."""
        done = [each for each in seen if each.outcome == "ok"]
        self._tried_up = _Steps((each.invoke_us, each.argument) for each in adds if each.argument > 0)
        self._tried_down = _Steps((each.invoke_us, each.argument) for each in adds if each.argument < 0)
        self._done_up = _Steps((each.end_us, each.argument) for each in done if each.argument > 0)
        self._done_down = _Steps((each.end_us, each.argument) for each in done if each.argument < 0)

    def of(self, reply: Operation) -> tuple[int, int]:
        begin_us, end_us = reply.invoke_us, reply.end_us
        low = self._done_up.before(begin_us) + self._tried_down.until(end_us)
        high = self._tried_up.until(end_us) + self._done_down.before(begin_us)
        if reply.kind == "add":  # its own amount is in the sum that it reports
            low += max(reply.argument, 0)
            high += min(reply.argument, 0)
        return low, high


def check_counter(operations: Iterable[Operation], initial: int = 0, replicas_lag: bool = False) -> Verdict:
    """Judge whether every reply about every counter lies within its bounds.

    Args:
        initial: what each counter holds at first.
        replicas_lag: a node need not show what other nodes acknowledged (`ap`).

    Cost: O(n log n).
    """
    name = LAGGING_CHECKER if replicas_lag else CHECKER
    verdicts = [_check_key(group, initial, replicas_lag) for group in History(operations).by_key().values()]
    return combine((each._replace(checker=name) for each in verdicts), name)


def check_quorum_reads(operations: Iterable[Operation]) -> Verdict:
    """Judge the reads alone, as if there were one order: where the replicas of any write and any read share one (`ap`
    with WRITE and READ n), a read shows all that was acknowledged before, whoever acknowledged it; sums that writes
    tell need not."""
    reads = [each if each.kind == "read" else each._replace(result=None) for each in operations]
    return check_counter(reads)._replace(checker=QUORUM_CHECKER)


def _check_key(operations: list[Operation], initial: int, replicas_lag: bool) -> Verdict:
    adds = [each for each in operations if each.kind == "add" and each.outcome != "fail"]
    nodes = sorted({each.node for each in operations}) if replicas_lag else [""]
    for node in nodes:
        bounds = _Bounds(adds, [each for each in adds if not replicas_lag or each.node == node != ""])
        for reply in operations:
            if reply.outcome != "ok" or (replicas_lag and reply.node != node):
                continue
            if reply.kind == "add" and reply.result is None:
                continue  # it was acknowledged, and no sum was told
            if type(reply.result) is not int:
                return invalid(CHECKER, f"{reply.result!r} is no sum", [reply])
            low, high = bounds.of(reply)
            if not low <= reply.result - initial <= high:
                reason = f"{reply.result} lies outside [{initial + low}, {initial + high}] on {reply.key!r}"
                return invalid(CHECKER, reason, [reply])
    return valid(CHECKER)


def check_final_sums(operations: Iterable[Operation], finals: Sequence[Operation], initial: int = 0) -> Verdict:
    """Judge whether each counter, at rest, holds every acknowledged amount, and of the doubtful ones each once or not.

    Args:
        operations: the run. Its own replies are not judged here.
        finals: reads made when all replicas had come to rest; those of one counter must agree.
    """
    adds = History(each for each in operations if each.kind == "add").by_key()
    groups = History(each for each in finals if each.outcome == "ok").by_key()
    missing = [key for key in adds if key not in groups]
    if missing:
        return unknown(FINAL_CHECKER, f"no final read of {missing[0]!r}")
    return combine((_check_final(adds.get(key, []), reads, initial) for key, reads in groups.items()), FINAL_CHECKER)


def _check_final(adds: list[Operation], reads: list[Operation], initial: int) -> Verdict:
    if any(read.result != reads[0].result for read in reads):
        return invalid(FINAL_CHECKER, f"replicas at rest show different sums of {reads[0].key!r}", reads)
    certain = initial + sum(each.argument for each in adds if each.outcome == "ok")
    doubtful = [each.argument for each in adds if each.outcome == "info"]
    shown = reads[0].result
    if type(shown) is not int:
        return invalid(FINAL_CHECKER, f"{shown!r} is no sum", reads[:1])
    sums = subset_sums(doubtful)
    if sums is None:
        low = certain + sum(amount for amount in doubtful if amount < 0)
        high = certain + sum(amount for amount in doubtful if amount > 0)
        if low <= shown <= high:
            return unknown(FINAL_CHECKER, f"{len(doubtful)} doubtful amounts on {reads[0].key!r} are too many to tell")
    elif shown - certain in sums:
        return valid(FINAL_CHECKER)
    reason = f"{reads[0].key!r} holds {shown}; acknowledged: {certain}, doubtful: {doubtful}"
    return invalid(FINAL_CHECKER, reason, [reads[0], *(each for each in adds if each.outcome == "info")])


def subset_sums(amounts: list[int]) -> set[int] | None:
    """Return the sums of all subsets, or None when there are more than SUMS_MAX."""
    sums = {0}
    for amount in amounts:
        sums |= {total + amount for total in sums}
        if len(sums) > SUMS_MAX:
            return None
    return sums

"""Expiry: no value is seen after its deadline has surely passed, none goes before its deadline can have come.

Operations: `write` (argument: (unique value, time to live in us, or None)), `expire` (argument: time to live in us, or
None for no deadline; result: 1 if it took effect), `delete`, `read` (result: the value, or None). Where in its interval
an operation took effect is not known, nor how far the clock that judged was off: both give the store the benefit.

A read shows what somebody had begun to write before the read ended. The deadline that holds at a read is that of some
setter (a write, or an effective expire) that may have been the last: one that began before the read ended and that no
other setter, itself over before the read began, surely followed. Late: the value is shown after every such deadline.
Early: nothing is shown, before any such deadline, and no delete may have been the last. Back: a value is shown after a
read of nothing, which its only write had come before; where the clock may be wrong, by more than it can swing, and with
no expire in between. Where replicas may lag (`ap`), one operation surely follows another only at one and the same node,
and what was gone may be shown again: another node may have prolonged it.
Twin: all times of effect, in the tests.
Source: FAULTS §4, row TTL.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final

from trilemma.check.history import END_OF_TIME_US, History, Operation
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "expiry"


def check_expiry(operations: Iterable[Operation], error_us: int, replicas_lag: bool = False) -> Verdict:
    """Judge the reads of every key.

    Args:
        error_us: by how much the clock that judges deadlines may be wrong in this run, in either direction.
        replicas_lag: a node need not show what other nodes acknowledged (`ap`).

    Returns:
        `unknown` where no value ever had a deadline, or nothing was read.

    Cost: O(reads x setters) per key: rotate keys.
    """
    verdicts = []
    judged = False
    for group in History(operations).by_key().values():
        setters = [each for each in group if _sets(each)]
        reads = [each for each in group if each.kind == "read" and each.outcome == "ok"]
        judged |= bool(reads) and any(_ttl_us(each) is not None for each in setters if each.kind != "delete")
        verdicts += [_check_read(read, setters, error_us, replicas_lag) for read in reads]
        verdicts += [] if replicas_lag else _check_returns(reads, setters, error_us)
    if not judged:
        return unknown(CHECKER, "no key with a deadline was read")
    return combine(verdicts, CHECKER)


def _sets(operation: Operation) -> bool:
    if operation.outcome == "fail" or operation.kind == "read":
        return False
    return operation.kind != "expire" or operation.outcome == "info" or operation.result == 1


def _ttl_us(setter: Operation) -> int | None:
    ttl_us: int | None = setter.argument[1] if setter.kind == "write" else setter.argument
    return ttl_us


def _check_read(read: Operation, setters: list[Operation], error_us: int, replicas_lag: bool) -> Verdict:
    if isinstance(read.result, str):
        return invalid(CHECKER, f"a read was answered {read.result!r}", [read])
    if read.result is None:
        return _check_absence(read, _candidates(read, setters, replicas_lag), setters, error_us, replicas_lag)
    writes = [each for each in setters if each.kind == "write" and each.argument[0] == read.result]
    write = next((each for each in writes if each.invoke_us <= read.end_us), None)
    if write is None:
        fault = " before its write began" if writes else ", but nobody wrote it"
        return invalid(CHECKER, f"{read.result!r} was read{fault}", [*writes, read])
    relevant = [each for each in setters if each is write or _may_prolong(each, write, replicas_lag)]
    return _check_presence(read, _candidates(read, relevant, replicas_lag), error_us)


def _may_prolong(setter: Operation, write: Operation, replicas_lag: bool) -> bool:
    """Whether a setter's deadline may hold for the value of this write. Replicas that lag merge the deadlines of
    concurrent commands, whichever value wins (PROMISES §4)."""
    if not replicas_lag:
        return setter.kind == "expire" and not setter.precedes(write)
    return setter.kind != "delete" and not (setter.precedes(write) and setter.node == write.node)


def _candidates(read: Operation, setters: list[Operation], replicas_lag: bool) -> list[Operation]:
    """Return the setters that may have been the last at the read."""

    def followed(one: Operation, other: Operation) -> bool:
        return one.precedes(other) and (not replicas_lag or one.node == other.node)

    begun = [each for each in setters if each.invoke_us <= read.end_us]
    certain = [each for each in begun if followed(each, read)]
    return [each for each in begun if not any(followed(each, other) for other in certain)]


def _check_presence(read: Operation, candidates: list[Operation], error_us: int) -> Verdict:
    latest_us = 0
    for setter in candidates:
        ttl_us = _ttl_us(setter)
        latest_us = max(latest_us, END_OF_TIME_US if ttl_us is None else setter.end_us + ttl_us)
    if not candidates or read.invoke_us <= latest_us + error_us:
        return valid(CHECKER)
    late_us = read.invoke_us - latest_us
    return invalid(CHECKER, f"{read.key!r} was seen {late_us} us after its deadline", [*candidates, read])


def _check_absence(
    read: Operation, candidates: list[Operation], setters: list[Operation], error_us: int, replicas_lag: bool
) -> Verdict:
    written = [
        each
        for each in setters
        if each.kind == "write" and each.precedes(read) and (not replicas_lag or each.node == read.node)
    ]
    if not written or any(each.kind == "delete" for each in candidates):
        return valid(CHECKER)
    earliest_us = END_OF_TIME_US
    for setter in candidates:
        ttl_us = _ttl_us(setter)
        if ttl_us is not None:
            earliest_us = min(earliest_us, setter.invoke_us + ttl_us)
    if read.end_us >= earliest_us - error_us:
        return valid(CHECKER)
    return invalid(CHECKER, f"{read.key!r} was gone before its deadline", [*candidates, read])


class _Absences:
    """The reads of nothing of one key: which of those that began after a moment was over first."""

    __slots__ = ("_begins", "_first")

    def __init__(self, reads: Iterable[Operation]) -> None:
        absent = sorted((each for each in reads if each.result is None), key=lambda each: each.invoke_us)
        self._begins = [each.invoke_us for each in absent]
        self._first = list(
            accumulate(reversed(absent), lambda one, other: min(one, other, key=lambda each: each.end_us))
        )

    def first_after(self, time_us: int) -> Operation | None:
        """Return the read of nothing that was over first, of those that began later than a time; None without any."""
        count = len(self._begins) - bisect_right(self._begins, time_us)
        return self._first[count - 1] if count else None


def _check_returns(reads: list[Operation], setters: list[Operation], error_us: int) -> list[Verdict]:
    """Look for values that were shown again after they were gone, without another write."""
    absences = _Absences(reads)
    last_us: dict[Any, int] = {}
    for each in setters:
        if each.kind == "write":
            last_us[each.argument[0]] = max(last_us.get(each.argument[0], 0), each.end_us)
    found = []
    for read in reads:
        absent = absences.first_after(last_us.get(read.result, END_OF_TIME_US)) if read.result is not None else None
        if absent is None or read.invoke_us - absent.end_us <= 2 * error_us:
            continue
        if error_us and any(each.kind == "expire" and not each.precedes(absent) for each in setters):
            continue
        written = [each for each in setters if each.kind == "write" and each.argument[0] == read.result]
        found.append(invalid(CHECKER, f"{read.result!r} came back after it was gone", [*written, absent, read]))
    return found

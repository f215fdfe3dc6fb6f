"""Expiry: no value is seen after its deadline has surely passed, none goes before its deadline can have come.

Operations: `write` (argument: (unique value, time to live in us, or None)), `expire` (argument: time to live in us, or
None for no deadline; result: 1 if it took effect), `delete`, `read` (result: the value, or None). Where in its interval
an operation took effect is not known, nor how far the clock that judged was off: both give the store the benefit.

A read shows what somebody had begun to write before the read ended. The deadline that holds at a read is that of some
setter (a write, or an effective expire) that may have been the last: one that began before the read ended and that no
other setter, itself over before the read began, surely followed. Late: the value is shown after every such deadline.
Early: nothing is shown, before any such deadline, and no delete may have been the last. Replaced: a value is shown
after another write, a delete, or a read of another value, which all its own writes had come before. Back: a value is
shown after a read of nothing, or a delete that is not known to have found any, which all its writes had come before;
where the clock may be wrong, by more than it can swing, and with no expire in between. Where replicas may lag (`ap`),
one operation surely follows another only at one and the same node, and what was gone or replaced may be shown again:
another node may have prolonged it, or not know of it yet. Not judged: what an expire and a delete were answered.
Twin: all times of effect, in the tests.
Source: FAULTS §4, row TTL.
"""

from bisect import bisect_right
from collections import Counter
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
        known = setters if replicas_lag else _shown_writes(setters, reads)
        told = [_check_read(read, known, error_us, replicas_lag) for read in reads]
        told += [] if replicas_lag else _check_order(reads, known, error_us)
        recorded = {id(one): other for one, other in zip(known, setters, strict=True)}
        verdicts += [each._replace(witness=tuple(recorded.get(id(one), one) for one in each.witness)) for each in told]
    if not judged:
        return unknown(CHECKER, "no key with a deadline was read")
    return combine(verdicts, CHECKER)


def _sets(operation: Operation) -> bool:
    if operation.outcome == "fail" or operation.kind == "read":
        return False
    return operation.kind != "expire" or operation.outcome == "info" or operation.result == 1


def _shown_writes(setters: list[Operation], reads: list[Operation]) -> list[Operation]:
    """Return the setters, each write over when the first read that shows it is over: it had taken effect by then."""
    times = Counter(each.argument[0] for each in setters if each.kind == "write")
    ends_us: dict[Any, int] = {}
    for read in reads:
        ends_us[read.result] = min(read.end_us, ends_us.get(read.result, END_OF_TIME_US))
    known = []
    for each in setters:
        shown_us = ends_us.get(each.argument[0]) if each.kind == "write" and times[each.argument[0]] == 1 else None
        is_sooner = shown_us is not None and each.invoke_us <= shown_us < each.end_us
        known.append(each._replace(complete_us=shown_us, outcome="ok") if is_sooner else each)
    return known


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


def _shown(operation: Operation) -> Any:
    """Return what was there when an operation had taken effect; None for nothing."""
    if operation.kind == "write":
        return operation.argument[0]
    return operation.result if operation.kind == "read" else None


class _Evidence:
    """What shows of one key that something else was there: which of it that began after a moment was over first."""

    __slots__ = ("_begins", "_first")

    def __init__(self, operations: Iterable[Operation]) -> None:
        found = sorted(operations, key=lambda each: each.invoke_us)
        self._begins = [each.invoke_us for each in found]
        nothing: tuple[Operation, ...] = ()
        self._first = list(accumulate(reversed(found), _two_first, initial=nothing))

    def first_after(self, time_us: int, value: Any) -> Operation | None:
        """Return what was over first, of what began later than a time and shows something else than a value."""
        two = self._first[len(self._begins) - bisect_right(self._begins, time_us)]
        return next((each for each in two if _shown(each) != value), None)


def _two_first(known: tuple[Operation, ...], other: Operation) -> tuple[Operation, ...]:
    """Return what is over first, and what is over first of all that shows something else than that."""
    first, *rest = sorted((*known, other), key=lambda each: each.end_us)
    return first, *[each for each in rest if _shown(each) != _shown(first)][:1]


def _is_absence(operation: Operation) -> bool:
    """Whether nothing was there; if because of a deadline, a clock that is wrong may say otherwise afterwards."""
    if operation.kind == "delete":
        return not operation.result
    return operation.kind == "read" and operation.result is None


def _check_order(reads: list[Operation], setters: list[Operation], error_us: int) -> list[Verdict]:
    """Look for values that are shown after something else was there, without another write of them."""
    told = [each for each in (*reads, *setters) if each.kind != "expire" and not isinstance(each.result, str)]
    absences = _Evidence(each for each in told if _is_absence(each))
    others = _Evidence(each for each in told if not _is_absence(each))
    writes: dict[Any, list[Operation]] = {}
    for each in setters:
        if each.kind == "write":
            writes.setdefault(each.argument[0], []).append(each)
    found = []
    for read in reads:
        written = writes.get(read.result, [])
        if read.result is None or not written:
            continue
        last_us = max(each.end_us for each in written)
        other, absent = (each.first_after(last_us, read.result) for each in (others, absences))
        if other is not None and other.precedes(read):
            reason = f"{read.result!r} was read after it was replaced or deleted"
            found.append(invalid(CHECKER, reason, [*written, other, read]))
        elif absent is not None and _came_back(read, absent, setters, error_us):
            found.append(invalid(CHECKER, f"{read.result!r} came back after it was gone", [*written, absent, read]))
    return found


def _came_back(read: Operation, absent: Operation, setters: list[Operation], error_us: int) -> bool:
    """Whether no clock that is wrong by so much explains that nothing was there before a read of something."""
    if read.invoke_us - absent.end_us <= 2 * error_us:
        return False
    return not error_us or not any(each.kind == "expire" and not each.precedes(absent) for each in setters)

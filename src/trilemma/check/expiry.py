"""Expiry: no value is seen after its deadline has surely passed, none goes before its deadline can have come.

Operations: `write` (argument: (value, time to live in us, or None)), `expire` (argument: time to live in us, or
None for no deadline; result: 1 if it took effect), `delete`, `read` (result: the value, or None). Where in its interval
an operation took effect is not known, nor how far the clock that judged was off: both give the store the benefit.

A read shows what somebody had begun to write before the read ended. The deadline that holds at a read is that of some
setter (a write, or an effective expire) that may have been the last: one that began before the read ended and that no
other setter, itself over before the read began, surely followed. Late: the value is shown after every such deadline.
Early: nothing is shown, before any such deadline, and no delete may have been the last. Replaced: a value is shown
after another write, a delete, or a read of another value, which its own write had come before. Back: a value is shown
after a read of nothing, or a delete that is not known to have found any, which its write had come before; where the
clock may be wrong, by more than it can swing, and with no expire in between. Of a value that was written several times
each write that had begun before the read ended may be its source: what is shown is wrong where it is late, replaced or
back for every one of them, but for those that another of them surely followed. Where replicas may lag (`ap`), one
operation surely follows another only at one and the same node, by its name, and what was gone or replaced may be shown
again: another node may have prolonged it, or not know of it yet. Not judged: what an expire and a delete were answered.
Twin: all times of effect, in the tests.
Source: FAULTS §4, row TTL.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from trilemma.check.history import END_OF_TIME_US, History, Operation
from trilemma.check.lagging import is_at_one_node
from trilemma.check.replacement import Replacements
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "expiry"


def check_expiry(operations: Iterable[Operation], error_us: int, replicas_lag: bool = False) -> Verdict:
    """Judge the reads of every key.

    Args:
        error_us: by how much the clock that judges deadlines may be wrong in this run, in either direction.
        replicas_lag: a node need not show what other nodes acknowledged (`ap`).

    Returns:
        `unknown` where no value ever had a deadline, or nothing was read.

    Cost: O(reads x setters) per key, times the writes of a value that overlap: rotate keys.
    """
    verdicts = []
    judged = False
    for group in History(operations).by_key().values():
        setters = [each for each in group if _sets(each)]
        reads = [each for each in group if each.kind == "read" and each.outcome == "ok"]
        judged |= bool(reads) and any(_ttl_us(each) is not None for each in setters if each.kind != "delete")
        known = setters if replicas_lag else _shown_writes(setters, reads)
        replacements = None if replicas_lag else Replacements(reads, known, error_us)
        told = [_check_read(read, known, error_us, replacements) for read in reads]
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
    """Return the setters, each write over when the first read that shows its value is over, where no other write of it
    had begun by then: it had taken effect."""
    ends_us: dict[Any, int] = {}
    for read in reads:
        ends_us[read.result] = min(read.end_us, ends_us.get(read.result, END_OF_TIME_US))

    def shown_us(setter: Operation) -> int | None:
        seen_us = ends_us.get(setter.argument[0]) if setter.kind == "write" else None
        return seen_us if seen_us is not None and setter.invoke_us <= seen_us else None

    begun = Counter(each.argument[0] for each in setters if shown_us(each) is not None)
    known = []
    for each in setters:
        seen_us = shown_us(each)
        is_sooner = seen_us is not None and begun[each.argument[0]] == 1 and seen_us < each.end_us
        known.append(each._replace(complete_us=seen_us, outcome="ok") if is_sooner else each)
    return known


def _ttl_us(setter: Operation) -> int | None:
    ttl_us: int | None = setter.argument[1] if setter.kind == "write" else setter.argument
    return ttl_us


def _check_read(read: Operation, setters: list[Operation], error_us: int, replacements: Replacements | None) -> Verdict:
    """Judge a read; where replicas may lag nothing is known of replacements."""
    if isinstance(read.result, str):
        return invalid(CHECKER, f"a read was answered {read.result!r}", [read])
    if read.result is None:
        return _check_absence(read, setters, error_us, replacements is None)
    writes = [each for each in setters if each.kind == "write" and each.argument[0] == read.result]
    sources = [each for each in writes if each.invoke_us <= read.end_us]
    if not sources:
        why = " before its write began" if writes else ", but nobody wrote it"
        return invalid(CHECKER, f"{read.result!r} was read{why}", [*writes, read])
    faults = []
    latest = _candidates(read, sources, replacements is None)
    for source in sorted(latest, key=lambda each: each.invoke_us, reverse=True):
        fault = _find_fault(read, source, setters, error_us, replacements)
        if fault is None:
            return valid(CHECKER)
        faults.append((fault[0], [source, *fault[1]]))
    told = {id(each): each for _, because in faults for each in because}
    return invalid(CHECKER, faults[0][0], [*told.values(), read])


def _find_fault(
    read: Operation, source: Operation, setters: list[Operation], error_us: int, replacements: Replacements | None
) -> tuple[str, list[Operation]] | None:
    """Return why a read cannot have shown what one write had set, and because of what; None where it can."""
    lags = replacements is None
    candidates = _candidates(
        read, [each for each in setters if each is source or _may_prolong(each, source, lags)], lags
    )
    late_us = _late_us(read, candidates)
    if candidates and late_us > error_us:
        return f"{read.key!r} was seen {late_us} us after its deadline", candidates
    found = replacements.find(source, read) if replacements is not None else None
    return (f"{read.result!r} {found[0]}", [found[1]]) if found is not None else None


def _may_prolong(setter: Operation, write: Operation, replicas_lag: bool) -> bool:
    """Whether a setter's deadline may hold for the value of this write. Replicas that lag merge the deadlines of
    concurrent commands, whichever value wins (PROMISES §4)."""
    if not replicas_lag:
        return setter.kind == "expire" and not setter.precedes(write)
    return setter.kind != "delete" and not (setter.precedes(write) and is_at_one_node(setter, write))


def _candidates(read: Operation, setters: list[Operation], replicas_lag: bool) -> list[Operation]:
    """Return the setters that may have been the last at the read."""
    begun = [each for each in setters if each.invoke_us <= read.end_us]
    near = [each for each in begun if not replicas_lag or is_at_one_node(each, read)]
    last_us = max((each.invoke_us for each in near if each.precedes(read)), default=-1)
    followed = {id(each) for each in near if each.end_us < last_us}
    return [each for each in begun if id(each) not in followed]


def _late_us(read: Operation, candidates: list[Operation]) -> int:
    """Return how long after the last of the deadlines a read began."""
    latest_us = 0
    for setter in candidates:
        ttl_us = _ttl_us(setter)
        latest_us = max(latest_us, END_OF_TIME_US if ttl_us is None else setter.end_us + ttl_us)
    return read.invoke_us - latest_us


def _check_absence(read: Operation, setters: list[Operation], error_us: int, replicas_lag: bool) -> Verdict:
    written = [
        each
        for each in setters
        if each.kind == "write" and each.precedes(read) and (not replicas_lag or is_at_one_node(each, read))
    ]
    candidates = _candidates(read, setters, replicas_lag)
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

"""Program order inside a pipeline: what a connection sent at once for one key took effect in the order sent.

To the other checkers the operations of a pipeline are concurrent, for none is over before the next begins; so commands
that a store executes out of order look legal to them. A *pipeline* here is what one process invoked at one moment on
one key, in the order of the history. Only operations that happened are held to their order: what is in doubt may take
effect at any time, but not before what was sent ahead of it. Necessary conditions, each cheap; what they accept the
searches may still refuse.

Operations: those of the workloads of registers, counters and appends. Source: Redis, "pipelining"; PROMISES §5.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations, pairwise
from typing import Any, Final

from trilemma.check.counter import subset_sums
from trilemma.check.history import History, Operation
from trilemma.check.verdict import Verdict, invalid, valid

CHECKER: Final = "program order"

OTHERS_MAX: Final = 12
"""Amounts that others may have added meanwhile; with more of them nearly every sum is possible."""


def pipelines(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Yield the operations on one key that a process sent at once and that happened, in the order sent; two or more."""
    sent: dict[tuple[int, int, bytes], list[Operation]] = {}
    for each in operations:
        if each.outcome == "ok":
            sent.setdefault((each.process, each.invoke_us, each.key), []).append(each)
    return (each for each in sent.values() if len(each) > 1)


def check_pipelined_registers(operations: Iterable[Operation]) -> Verdict:
    """Judge registers with unique values: no read shows what is older than what its pipeline wrote or read before, and
    what a pipeline has replaced is not read once the pipeline is over."""
    for group in History(operations).by_key().values():
        writes = {each.argument: each for each in group if each.kind == "write" and each.outcome != "fail"}
        newest_reads: dict[Any, Operation] = {}
        for each in group:
            if each.kind == "read" and each.outcome == "ok":
                known = newest_reads.get(each.result)
                newest_reads[each.result] = each if known is None or each.invoke_us > known.invoke_us else known
        for sent in pipelines(group):
            found = _turned_round(sent, writes) or _came_back(sent, newest_reads)
            if found is not None:
                return found
    return valid(CHECKER)


def check_early_reads(operations: Iterable[Operation]) -> Verdict:
    """Judge registers with unique values: no read shows what its own pipeline wrote behind it, also where nobody can
    tell what became of that write."""
    sent: dict[tuple[int, int, bytes], dict[Any, Operation]] = {}
    for each in operations:
        reads = sent.setdefault((each.process, each.invoke_us, each.key), {})
        if each.kind == "read" and each.outcome == "ok":
            reads.setdefault(each.result, each)
        elif each.kind == "write" and each.argument in reads:
            reason = f"{each.argument!r} was read before it was sent"
            return invalid(CHECKER, reason, [reads[each.argument], each])
    return valid(CHECKER)


def _value(operation: Operation) -> Any:
    return operation.argument if operation.kind == "write" else operation.result


def _turned_round(sent: list[Operation], writes: dict[Any, Operation]) -> Verdict | None:
    """Return the verdict on a read that shows something older than an earlier operation of its pipeline."""
    for earlier, later in combinations(sent, 2):
        shown, known = _value(later), _value(earlier)
        if later.kind == "read" and shown != known and _is_older(shown, known, writes, sent):
            return invalid(CHECKER, f"{shown!r} is older than {known!r}, which came before it", [earlier, later])
    return None


def _is_older(value: Any, than: Any, writes: dict[Any, Operation], sent: list[Operation]) -> bool:
    if value is None:
        return True
    one, two = writes.get(value), writes.get(than)
    if one is None or two is None or one.outcome != "ok":
        return False
    places = {id(each): place for place, each in enumerate(sent)}
    both_here = id(one) in places and id(two) in places
    return places[id(one)] < places[id(two)] if both_here else one.precedes(two)


def _came_back(sent: list[Operation], newest_reads: dict[Any, Operation]) -> Verdict | None:
    """Return the verdict on a value that was read after a later write of its pipeline had been acknowledged."""
    for one, two in pairwise(each for each in sent if each.kind == "write"):
        read = newest_reads.get(one.argument)
        if read is not None and two.precedes(read):
            reason = f"{one.argument!r} is read after {two.argument!r} had replaced it"
            return invalid(CHECKER, reason, [one, two, read])
    return None


def check_pipelined_counters(operations: Iterable[Operation]) -> Verdict:
    """Judge counters: from one sum that a pipeline was told to the next there lie its own amount, and what others that
    were under way meanwhile may have added."""
    for group in History(operations).by_key().values():
        adds = [each for each in group if each.kind == "add" and each.outcome != "fail"]
        for sent in pipelines(group):
            own = set(map(id, sent))
            for earlier, later in pairwise(sent):
                if type(earlier.result) is not int or type(later.result) is not int:
                    continue
                others = [
                    each.argument
                    for each in adds
                    if id(each) not in own and each.invoke_us <= later.end_us and each.end_us >= earlier.invoke_us
                ]
                sums = subset_sums(others) if len(others) <= OTHERS_MAX else None
                amount = later.argument if later.kind == "add" else 0
                if sums is not None and later.result - earlier.result - amount not in sums:
                    reason = f"{later.result} does not follow {earlier.result} on {later.key!r}"
                    return invalid(CHECKER, reason, [earlier, later])
    return valid(CHECKER)


def check_pipelined_appends(operations: Iterable[Operation]) -> Verdict:
    """Judge appends of tokens that end with `;`: their order, and that of reads among them, is the one sent."""
    for group in History(operations).by_key().values():
        reads = [each for each in group if each.kind == "read" and each.outcome == "ok"]
        longest = max((each.result for each in reads), key=len, default=b"")
        places = {token: place for place, token in enumerate(longest.split(b";"))}
        for sent in pipelines(group):
            for earlier, later in combinations(sent, 2):
                if not _append_follows(earlier, later, places):
                    return invalid(CHECKER, f"out of order on {later.key!r}", [earlier, later])
    return valid(CHECKER)


def _append_follows(earlier: Operation, later: Operation, places: dict[bytes, int]) -> bool:
    if later.kind == "read":
        if earlier.kind == "read":
            return bool(later.result.startswith(earlier.result))
        return earlier.argument[:-1] in later.result.split(b";")
    if earlier.kind == "read":
        return later.argument[:-1] not in earlier.result.split(b";")
    first, second = places.get(earlier.argument[:-1]), places.get(later.argument[:-1])
    in_order = first is None or second is None or first < second
    return in_order and bool(earlier.result < later.result)

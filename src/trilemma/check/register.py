"""Linearizability of registers whose written values are unique, in O(n log n).

A write and the reads of its value form a cluster. Let f be the earliest completion in a cluster and s its latest
invocation. Cluster u must come before cluster v if some operation of u is over before one of v begins: f(u) < s(v).
The history is linearizable if and only if no read ends before its own write begins and no two clusters must each
come before the other. (Were there a longer ring of such demands, the cluster with the smallest f in it would already
form a pair.) With f < s a cluster is a 'forward zone' [f, s], else a 'backward zone' [s, f], and the pair is either
two forward zones that overlap or a backward zone inside a forward one. Equal stamps are concurrent.

Operations: `write` (argument: the value) and `read` (result: the value). The initial value counts as written before
time began. A write of unknown outcome that no read saw is left out: it may take effect after everything else.
Source: Gibbons and Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997, section 4.1. Twin: `brute`.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "linearizable register"

_BEFORE_TIME_US: Final = -1

# A cluster is a list, because a history of a million operations has that many of them.
_FINISH, _START, _WRITE_INVOKE, _WRITTEN = range(4)


def check_register(operations: Iterable[Operation], initial: Any = None) -> Verdict:
    """Judge whether the reads and writes of every key are linearizable.

    Args:
        operations: reads and writes of any number of keys, in any order.
        initial: what a key holds before its first write.

    Returns:
        `unknown` where a value was written twice or a kind is neither `read` nor `write`.

    Cost: O(n log n).
    """
    keys: dict[bytes, list[Operation]] = {}
    for operation in operations:
        group = keys.get(operation.key)
        if group is None:
            keys[operation.key] = [operation]
        else:
            group.append(operation)
    undecided: Verdict | None = None
    for group in keys.values():
        verdict = _check_key(group, initial)
        if verdict.is_invalid:
            return verdict
        if not verdict.is_valid:
            undecided = undecided or verdict
    return undecided or valid(CHECKER, f"{len(keys)} keys")


def _check_key(operations: list[Operation], initial: Any) -> Verdict:
    clusters: dict[Any, list[int]] = {}
    refusal = _add_writes(operations, clusters, initial) or _add_reads(operations, clusters)
    if refusal is not None:
        return refusal
    clash = find_clash(list(clusters.items()))
    if clash is None:
        return valid(CHECKER)
    return _explain_clash(operations, *clash)


def _add_writes(operations: list[Operation], clusters: dict[Any, list[int]], initial: Any) -> Verdict | None:
    clusters[initial] = [_BEFORE_TIME_US, _BEFORE_TIME_US, _BEFORE_TIME_US, 1]
    for operation in operations:
        if operation.kind == "write":
            value = operation.argument
            written = 0 if operation.outcome == "fail" else 1
            finish = operation.end_us
            if value in clusters:
                return unknown(CHECKER, f"the value {value!r} was written twice to {operation.key!r}")
            clusters[value] = [finish, operation.invoke_us, operation.invoke_us, written]
        elif operation.kind != "read":
            return unknown(CHECKER, f"an operation is neither read nor write: {operation.describe()}")
    return None


def _add_reads(operations: list[Operation], clusters: dict[Any, list[int]]) -> Verdict | None:
    for operation in operations:
        if operation.kind != "read" or operation.outcome != "ok":
            continue
        cluster = clusters.get(operation.result)
        end = operation.end_us
        if cluster is None:
            return invalid(CHECKER, f"{operation.result!r} was read, but nobody wrote it", [operation])
        if not cluster[_WRITTEN] or end < cluster[_WRITE_INVOKE]:
            return _explain_early_read(operations, operation, bool(cluster[_WRITTEN]))
        if end < cluster[_FINISH]:
            cluster[_FINISH] = end
        if operation.invoke_us > cluster[_START]:
            cluster[_START] = operation.invoke_us
    return None


def find_clash(clusters: list[tuple[Any, list[int]]]) -> tuple[Any, Any] | None:
    """Return the values of two clusters that must each come before the other, or None."""
    forward: list[tuple[int, int, Any]] = []
    backward: list[tuple[int, int, Any]] = []
    for value, (finish, start, _, written) in clusters:
        if not written or finish == END_OF_TIME_US:
            continue
        if finish < start:
            forward.append((finish, start, value))
        else:
            backward.append((start, finish, value))
    forward.sort(key=itemgetter(0, 1))
    for left, right in pairwise(forward):
        if right[0] < left[1] and left[0] < right[1]:
            return left[2], right[2]
    begins = [zone[0] for zone in forward]
    for begin, end, value in backward:
        # The forward zones do not overlap: only the last one that begins before this zone can hold it.
        index = bisect_left(begins, begin) - 1
        if index >= 0 and end < forward[index][1]:
            return forward[index][2], value
    return None


def _explain_early_read(operations: list[Operation], read: Operation, written: bool) -> Verdict:
    write = next(each for each in operations if each.kind == "write" and each.argument == read.result)
    if not written:
        return invalid(CHECKER, f"{read.result!r} was read, but its write had failed", [write, read])
    return invalid(CHECKER, f"{read.result!r} was read before its write began", [write, read])


def _explain_clash(operations: list[Operation], one: Any, other: Any) -> Verdict:
    first = [each for each in operations if _touches(each, one)]
    second = [each for each in operations if _touches(each, other)]
    witness = [each for each in first + second if each.kind == "write"]
    for group in (first, second):
        if group:
            witness.append(min(group, key=lambda each: each.end_us))
            witness.append(max(group, key=lambda each: each.invoke_us))
    reason = f"{one!r} must come before {other!r} and after it: a value came back after it was replaced"
    return invalid(CHECKER, reason, witness)


def _touches(operation: Operation, value: Any) -> bool:
    if operation.kind == "write":
        return bool(operation.argument == value)
    return operation.outcome == "ok" and bool(operation.result == value)

"""Linearizability of registers whose written values are unique, in O(n log n).

A write and the reads of its value form a cluster. Let f be the earliest completion in a cluster and s its latest
invocation. Cluster u must come before cluster v if some operation of u is over before one of v begins: f(u) < s(v).
The history is linearizable if and only if no read ends before its own write begins and no two clusters must each
come before the other. (Were there a longer ring of such demands, the cluster with the smallest f in it would already
form a pair.) With f < s a cluster is a 'forward zone' [f, s], else a 'backward zone' [s, f], and the pair is either
two forward zones that overlap or a backward zone inside a forward one. Equal stamps are concurrent.

The clusters of a key are all that is kept of it, so operations may come in any order, one by one.

Operations: `write` (argument: the value) and `read` (result: the value). The initial value counts as written before
time began. A write of unknown outcome that no read saw is left out: it may take effect after everything else.
Source: Gibbons and Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997, section 4.1. Twin: `brute`.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, Protocol

from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "linearizable register"

_BEFORE_TIME_US: Final = -1

_BY_NOBODY, _BY_SOMEBODY, _IN_VAIN = range(3)
"""Who wrote a cluster's value: nobody that was seen yet, an operation that may have happened, one that failed."""


class Problem(NamedTuple):
    """Why the operations on a key cannot be ordered: what is wrong with which values."""

    kind: Literal["unwritten", "early", "clash", "twice"]
    values: tuple[Any, ...]


class Timed(Protocol):
    """What zones are made of: an `Operation`, or what holds as much of it."""

    @property
    def kind(self) -> str:
        """`read` or `write`."""

    @property
    def invoke_us(self) -> int:
        """As in an Operation; the others likewise."""

    @property
    def complete_us(self) -> int | None: ...

    @property
    def argument(self) -> Any: ...

    @property
    def result(self) -> Any: ...

    @property
    def outcome(self) -> str: ...


class Zones:
    """The clusters of one key. One cluster is one place in several lists: a million operations have half as many."""

    __slots__ = ("_finishes", "_invokes", "_places", "_starts", "_twice", "_writers")

    def __init__(self, initial: Any) -> None:
        self._places = {initial: 0}
        self._finishes = [_BEFORE_TIME_US]
        self._starts = [_BEFORE_TIME_US]
        self._invokes = [_BEFORE_TIME_US]
        """Of the write."""
        self._writers = [_BY_SOMEBODY]
        self._twice: Problem | None = None

    def add(self, operations: Iterable[Timed]) -> None:
        """Add reads and writes. A read of a value that was seen before, as nearly all are, needs no further call."""
        places, finishes, starts = self._places, self._finishes, self._starts
        for each in operations:
            invoke_us, end_us = each.invoke_us, each.complete_us
            if end_us is None or each.outcome != "ok":
                end_us = END_OF_TIME_US
            if each.kind != "read":
                self._write(each.argument, invoke_us, end_us, each.outcome == "fail")
            elif each.outcome == "ok":
                place = places.get(each.result)
                if place is None:
                    self._add(each.result, end_us, invoke_us, END_OF_TIME_US, _BY_NOBODY)
                    continue
                if end_us < finishes[place]:
                    finishes[place] = end_us
                if invoke_us > starts[place]:
                    starts[place] = invoke_us

    def _write(self, value: Any, invoke_us: int, end_us: int, failed: bool) -> None:
        writer = _IN_VAIN if failed else _BY_SOMEBODY
        place = self._places.get(value)
        if place is None:
            self._add(value, end_us, invoke_us, invoke_us, writer)
        elif self._writers[place] == _BY_NOBODY:
            self._finishes[place] = min(self._finishes[place], end_us)
            self._starts[place] = max(self._starts[place], invoke_us)
            self._invokes[place] = invoke_us
            self._writers[place] = writer
        elif self._twice is None:
            self._twice = Problem("twice", (value,))

    def _add(self, value: Any, finish_us: int, start_us: int, invoke_us: int, writer: int) -> None:
        self._places[value] = len(self._finishes)
        self._finishes.append(finish_us)
        self._starts.append(start_us)
        self._invokes.append(invoke_us)
        self._writers.append(writer)

    def problem(self) -> Problem | None:
        """Return why what was added cannot be ordered, or cannot be judged; None where it can be ordered."""
        return self._twice or self._find_early() or self._find_clash()

    def _find_early(self) -> Problem | None:
        """Find a value that was read although nobody wrote it, or that was read too early, or not to be read at all."""
        for value, finish, invoke, writer in zip(
            self._places, self._finishes, self._invokes, self._writers, strict=True
        ):
            if writer == _BY_NOBODY:
                return Problem("unwritten", (value,))
            if finish < invoke or (writer == _IN_VAIN and finish != END_OF_TIME_US):
                return Problem("early", (value,))
        return None

    def _find_clash(self) -> Problem | None:
        """Find two clusters that must each come before the other."""
        clash = find_clash(
            (finish, start, value)
            for value, finish, start, writer in zip(
                self._places, self._finishes, self._starts, self._writers, strict=True
            )
            if writer != _IN_VAIN and finish != END_OF_TIME_US
        )
        return None if clash is None else Problem("clash", clash)


def find_clash(zones: Iterable[tuple[int, int, Any]]) -> tuple[Any, Any] | None:
    """Return what stands in two zones that must each come before the other, or None.

    Args:
        zones: of each cluster its earliest completion, its latest invocation, and what stands for it.
    """
    forward: list[tuple[int, int, Any]] = []
    backward: list[tuple[int, int, Any]] = []
    for finish, start, cluster in zones:
        if finish < start:
            forward.append((finish, start, cluster))
        else:
            backward.append((start, finish, cluster))
    forward.sort(key=itemgetter(0))  # of two that begin at once either may come first: they overlap
    for left, right in pairwise(forward):
        if right[0] < left[1] and left[0] < right[1]:
            return left[2], right[2]
    begins = [zone[0] for zone in forward]
    for begin, end, cluster in backward:
        # The forward zones do not overlap: only the last one that begins before this zone can hold it.
        index = bisect_left(begins, begin) - 1
        if index >= 0 and end < forward[index][1]:
            return forward[index][2], cluster
    return None


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
    for operation in operations:
        if operation.kind not in ("read", "write"):
            return foreign(operation)
    zones = Zones(initial)
    zones.add(operations)
    problem = zones.problem()
    return valid(CHECKER) if problem is None else explain(problem, operations)


def foreign(operation: Operation) -> Verdict:
    """Return the verdict on a history with an operation that is neither read nor write."""
    return unknown(CHECKER, f"an operation is neither read nor write: {operation.describe()}")


def touches(operation: Operation, value: Any) -> bool:
    """Say whether an operation wrote or saw a value."""
    if operation.kind == "write":
        return bool(operation.argument == value)
    return operation.outcome == "ok" and bool(operation.result == value)


def explain(problem: Problem, operations: list[Operation]) -> Verdict:
    """Return the verdict that a problem comes to.

    Args:
        operations: of one key, at least those that touch the problem's values.
    """
    groups = [[each for each in operations if touches(each, value)] for value in problem.values]
    if problem.kind == "clash":
        return _explain_clash(problem, groups)
    value = problem.values[0]
    if problem.kind == "twice":
        return unknown(CHECKER, f"the value {value!r} was written twice to {groups[0][0].key!r}")
    first = min((each for each in groups[0] if each.kind == "read"), key=lambda each: each.end_us)
    if problem.kind == "unwritten":
        return invalid(CHECKER, f"{value!r} was read, but nobody wrote it", [first])
    write = next(each for each in groups[0] if each.kind == "write")
    if write.outcome == "fail":
        return invalid(CHECKER, f"{value!r} was read, but its write had failed", [write, first])
    return invalid(CHECKER, f"{value!r} was read before its write began", [write, first])


def _explain_clash(problem: Problem, groups: list[list[Operation]]) -> Verdict:
    witness = [each for group in groups for each in group if each.kind == "write"]
    for group in groups:
        if group:
            witness.append(min(group, key=lambda each: each.end_us))
            witness.append(max(group, key=lambda each: each.invoke_us))
    one, other = problem.values
    reason = f"{one!r} must come before {other!r} and after it: a value came back after it was replaced"
    return invalid(CHECKER, reason, witness)

"""Figures of a run: what was answered during a fault and outside, how stale reads were, what was lost, how long writes
stood still.

Figures only: whether something is a breach is for `judge` to say. Requests by side are counted by `check.availability`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from trilemma.check import availability
from trilemma.check.availability import Share
from trilemma.check.fault import Fault
from trilemma.check.history import History, Operation
from trilemma.check.staleness import Staleness, measure

LOST_WITHIN_US: Final = 5_000_000
"""How long after a fault's beginning a standstill may begin that is put down to it."""


def as_writes(operations: Iterable[Operation]) -> list[Operation]:
    """Return a history with each compare-and-set as the write that it was, or may have been."""
    return [
        each._replace(kind="write", argument=each.argument[1], result=None) if each.kind == "cas" else each
        for each in operations
        if each.kind != "cas" or each.result is not False
    ]


def staleness(operations: Iterable[Operation]) -> list[Staleness]:
    """Return how stale the reads of registers were, as `check.staleness` measures it.

    Args:
        operations: `write` and `cas` of unique values, `read`, and others, which are ignored. So are keys that no
            write was tried on, and reads of what nobody wrote: they have nothing to be held against.
    """
    measured: list[Staleness] = []
    for group in History(as_writes(operations)).by_key().values():
        writes = [each for each in group if each.kind == "write"]
        if not writes:
            continue  # no register: a counter, or a string that grows
        known = {None, *(each.argument for each in writes if each.outcome != "fail")}
        reads = [each for each in group if each.kind == "read" and (each.outcome != "ok" or each.result in known)]
        measured += measure([*writes, *reads])
    return measured


def _is_write(operation: Operation) -> bool:
    return operation.kind == "write" or (operation.kind == "cas" and operation.result is not False)


def _value(write: Operation) -> object:
    return write.argument[1] if write.kind == "cas" else write.argument


def lost_writes(operations: Iterable[Operation], finals: Iterable[Operation]) -> list[Operation]:
    """Return the acknowledged writes that are gone at the end, though nothing that is left can have replaced them.

    Args:
        operations: `write` and `cas` of unique values, `append` of unique tokens, and others, which are ignored.
        finals: reads made at rest; a write is lost where the newest of them, per key, does not account for it.
    """
    reads = History(each for each in finals if each.kind == "read" and each.outcome == "ok").by_key()
    lost: list[Operation] = []
    for key, group in History(operations).by_key().items():
        shown = [each.result for each in reads.get(key, [])]
        if not shown:
            continue
        lost += [each for each in group if each.kind == "append" and _is_missing(each, shown)]
        writes = [each for each in group if _is_write(each)]
        sources = [each for each in writes if _value(each) in shown and each.outcome != "fail"]
        lost += [each for each in writes if each.outcome == "ok" and all(source.precedes(each) for source in sources)]
    return lost


def _is_missing(append: Operation, shown: Sequence[object]) -> bool:
    token = append.argument
    return append.outcome == "ok" and not any(
        isinstance(value, bytes) and (value.startswith(token) or b";" + token in value) for value in shown
    )


def befallen_side(fault: Fault) -> tuple[str, ...]:
    """Return the smaller side of a fault: who was cut off, down or paused. Nothing where it made no sides."""
    return min(fault.sides, key=len) if fault.sides else ()


class Answered(NamedTuple):
    """How requests ended: outside of faults, and during them at the nodes that they befell and at the others."""

    calm: Share
    befallen: Share
    others: Share


def answered(operations: Iterable[Operation], faults: Sequence[Fault]) -> Answered:
    """Return how requests ended, by where and when they were made; those of a fault without sides count as others."""

    def group(operation: Operation) -> str:
        for fault in faults:
            if fault.covers(operation.invoke_us):
                return "befallen" if operation.node in befallen_side(fault) else "others"
        return "calm"

    found = availability.shares(operations, group)
    return Answered(*(found.get(name, Share(0, 0, 0)) for name in Answered._fields))


def with_aborts_answered(operations: Iterable[Operation]) -> list[Operation]:
    """Return a history in which a transaction that WATCH stopped counts as answered: it is a `fail`, but no refusal."""
    return [
        each._replace(outcome="ok") if each.outcome == "fail" and each.result is None else each for each in operations
    ]


def standstill_us(operations: Iterable[Operation], faults: Sequence[Fault]) -> int:
    """Return the longest time without an acknowledged write at the nodes that a fault did not befall, in microseconds.

    For kills, pauses and cuts of one node this is the time that fail-over took, where there was one. 0 without faults.
    """
    changes = [each for each in operations if each.outcome == "ok" and each.kind not in ("read", "command")]
    worst_us = 0
    for fault in faults:
        befallen = befallen_side(fault)
        ends = sorted(each.end_us for each in changes if each.node not in befallen)
        first = max(bisect_left(ends, fault.from_us) - 1, 0)
        last = min(fault.until_us, fault.from_us + LOST_WITHIN_US)
        pairs = zip(ends[first:], ends[first + 1 :], strict=False)
        worst_us = max([worst_us, *(after - before for before, after in pairs if before <= last)])
    return worst_us

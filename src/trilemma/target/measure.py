"""Figures of a run: what was answered on which side of a fault, how stale reads were, what was lost, how long writes
stood still.

Figures only: whether something is a breach is for `judge` to say. Stale here is a read that began after a newer value
had been acknowledged, by the order of the writes in real time; concurrent writes make no read stale.
Source: Bailis et al., "Probabilistically bounded staleness", VLDB 2012 (t-visibility).
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from trilemma.check import availability
from trilemma.check.availability import Share
from trilemma.check.fault import Fault
from trilemma.check.history import History, Operation
from trilemma.check.report.data import SideShare

WHOLE: Final = "whole"
LOST_WITHIN_US: Final = 5_000_000
"""How long after a fault's beginning a standstill may begin that is put down to it."""


class Staleness(NamedTuple):
    """How many reads were stale, of how many, and by how much at worst (microseconds)."""

    stale: int
    reads: int
    worst_us: int


def staleness(operations: Iterable[Operation]) -> Staleness:
    """Return how stale the reads of registers were.

    Args:
        operations: `write` and `cas` of unique values, `read`, and others, which are ignored. So are keys that no
            write was tried on.

    Cost: O(n log n).
    """
    stale = reads = worst_us = 0
    for group in History(operations).by_key().values():
        if not any(map(_is_write, group)):
            continue  # no register: a counter, or a string that grows
        writes = {_value(each): each for each in group if _is_write(each) and each.outcome != "fail"}
        done = sorted((each for each in writes.values() if each.outcome == "ok"), key=lambda each: each.end_us)
        ends = [each.end_us for each in done]
        for read in group:
            if read.kind != "read" or read.outcome != "ok":
                continue
            reads += 1
            source = writes.get(read.result)
            since_us = _replaced_us(source, done[: bisect_left(ends, read.invoke_us)], read.result)
            if since_us is not None:
                stale += 1
                worst_us = max(worst_us, read.invoke_us - since_us)
    return Staleness(stale, reads, worst_us)


def _replaced_us(source: Operation | None, done: Sequence[Operation], value: object) -> int | None:
    """Return since when, at the latest, a newer value than the one read had been acknowledged; None where none was."""
    if source is None and value is not None:
        return None
    return next((each.end_us for each in done if source is None or source.precedes(each)), None)


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


def stretches(faults: Sequence[Fault]) -> list[tuple[str, int, int, tuple[tuple[str, ...], ...]]]:
    """Return what is looked at by itself: the faults, each with the sides that it made."""
    return [(f"{fault.kind}: {fault.what}", fault.from_us, fault.until_us, fault.sides) for fault in faults]


def shares(operations: Sequence[Operation], faults: Sequence[Fault], nodes: Sequence[str]) -> list[SideShare]:
    """Return how requests fared over the whole run, and during each fault on each side of it."""
    found = [_share(WHOLE, tuple(nodes), operations)]
    for name, from_us, until_us, sides in stretches(faults):
        during = [each for each in operations if from_us <= each.invoke_us <= until_us]
        found += [
            _share(name, side, [each for each in during if each.node in side]) for side in sides or (tuple(nodes),)
        ]
    return found


def _share(stretch: str, side: tuple[str, ...], operations: Sequence[Operation]) -> SideShare:
    counts = {outcome: sum(each.outcome == outcome for each in operations) for outcome in ("ok", "fail", "info")}
    times_us = sorted(each.end_us - each.invoke_us for each in operations if each.outcome == "ok")
    p50_us, p99_us, worst_us = (_percentile(times_us, part) for part in (0.5, 0.99, 1.0))
    return SideShare(
        stretch, " ".join(side), counts["ok"], counts["fail"], counts["info"], p50_us, p99_us, worst_us
    )  # fmt: skip


def _percentile(ordered: Sequence[int], part: float) -> int:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0


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

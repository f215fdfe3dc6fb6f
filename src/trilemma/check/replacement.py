"""Replacement: what shows of a key with deadlines that what a write had set was no longer there before a read.

Shown by what began after the write was over, and was over before the read began: a write of another value, a delete
that found something, a read of another value; a read of nothing, or a delete that is not known to have found any. The
last two a clock that is wrong may explain, and an expire that came later. Knows setters and reads in the words of
`expiry`, of replicas that do not lag. Cost: O(n log n) to build, O(log n) per question, where no clock is wrong.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

from trilemma.check.history import Operation

_REPLACED: Final = "was read after it was replaced or deleted"
_BACK: Final = "came back after it was gone"


class Replacements:
    """What was done to one key, and seen of it, by when it began and was over."""

    __slots__ = ("_absences", "_error_us", "_expires", "_others")

    def __init__(self, reads: Iterable[Operation], setters: Sequence[Operation], error_us: int) -> None:
        """Args: `error_us` is by how much the clock may be wrong, in either direction."""
        told = [each for each in (*reads, *setters) if each.kind != "expire" and not isinstance(each.result, str)]
        self._absences = _Evidence(each for each in told if _is_absence(each))
        self._others = _Evidence(each for each in told if not _is_absence(each))
        self._expires = [each for each in setters if each.kind == "expire"]
        self._error_us = error_us

    def find(self, write: Operation, read: Operation) -> tuple[str, Operation] | None:
        """Return what surely came between a write and a read of its value, and what that says; None if nothing did."""
        other, absent = (each.first_after(write.end_us, read.result) for each in (self._others, self._absences))
        if other is not None and other.precedes(read):
            return _REPLACED, other
        if absent is not None and self._came_back(absent, read):
            return _BACK, absent
        return None

    def _came_back(self, absent: Operation, read: Operation) -> bool:
        """Whether no clock that is wrong by so much explains that nothing was there before a read of something."""
        if read.invoke_us - absent.end_us <= 2 * self._error_us:
            return False
        return not self._error_us or all(each.precedes(absent) for each in self._expires)


def _shown(operation: Operation) -> Any:
    """Return what was there when an operation had taken effect; None for nothing."""
    if operation.kind == "write":
        return operation.argument[0]
    return operation.result if operation.kind == "read" else None


def _is_absence(operation: Operation) -> bool:
    """Whether nothing was there; if because of a deadline, a clock that is wrong may say otherwise afterwards."""
    if operation.kind == "delete":
        return not operation.result
    return operation.kind == "read" and operation.result is None


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

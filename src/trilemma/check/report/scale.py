"""The time axis that all drawings of a report share, and what is picked where there is too much to draw. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias, TypeVar

from trilemma.check.fault import Fault
from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.report.data import Report

T = TypeVar("T")

TICKS_MAX: Final = 8
"""Marks on a time axis: more would touch each other on a narrow screen."""

MARGIN: Final = 200
"""The axis goes on by this part of its length, so that the last operations are seen."""

_STEPS: Final = (1, 2, 5)


class Span(NamedTuple):
    """The stretch of time that is drawn, in microseconds of the history's clock; its end lies after its beginning."""

    from_us: int
    until_us: int

    def fraction(self, time_us: int) -> float:
        """Return where a time lies: 0 at the beginning, 1 at the end and beyond it."""
        return min(1.0, max(0.0, (time_us - self.from_us) / (self.until_us - self.from_us)))

    def percent(self, time_us: int) -> str:
        """Return where a time lies, as a length in SVG."""
        return f"{100 * self.fraction(time_us):.3f}%"

    def ticks(self) -> list[int]:
        """Return round times in it, at most TICKS_MAX, counted from its beginning."""
        length_us = self.until_us - self.from_us
        step_us = next(
            step * 10**power for power in range(20) for step in _STEPS if length_us <= step * 10**power * TICKS_MAX
        )
        return [self.from_us + at_us for at_us in range(0, length_us + 1, step_us)][:TICKS_MAX]


def span_of(report: Report) -> Span:
    """Return the time from the first invocation, or fault, to the last completion, or end of a fault."""
    operations = [each for subject in report.subjects for each in subject.operations]
    begins = [each.invoke_us for each in operations] + [each.from_us for each in report.faults]
    ends = [each.complete_us for each in operations if each.complete_us is not None]
    ends += [each.until_us for each in report.faults if each.until_us < END_OF_TIME_US]
    first_us = min(begins, default=0)
    last_us = max([*ends, *begins, first_us + 1])
    return Span(first_us, last_us + (last_us - first_us) // MARGIN + 1)


def evenly(items: Sequence[T], count_max: int) -> list[T]:
    """Return at most so many items, evenly spread over all of them, in their order."""
    if len(items) <= count_max:
        return list(items)
    return [items[index * len(items) // count_max] for index in range(count_max)]


Identity: TypeAlias = tuple[int, int, str, bytes]


def identity(operation: Operation) -> Identity:
    """Return what an operation is found again by; results and contexts may not be hashable."""
    return operation.process, operation.invoke_us, operation.kind, operation.key


def picked(operations: Iterable[Operation], witnesses: set[Identity], count_max: int) -> list[Operation]:
    """Return the operations to draw where not all can be: those of witnesses, then refused and unknown, then others."""
    ordered = sorted(operations, key=lambda each: each.invoke_us)
    if len(ordered) <= count_max:
        return ordered
    chosen = [each for each in ordered if identity(each) in witnesses][:count_max]
    others = [each for each in ordered if identity(each) not in witnesses]
    chosen += evenly([each for each in others if each.outcome != "ok"], (count_max - len(chosen)) // 2)
    chosen += evenly([each for each in others if each.outcome == "ok"], count_max - len(chosen))
    return sorted(chosen, key=lambda each: each.invoke_us)


def named(faults: Sequence[Fault]) -> list[tuple[str, Fault]]:
    """Return the faults with the short names that drawings mark them by."""
    return [(f"F{number}", fault) for number, fault in enumerate(faults, 1)]

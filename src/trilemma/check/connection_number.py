"""Numbers of connections: no two that one node had at a time, or one after the other without a restart, have the same.

A node that was restarted counts anew, and histories do not tell when one was. But a connection outlives no restart:
while one was there for certain, from its first answer until the last command that was answered, the node was not
restarted. So of all that was there in one stretch of time that is covered by such connections no two may have one
number.
Twin: every restart that may have been, in the tests. Cost: O(n log n).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trilemma.check.history import END_OF_TIME_US, Operation


class Life(NamedTuple):
    """A connection: what was answered, in its order, and the number that it was told, in which of these operations."""

    node: str
    answered: Sequence[Operation]
    number: int | None = None
    told_in: Operation | None = None


class _Span(NamedTuple):
    from_us: int
    until_us: int


def find_shared(lives: Iterable[Life]) -> tuple[Operation, Operation] | None:
    """Return two operations by which two connections were told one number, by a node that was not restarted between."""
    nodes: dict[str, list[Life]] = {}
    for life in lives:
        if life.answered:
            nodes.setdefault(life.node, []).append(life)
    found = (_shared(each) for each in nodes.values())
    return next((pair for pair in found if pair is not None), None)


def _shared(lives: list[Life]) -> tuple[Operation, Operation] | None:
    stretches = _stretches(_span(life) for life in lives)
    known: dict[tuple[_Span, int], Operation] = {}
    for life in lives:
        stretch = _stretch_of(life, stretches)
        if stretch is None or life.number is None or life.told_in is None:
            continue
        first = known.setdefault((stretch, life.number), life.told_in)
        if first is not life.told_in:
            return first, life.told_in
    return None


def _end_us(operation: Operation) -> int:
    """By when what was answered had been; of a step some of whose commands were refused this is known as well."""
    return END_OF_TIME_US if operation.complete_us is None else operation.complete_us


def _span(life: Life) -> _Span:
    """Return from when until when a connection was there for certain; the wrong way round where that is not known."""
    return _Span(_end_us(life.answered[0]), life.answered[-1].invoke_us)


def _stretches(spans: Iterable[_Span]) -> list[_Span]:
    """Return what spans cover together, where they overlap by more than a moment: equal stamps are concurrent."""
    joined: list[_Span] = []
    for span in sorted(each for each in spans if each.from_us < each.until_us):
        if joined and span.from_us < joined[-1].until_us:
            joined[-1] = _Span(joined[-1].from_us, max(joined[-1].until_us, span.until_us))
        else:
            joined.append(span)
    return joined


def _stretch_of(life: Life, stretches: list[_Span]) -> _Span | None:
    """Return the stretch in which a connection was there at some time for certain: by its own span, which lies within
    one, or where it was answered within one, and at none of its stamps."""
    span = _span(life)
    if span.from_us < span.until_us:
        return stretches[_place(span.from_us, stretches)]
    for each in life.answered:
        place = _place(each.invoke_us - 1, stretches)
        if place >= 0 and _end_us(each) < stretches[place].until_us:
            return stretches[place]
    return None


def _place(at_us: int, stretches: list[_Span]) -> int:
    """Return which stretch was the last to begin by a time; -1 for none."""
    return bisect_right(stretches, at_us, key=lambda stretch: stretch.from_us) - 1

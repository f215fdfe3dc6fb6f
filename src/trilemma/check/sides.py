"""Stretches and sides: which requests were sent to whom while which fault was in force."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from trilemma.check.fault import Fault
from trilemma.check.history import Operation

Told = TypeVar("Told")
"""A request, or what is told of one."""


class Side(NamedTuple):
    """Some nodes during some stretch of a run, which is called as its fault is."""

    stretch: str
    nodes: tuple[str, ...]


def by_side(
    told: Iterable[Told], request: Callable[[Told], Operation], nodes: Sequence[str], faults: Iterable[Fault]
) -> dict[Side, list[Told]]:
    """Return what is told of requests, by the sides of faults that they belong to.

    A request belongs to each fault that was in force when it was sent. A cut has its own sides; any other fault divides
    the nodes into those that it befell and the others. Faults that are told in the same words are one stretch.

    Args:
        request: the request that something is told of.
        nodes: all that there are.

    Returns:
        Stretches in order of their beginning, requests in order of theirs; a side without any is left out.
    """
    ordered = sorted(told, key=lambda each: request(each).invoke_us)
    times_us = [request(each).invoke_us for each in ordered]
    stretches: dict[str, dict[Side, dict[int, Told]]] = {}
    for fault in sorted(faults, key=lambda each: each.from_us):
        others = tuple(node for node in nodes if node not in fault.nodes)
        sides = stretches.setdefault(fault.what, {})
        during = range(bisect_left(times_us, fault.from_us), bisect_right(times_us, fault.until_us))
        for side in fault.sides or (fault.nodes, others):
            sent = sides.setdefault(Side(fault.what, side), {})
            sent.update((number, ordered[number]) for number in during if request(ordered[number]).node in side)
    return {side: list(sent.values()) for sides in stretches.values() for side, sent in sides.items() if sent}

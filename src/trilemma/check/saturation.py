"""What every order must keep in which groups stay together: the process order, saturated by what was read.

Begin with the order of each process, and the order inside each group (`grouping`). Then, as one of two groups of a key
is before the other as a whole: where some operation of one must be before some operation of the other, all of it must.
Repeat until nothing is new. Each step is forced, so a ring proves that no order exists; without one nothing is proved,
but what is forced guides the search. Knows nothing of real time.
Source: Gibbons and Korach, SIAM J. Comput. 26(4), 1997; saturation as in Bouajjani, Enea, Guerraoui, Hamza, POPL 2017,
and Zennou, Bouajjani, Enea, Erradi, "Gradual consistency checking", CAV 2019. Twin: `brute`.

Cost: O(rounds * edges * n / 64), with n * n bits of memory.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from trilemma.check.deadline import Deadline
from trilemma.check.grouping import Group, Grouping
from trilemma.check.history import Operation
from trilemma.check.parts import Impossible

OPERATIONS_MAX: Final = 4_000
"""Operations beyond which the table of bits (2 MiB at this size) and its rounds take too long."""


def process_order(operations: Sequence[Operation]) -> list[tuple[int, int]]:
    """Return the pairs of positions that follow each other in a process, in order of invocation.

    An operation of unknown outcome comes after those before it, but those after it need not wait for it.
    """
    pairs = []
    last: dict[int, int] = {}
    for index in sorted(range(len(operations)), key=lambda each: operations[each].invoke_us):
        process = operations[index].process
        if process in last:
            pairs.append((last[process], index))
        if operations[index].outcome == "ok":
            last[process] = index
    return pairs


class _Whole:
    """A group with all its positions as bits, and the bits of its key that are known to be before it."""

    __slots__ = ("before", "bits", "first", "last", "members")

    def __init__(self, places: list[list[int]]) -> None:
        self.first = places[0]
        self.last = places[-1]
        self.members = [index for place in places for index in place]
        self.bits = sum(1 << index for index in self.members)
        self.before = 0


def saturate(
    operations: Sequence[Operation], groupings: Iterable[Grouping], deadline: Deadline | None = None
) -> list[tuple[int, int]]:
    """Return all that is forced, as pairs of positions; less where the time is up.

    Args:
        operations: none of outcome `fail`, at most OPERATIONS_MAX.
        groupings: one for each key.

    Raises:
        Impossible: what is forced goes round in a ring; the witness is the ring.
    """
    forced: list[set[int]] = [set() for _ in operations]
    for before, after in process_order(operations):
        forced[after].add(before)
    keys = [_wholes(grouping.groups, forced) for grouping in groupings]
    is_new = True
    while is_new:
        above = _closure(forced, _sort(operations, forced))
        if deadline is not None and deadline.is_over:
            break
        news = [_force(wholes, forced, above) for wholes in keys]
        is_new = any(news)
    return [(before, after) for after, found in enumerate(forced) for before in found]


def _wholes(groups: Iterable[Group], forced: list[set[int]]) -> list[_Whole]:
    """Put the order inside each group, and the initial value's group before the others."""
    wholes: list[_Whole] = []
    first: _Whole | None = None
    for group in groups:
        places = group.in_order()
        if not places:
            continue
        for earlier, later in pairwise(places):
            for index in later:
                forced[index].update(earlier)
        wholes.append(_Whole(places))
        if group.is_first:
            first = wholes[-1]
    for whole in wholes:
        if first is not None and whole is not first:
            _put_before(first, whole, forced)
    return wholes


def _put_before(one: _Whole, other: _Whole, forced: list[set[int]]) -> None:
    other.before |= one.bits
    for index in other.first:
        forced[index].update(one.last)


def _force(wholes: list[_Whole], forced: list[set[int]], above: list[int]) -> bool:
    """Put whole groups before others where a part of them must be; return whether anything was new."""
    owner = {index: whole for whole in wholes for index in whole.members}
    mine = sum(whole.bits for whole in wholes)
    is_new = False
    for whole in wholes:
        reached = 0
        for index in whole.members:
            reached |= above[index]
        fresh = reached & mine & ~whole.bits & ~whole.before
        while fresh:
            other = owner[(fresh & -fresh).bit_length() - 1]
            _put_before(other, whole, forced)
            fresh &= ~other.bits
            is_new = True
    return is_new


def _closure(forced: Sequence[set[int]], order: Iterable[int]) -> list[int]:
    """Return for each operation, as bits, all that must be before it."""
    above = [0] * len(forced)
    for index in order:
        bits = 0
        for before in forced[index]:
            bits |= above[before] | 1 << before
        above[index] = bits
    return above


def _sort(operations: Sequence[Operation], forced: Sequence[set[int]]) -> list[int]:
    """Return the positions in an order that keeps what is forced so far.

    Raises:
        Impossible: there is none.
    """
    waits_for = [len(found) for found in forced]
    after: list[list[int]] = [[] for _ in forced]
    for index, found in enumerate(forced):
        for before in found:
            after[before].append(index)
    order = [index for index, count in enumerate(waits_for) if not count]
    for index in order:
        for other in after[index]:
            waits_for[other] -= 1
            if not waits_for[other]:
                order.append(other)
    if len(order) < len(forced):
        ring = _ring(forced, {index for index, count in enumerate(waits_for) if count})
        raise Impossible(
            "each must come before the next, and the last before the first", [operations[each] for each in ring]
        )
    return order


def _ring(forced: Sequence[set[int]], stuck: set[int]) -> list[int]:
    """Walk backwards among operations that all wait for each other until one is met again."""
    path = [min(stuck)]
    met = {path[0]: 0}
    while True:
        index = min(forced[path[-1]] & stuck)
        if index in met:
            return path[: met[index] - 1 if met[index] else None : -1]
        met[index] = len(path)
        path.append(index)

"""Arbitration: whether one order of the writes to each key can satisfy all that was demanded of it.

Owns demands of the form 'not later than' between writes, and between writes and *marks*, which stand for the latest of
several writes; what is demanded and why is the caller's. Different writes have different places, so demands contradict
each other if and only if a ring of them joins two writes; what a key holds at first counts as the write before all.
Source: the relation `ar` of Viotti and Vukolic, ACM CSUR 49(1), 2016, section 2. Twin: orders tried one by one.
Cost: O(demands).
"""

from collections.abc import Callable, Hashable
from itertools import pairwise
from typing import NamedTuple

from trilemma.check.components import components, shortest_path
from trilemma.check.history import Operation

Item = tuple[bytes, Hashable]
"""One write, by its key and its unique value. The value that a key holds at first is such a write too."""


Because = tuple[Operation, ...] | Callable[[int], tuple[Operation, ...]]
"""The operations that a demand comes from, or what finds them, given its lower node: few are ever asked for."""


class Contradiction(NamedTuple):
    """A ring of demands: the writes on it, and the operations that the demands come from."""

    writes: tuple[Item, ...]
    operations: tuple[Operation, ...]


class Arbitration:
    """Demands on the order of writes."""

    __slots__ = ("_given", "_initial", "_items", "_nodes", "_reasons", "_successors")

    def __init__(self, initial: Hashable = None) -> None:
        """Args: initial: what each key holds at first."""
        self._initial = initial
        self._nodes: dict[Item, int] = {}
        self._items: list[Item | None] = []
        self._successors: list[list[int]] = []
        self._given: list[list[int]] = []
        self._reasons: dict[tuple[int, int], Because] = {}

    def write(self, item: Item) -> int:
        """Return the node of a write."""
        node = self._nodes.get(item)
        if node is None:
            node = self._nodes[item] = self._add(item)
            if item[1] != self._initial:
                self.demand(self.write((item[0], self._initial)), node, given=True)
        return node

    def mark(self) -> int:
        """Return a new node for the latest of some writes: those that are demanded to be not later than it."""
        return self._add(None)

    def demand(self, lower: int, upper: int, because: Because = (), given: bool = False) -> None:
        """Demand that the one is not later than the other. `given`: taken for granted, not part of what is judged."""
        if lower == upper:
            return
        if (lower, upper) not in self._reasons:
            self._successors[lower].append(upper)
            self._reasons[lower, upper] = because
        if given:
            self._given[lower].append(upper)

    def find(self) -> tuple[Contradiction | None, bool]:
        """Look for a contradiction.

        Returns:
            One that does not lie among writes of which what is given contradicts itself, or None; and whether what is
            given does so anywhere.
        """
        spoilt = {node for part in components(self._given) if self._writes_in(part) > 1 for node in part}
        for part in components(self._successors):
            if self._writes_in(part) > 1 and spoilt.isdisjoint(part):
                return self._explain(part), bool(spoilt)
        return None, bool(spoilt)

    def _add(self, item: Item | None) -> int:
        self._items.append(item)
        self._successors.append([])
        self._given.append([])
        return len(self._items) - 1

    def _writes_in(self, part: list[int]) -> int:
        return sum(self._items[node] is not None for node in part)

    def _explain(self, part: list[int]) -> Contradiction:
        """Return a ring through two writes of a component."""
        one, other = [node for node in part if self._items[node] is not None][:2]
        there = shortest_path(self._successors, one, other)
        back = shortest_path(self._successors, other, one)
        ring = there + back[1:]
        operations: list[Operation] = []
        for edge in pairwise(ring):
            because = self._reasons.get(edge, ())
            operations += because if isinstance(because, tuple) else because(edge[0])
        items = [item for node in ring[:-1] if (item := self._items[node]) is not None]
        return Contradiction(tuple(dict.fromkeys(items)), tuple(operations))

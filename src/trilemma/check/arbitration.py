"""Arbitration: whether an order of the writes to each key can satisfy all that was demanded of it.

Owns demands of the form 'not later than' between writes, and between writes and *marks*, which stand for the latest of
several writes; what is demanded and why is the caller's. Different writes have different places, so demands contradict
each other if and only if a ring of them joins two writes; what a key holds at first counts as the write before all.

A demand is everybody's, or one *observer's*. An observer is *alone* right or wrong by its own demands and everybody's:
it may have an order of its own. Where each alone can be right, but no one order is right for all, they *clash*.
Source: the relation `ar` of Viotti and Vukolic, ACM CSUR 49(1), 2016, section 2; an order per observer as in Lipton and
Sandberg, "PRAM", Princeton CS-TR-180-88, 1988. Twin: orders tried one by one.
Cost: O(demands); where they contradict each other, once more for each observer that has one among those.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from trilemma.check.components import components, shortest_path
from trilemma.check.history import Operation

Item = tuple[bytes, Hashable]
"""One write, by its key and its unique value. The value that a key holds at first is such a write too."""


Because = tuple[Operation, ...] | Callable[[int], tuple[Operation, ...]]
"""The operations that a demand comes from, or what finds them, given its lower node: few are ever asked for."""

EVERYBODY: Final = -1
"""The observer of demands that all share."""

_ANYBODY: Final = -2
"""Stands for whichever observer, where all are taken together."""


class Contradiction(NamedTuple):
    """A ring of demands: the writes on it, and the operations that the demands come from."""

    writes: tuple[Item, ...]
    operations: tuple[Operation, ...]


class Finding(NamedTuple):
    """What there is to find."""

    alone: Contradiction | None = None
    """One that an observer has alone, and not among writes of which what is given contradicts itself."""
    clash: Contradiction | None = None
    """Else one among demands of several observers each of whom alone may be right."""
    is_spoilt: bool = False
    """Else whether what is given contradicts itself anywhere."""


class Arbitration:
    """Demands on the order of writes."""

    __slots__ = ("_given", "_initial", "_items", "_nodes", "_others", "_reasons", "_successors")

    def __init__(self, initial: Hashable = None) -> None:
        """Args: initial: what each key holds at first."""
        self._initial = initial
        self._nodes: dict[Item, int] = {}
        self._items: list[Item | None] = []
        self._successors: list[list[int]] = []
        self._given: set[tuple[int, int]] = set()
        self._reasons: dict[tuple[int, int], tuple[int, Because]] = {}
        """For each demand whose it was first, and why."""
        self._others: dict[tuple[int, int], dict[int, Because]] = {}
        """For each demand that several have: why the others have it."""

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

    def demand(
        self, lower: int, upper: int, because: Because = (), observer: int = EVERYBODY, given: bool = False
    ) -> None:
        """Demand that the one is not later than the other. `given`: taken for granted, not part of what is judged."""
        if lower == upper:
            return
        edge = (lower, upper)
        held = self._reasons.get(edge)
        if held is None:
            self._successors[lower].append(upper)
            self._reasons[edge] = (observer, because)
        elif held[0] not in (observer, EVERYBODY):
            self._others.setdefault(edge, {}).setdefault(observer, because)
        if given:
            self._given.add(edge)

    def find(self) -> Finding:
        """Look for a contradiction that an observer has alone, and where there is none for one between observers."""
        clash: list[int] = []
        is_spoilt = False
        for part in components(self._successors):
            if self._writes_in(part) > 1:
                alone, spoilt = self._find_alone(part)
                if alone is not None:
                    return Finding(alone)
                is_spoilt = is_spoilt or spoilt
                clash = clash or ([] if spoilt else part)
        return Finding(None, self._explain(clash, clash, _ANYBODY) if clash else None, is_spoilt)

    def _find_alone(self, part: list[int]) -> tuple[Contradiction | None, bool]:
        """Look for what an observer alone has in a component of all demands; say whether what is given is in doubt."""
        inside = set(part)
        edges = [(lower, upper) for lower in part for upper in self._successors[lower] if upper in inside]
        is_spoilt = False
        for observer in dict.fromkeys(who for edge in edges for who in self._whose(edge)):
            given = self._rings(part, observer, given=True)
            spoilt = {node for ring in given for node in ring}
            is_spoilt = is_spoilt or bool(spoilt)
            for ring in self._rings(part, observer):
                if spoilt.isdisjoint(ring):
                    return self._explain(part, ring, observer), is_spoilt
        return None, is_spoilt

    def _rings(self, part: list[int], observer: int, given: bool = False) -> list[list[int]]:
        """Return the components with several writes of what one observer demands, or of that which is given."""
        found = components(self._seen(part, observer, given))
        rings = ([part[place] for place in ring] for ring in found)
        return [ring for ring in rings if self._writes_in(ring) > 1]

    def _seen(self, part: list[int], observer: int, given: bool = False) -> Sequence[Sequence[int]]:
        """Return where the demands of one observer lead among some nodes, by their places there."""
        places = {node: place for place, node in enumerate(part)}
        return [
            [
                places[upper]
                for upper in self._successors[lower]
                if upper in places
                and (not given or (lower, upper) in self._given)
                and self._reason((lower, upper), observer) is not None
            ]
            for lower in part
        ]

    def _reason(self, edge: tuple[int, int], observer: int) -> Because | None:
        """Return why an observer demands something; None where it does not."""
        who, because = self._reasons[edge]
        if who in (observer, EVERYBODY) or observer == _ANYBODY:
            return because
        others = self._others.get(edge, {})
        return others.get(observer, others.get(EVERYBODY))

    def _whose(self, edge: tuple[int, int]) -> Iterable[int]:
        """Return who demands something."""
        return (self._reasons[edge][0], *self._others.get(edge, ()))

    def _add(self, item: Item | None) -> int:
        self._items.append(item)
        self._successors.append([])
        return len(self._items) - 1

    def _writes_in(self, part: list[int]) -> int:
        return sum(self._items[node] is not None for node in part)

    def _explain(self, part: list[int], ring: list[int], observer: int) -> Contradiction:
        """Return a ring through two writes of a component, by the demands of one observer."""
        seen = self._seen(part, observer)
        one, other = [part.index(node) for node in ring if self._items[node] is not None][:2]
        way = shortest_path(seen, one, other) + shortest_path(seen, other, one)[1:]
        nodes = [part[place] for place in way]
        operations: list[Operation] = []
        for edge in pairwise(nodes):
            because = self._reason(edge, observer) or ()
            operations += because if isinstance(because, tuple) else because(edge[0])
        items = [item for node in nodes[:-1] if (item := self._items[node]) is not None]
        return Contradiction(tuple(dict.fromkeys(items)), tuple(operations))

"""Begins and commits: whether snapshot isolation has a schedule where no read tells which of two appends came first.

Of two transactions that appended to one key one had committed before the other began. Where somebody read what they
appended the graph says which; where nobody did, either may have been. A transaction is two points here, its begin and
its commit. What came before it had committed when it began (commit, then begin); what it missed had not (begin, then
commit). There is a schedule if and only if, for some choice of all such orders, the points have no ring.

One walk first, which lets each transaction commit as soon as it may. If that gets stuck, what follows: the one that had
begun before the other committed is the earlier one. Only what that leaves open is tried both ways, within a bound.
Source: Cerone and Gotsman, "Analysing snapshot isolation", PODC 2016. Twin: every schedule, in the tests.
Cost: linear where the walk comes through; else O(transactions in question * edges of their component) a round.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from itertools import combinations
from typing import Final, NamedTuple

from trilemma.check.elle.graph import RW, THROUGH, Graph
from trilemma.check.elle.walk import BEGIN, COMMIT, Walk

UNTOLD: Final = 64
"""The kind of an edge between two that appended to one key: no read tells their order, but it follows."""

TRIALS_MAX: Final = 100
"""Orders that may be taken for granted at one time, each of which is tried the other way round too."""


class Way(NamedTuple):
    """Steps from one transaction to another: nodes from first to last, and the kinds of the edges between them."""

    nodes: tuple[int, ...]
    kinds: tuple[int, ...]


class Clash(NamedTuple):
    """Two transactions that appended to one key, neither of which can have been the first."""

    key: Hashable
    one: int
    other: int
    ways: tuple[Way, ...]
    """Why the other must come before the one, and the one before the other; none where that took trials."""
    nodes: frozenset[int]
    """All that is needed to show it."""


class Commits:
    """The points of some nodes of a graph, of which each can be reached from each other."""

    def __init__(self, graph: Graph, nodes: list[int], allowed: int, visits_max: int = 0) -> None:
        self._graph = graph
        self._nodes = nodes
        self._allowed = allowed
        self._after: list[list[tuple[int, int]]] = []
        self._groups: dict[Hashable, list[int]] = {}
        """For each key, which of the nodes (by place) appended to it what nobody saw; several each."""
        self._ends_us: dict[int, int] = {}
        """Those that stand in a group, and when each was over for its client."""
        self.visits_left = visits_max
        self.gave_up = False
        """Whether the bound was reached before a schedule or a clash was found."""

    def are_walked(self) -> bool:
        """Say whether there is a schedule that is seen at once; where not, there may still be one."""
        return not self._group() or self._walks_through(_Orders())

    def find(self) -> Clash | None:
        """Return two transactions that leave no schedule; None where there is one, or nothing was found out."""
        return self._solve(_Orders(), TRIALS_MAX) if self._group() else None

    def _group(self) -> bool:
        """Find out who appended unseen to one key as others did; link the points if there are any."""
        for place, node in enumerate(self._nodes):
            for key in self._graph.unseen_by.get(node, ()):
                self._groups.setdefault(key, []).append(place)
        self._groups = {key: group for key, group in self._groups.items() if len(group) > 1}
        if not self._groups:
            return False
        self._link()
        asked = (place for group in self._groups.values() for place in group)
        self._ends_us = {place: self._graph.transactions[self._nodes[place]].operation.end_us for place in asked}
        return True

    def _link(self) -> None:
        places = {node: place for place, node in enumerate(self._nodes)}
        self._after = [[] for _ in range(2 * len(places))]
        for node, place in places.items():
            self._after[2 * place].append((2 * place + COMMIT, 0))
            for target, kind in zip(self._graph.successors[node], self._graph.kinds[node], strict=True):
                if kind & self._allowed and target in places:
                    leaves = 2 * place + (BEGIN if kind == RW else COMMIT)
                    arrives = 2 * places[target] + (COMMIT if kind in (RW, THROUGH) else BEGIN)
                    self._after[leaves].append((arrives, kind))

    # --- choosing orders ---

    def _solve(self, orders: "_Orders", trials_left: int) -> Clash | None:
        if self._walks_through(orders):
            return None
        clash = self._follow(orders)
        if clash is not None or self.gave_up:
            return clash
        pair = next((each for each in self._pairs() if not orders.tells(each[1], each[2])), None)
        if pair is None:
            return None
        if not trials_left:
            self.gave_up = True
            return None
        key, *both = pair
        needed: frozenset[int] = frozenset(self._nodes[place] for place in both)
        for one, other in (both, both[::-1]):
            clash = self._solve(orders.and_then(one, other), trials_left - 1)
            if clash is None:
                return None
            needed |= clash.nodes
        return Clash(key, self._nodes[both[0]], self._nodes[both[1]], (), needed)

    def _pairs(self) -> Iterator[tuple[Hashable, int, int]]:
        for key, group in self._groups.items():
            for one, other in combinations(group, 2):
                yield key, one, other

    def _follow(self, orders: "_Orders") -> Clash | None:
        """Add all orders that follow; return a clash if that leads to one."""
        grew = True
        while grew:
            grew = False
            reached = {place: self._reached(place, orders) for place in self._ends_us}
            if self.gave_up:
                return None
            for key, one, other in self._pairs():
                if 2 * other + COMMIT in reached[one] and 2 * one + COMMIT in reached[other]:
                    return self._clash(key, one, other, orders)
                for first, second in ((one, other), (other, one)):
                    if 2 * second + COMMIT in reached[first] and second not in orders.after.get(first, ()):
                        orders.add(first, second, self._way(first, second, orders))
                        grew = True
        return None

    def _clash(self, key: Hashable, one: int, other: int, orders: "_Orders") -> Clash:
        ways = tuple(
            orders.after.get(first, {}).get(second) or self._way(first, second, orders)
            for first, second in ((other, one), (one, other))
        )
        needed = frozenset(self._nodes[place] for place in orders.behind(ways))
        return Clash(key, self._nodes[one], self._nodes[other], tuple(map(self._named, ways)), needed)

    def _named(self, way: Way) -> Way:
        return Way(tuple(self._nodes[place] for place in way.nodes), way.kinds)

    # --- walking ---

    def _steps(self, point: int, orders: "_Orders") -> Iterable[tuple[int, int]]:
        yield from self._after[point]
        if point & 1:
            for then in orders.after.get(point >> 1, ()):
                yield 2 * then, UNTOLD

    def _reached(self, place: int, orders: "_Orders") -> set[int]:
        """Return all points that must come after the begin of a transaction."""
        found = {2 * place}
        stack = [2 * place]
        while stack:
            for then, _ in self._steps(stack.pop(), orders):
                self.visits_left -= 1
                if then not in found:
                    found.add(then)
                    stack.append(then)
            if self.visits_left < 0:
                self.gave_up = True
                break
        return found

    def _way(self, first: int, second: int, orders: "_Orders") -> Way:
        """Return a shortest way from the begin of the first to the commit of the second, which is reached."""
        start, goal = 2 * first, 2 * second + COMMIT
        came_from: dict[int, tuple[int, int]] = {start: (start, 0)}
        queue = deque([start])
        while goal not in came_from:
            point = queue.popleft()
            for then, kind in self._steps(point, orders):
                self.visits_left -= 1
                if then not in came_from:
                    came_from[then] = (point, kind)
                    queue.append(then)
        nodes, kinds = [second], []
        point = goal
        while point != start:
            point, kind = came_from[point]
            if kind:  # not from a begin to its own commit
                nodes.append(point >> 1)
                kinds.append(kind)
        return Way(tuple(nodes[::-1]), tuple(kinds[::-1]))

    def _walks_through(self, orders: "_Orders") -> bool:
        """Say whether all points can be walked, each after those before it, and no two of a group at one time."""
        walk = Walk(self._groups, self._ends_us)
        missing = [0] * len(self._after)
        for point in range(len(missing)):
            for then, _ in self._steps(point, orders):
                missing[then] += 1
                self.visits_left -= 1
        for point, count in enumerate(missing):
            if not count:
                walk.reach(point, missing)
        walked = 0
        while (next_point := walk.take(missing)) is not None:
            walked += 1
            for then, _ in self._steps(next_point, orders):
                missing[then] -= 1
                if missing[then] <= 1:
                    walk.reach(then, missing)
        return walked == len(missing)


class _Orders:
    """Orders that no read tells: for each transaction, by place, those that come after it, and what shows that."""

    def __init__(self) -> None:
        self.after: dict[int, dict[int, Way | None]] = {}

    def add(self, first: int, second: int, way: Way | None) -> None:
        self.after.setdefault(first, {})[second] = way

    def tells(self, one: int, other: int) -> bool:
        return other in self.after.get(one, ()) or one in self.after.get(other, ())

    def behind(self, ways: Iterable[Way]) -> set[int]:
        """Return what stands on ways, and on those by which the orders on them were found."""
        waiting = dict.fromkeys(ways)
        done: set[Way] = set()
        while waiting:
            way, _ = waiting.popitem()
            done.add(way)
            for first, second, kind in zip(way.nodes, way.nodes[1:], way.kinds, strict=False):
                reason = self.after[first][second] if kind == UNTOLD else None
                if reason is not None and reason not in done:
                    waiting[reason] = None
        return {place for way in done for place in way.nodes}

    def and_then(self, first: int, second: int) -> "_Orders":
        """Return these and one more, taken for granted."""
        made = _Orders()
        made.after = {place: dict(later) for place, later in self.after.items()}
        made.add(first, second, None)
        return made

"""Rings among dependencies: which kinds there are, from the gravest down, and a short one of each.

A ring of ww only is a G0; with wr, a G1c; with one rw, a G-single; with more, none of which follows another, a
G-nonadjacent; else a G2-item. One that also needs the order of a process, or real time, is of that variant. In each
component a kind is looked for only while it would rule out a model that no ring there has ruled out yet. Whether there
is a G-nonadjacent is seen from components too: those of places, a node together with whether an rw edge led to it.
Source: arXiv:2003.10554, sections 5.2 and 6; Adya, 1999; Cerone and Gotsman, PODC 2016.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from trilemma.check.components import components
from trilemma.check.elle import anomaly as names
from trilemma.check.elle.commits import Clash, Commits
from trilemma.check.elle.graph import DATA, PROCESS, REALTIME, RW, THROUGH, WR, WW, Graph
from trilemma.check.hierarchy import with_stronger

VISITS_MAX: Final = 3_000_000
"""Edges that the searches for rings follow in one history: some three seconds. Beyond it a G-single may go unfound."""

TRIED_MAX: Final = 32
"""Rings of a kind among which the shortest is chosen."""

VARIANTS: Final = (("", 0), (names.PROCESS, PROCESS), (names.REALTIME, PROCESS | REALTIME))


Place = tuple[int, bool]
"""A node, and whether an rw edge led to it (where that matters)."""


class Ring(NamedTuple):
    """A ring: its nodes, and for each the kind of the edge that leads on to the next (from the last to the first)."""

    name: str
    nodes: tuple[int, ...]
    kinds: tuple[int, ...]


class _Rule(NamedTuple):
    """What a kind of ring is made of: one edge of the kind `closing`, and a way back of `allowed` edges."""

    name: str
    closing: int
    allowed: int
    apart: bool = False
    """Whether no two rw edges may follow each other."""


_LADDER: Final = (
    _Rule(names.G0, WW, WW),
    _Rule(names.G1C, WR, WW | WR),
    _Rule(names.G_SINGLE, RW, WW | WR | THROUGH),
    _Rule(names.G_NONADJACENT, RW, DATA, apart=True),
    _Rule(names.G2_ITEM, RW, DATA),
)
"""Gravest first."""


class Hunt:
    """One search of a graph for rings."""

    __slots__ = ("_graph", "_schedule_visits_left", "_visits_left", "clashes", "gave_up", "undecided")

    def __init__(self, graph: Graph, visits_max: int = VISITS_MAX) -> None:
        self._graph = graph
        self._visits_left = visits_max
        self.gave_up = False
        """Whether the bound was reached before a G-single had been looked for everywhere."""
        self.clashes: list[tuple[str, Clash]] = []
        """Beside the rings: what has one only once appends that nobody saw are put in order; and of which variant."""
        self.undecided: set[str] = set()
        """Variants of which the bound was reached before such appends had been put in order."""
        self._schedule_visits_left = visits_max

    def run(self) -> list[Ring]:
        """Return the rings that were found, at most one of a kind per component; none only if there are none."""
        found: list[Ring] = []
        for component in components(self._graph.successors):
            found += self._hunt(component)
        return found

    def _hunt(self, component: list[int]) -> list[Ring]:
        found: list[Ring] = []
        ruled_out: set[str] = set()
        has_schedule: bool | None = None  # of the strictest variant, and so of all; looked for once it matters
        for suffix, extra in VARIANTS:
            for nodes in self._parts(component, DATA | extra):
                for rule in _LADDER:
                    news = with_stronger(names.RULED_OUT[rule.name + suffix])
                    if ruled_out.issuperset(news):
                        continue
                    ring = self._find(nodes, rule, suffix, extra)
                    if ring is not None:
                        found.append(ring)
                        ruled_out |= news
                news = with_stronger(names.RULED_OUT[names.G_SINGLE + suffix])
                if ruled_out.issuperset(news):
                    continue
                if has_schedule is None:
                    has_schedule = Commits(self._graph, component, DATA | PROCESS | REALTIME).are_walked()
                if not has_schedule and self._clashes(nodes, suffix, DATA | extra):
                    ruled_out |= news
        return found

    def _clashes(self, nodes: list[int], suffix: str, allowed: int) -> bool:
        """Note whether nodes that have no ring below snapshots have one in every order of appends that nobody saw."""
        commits = Commits(self._graph, nodes, allowed, self._schedule_visits_left)
        clash = commits.find()
        self._schedule_visits_left = commits.visits_left
        if clash is not None:
            self.clashes.append((suffix, clash))
        elif commits.gave_up:
            self.undecided.add(suffix)
        return clash is not None

    def _edges(self, node: int, allowed: int) -> Iterator[tuple[int, int]]:
        for target, kind in zip(self._graph.successors[node], self._graph.kinds[node], strict=True):
            if kind & allowed:
                yield target, kind

    def _parts(self, nodes: Iterable[int], allowed: int) -> list[list[int]]:
        """Return the components that these edges leave of some nodes."""
        return [[node for node, _ in part] for part in self._places(nodes, allowed, apart=False)]

    def _places(self, nodes: Iterable[int], allowed: int, apart: bool) -> list[list[Place]]:
        """Return the components of places. With `apart` a place tells whether an rw edge led to it."""
        places = [(node, after_rw) for node in nodes for after_rw in ((False, True) if apart else (False,))]
        local = {place: index for index, place in enumerate(places)}
        successors = [
            [local[then] for then, _ in self._steps(place, allowed, apart) if then in local] for place in places
        ]
        return [[places[index] for index in part] for part in components(successors)]

    def _steps(self, place: Place, allowed: int, apart: bool) -> Iterator[tuple[Place, int]]:
        node, after_rw = place
        for target, kind in self._edges(node, allowed):
            if not (after_rw and kind == RW):
                yield (target, apart and (kind == RW or (kind == THROUGH and after_rw))), kind

    def _find(self, nodes: list[int], rule: _Rule, suffix: str, extra: int) -> Ring | None:
        """Return a short ring that the rule allows, or None."""
        allowed = rule.allowed | extra
        best: Ring | None = None
        tried = 0
        for part in self._places(nodes, allowed | rule.closing, rule.apart):
            ranks = self._ranks(part, allowed) if rule.name == names.G_SINGLE else dict.fromkeys(part, 0)
            for source, target, kind in self._closing(part, rule):
                goal, start = (source, False), (target, rule.apart)
                if goal not in ranks or start not in ranks or ranks[start] > ranks[goal]:
                    continue
                if self._visits_left <= 0 and (best is not None or rule.name == names.G_SINGLE):
                    self.gave_up |= best is None
                    return best
                way = self._way(start, goal, ranks, allowed)
                if way is None:
                    continue
                ring = Ring(rule.name + suffix, (source, *way[0]), (kind, *way[1]))
                best = ring if best is None or len(ring.nodes) < len(best.nodes) else best
                tried += 1
                if tried >= TRIED_MAX:
                    return best
        return best

    def _closing(self, part: list[Place], rule: _Rule) -> Iterator[tuple[int, int, int]]:
        """Yield the edges that may close a ring within a part."""
        for source, after_rw in part:
            if not after_rw:
                for target, kind in self._edges(source, rule.closing):
                    yield source, target, kind

    def _ranks(self, part: list[Place], allowed: int) -> dict[Place, int]:
        """Return a rank for each place such that these edges, which form no ring here, lead upwards only."""
        within = set(part)
        missing = dict.fromkeys(part, 0)
        for place in part:
            for then, _ in self._steps(place, allowed, False):
                if then in within:
                    missing[then] += 1
        ordered = [place for place in part if not missing[place]]
        for place in ordered:  # grows while it is walked
            for then, _ in self._steps(place, allowed, False):
                if then in within:
                    missing[then] -= 1
                    if not missing[then]:
                        ordered.append(then)
        return {place: rank for rank, place in enumerate(ordered)}

    def _way(
        self, start: Place, goal: Place, ranks: dict[Place, int], allowed: int
    ) -> tuple[list[int], list[int]] | None:
        """Return a shortest way, as its nodes without the goal and the edge that leads on from each.

        A start after an rw edge and a goal after none keep all rw edges of the ring apart.
        """
        came_from: dict[Place, tuple[Place, int] | None] = {start: None}
        highest = ranks[goal]
        queue = deque([start])
        while queue:
            place = queue.popleft()
            if place == goal:
                return _trace(place, came_from)
            for then, kind in self._steps(place, allowed, start[1]):
                self._visits_left -= 1
                if then not in came_from and ranks.get(then, highest + 1) <= highest:
                    came_from[then] = (place, kind)
                    queue.append(then)
        return None


def _trace(place: Place, came_from: dict[Place, tuple[Place, int] | None]) -> tuple[list[int], list[int]]:
    nodes: list[int] = []
    kinds: list[int] = []
    while (step := came_from[place]) is not None:
        place, kind = step
        nodes.append(place[0])
        kinds.append(kind)
    return nodes[::-1], kinds[::-1]

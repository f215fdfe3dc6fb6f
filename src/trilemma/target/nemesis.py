"""The plan of a nemesis: which faults, when, and on whom, drawn from a seed before the run begins.

Shapes of cuts are data: from the nodes in some order to the directions that are cut and the sides that this makes. The
order is drawn, with the leader first where the plan says so, because its loss is what hurts. Pure: `disturber` carries
plans out. Source: Jepsen `nemesis.clj` (grudges), FoundationDB's swizzle; FAULTS §3.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from trilemma.target.port import Link, LinkFault

FAULT_S_MIN: Final = 0.8
FAULT_S_MAX: Final = 8.0
"""How long a fault lasts: long enough for every store here to fail over, short enough for several in a minute."""

FAULT_SHARE: Final = (0.22, 0.30)
"""A fault's part of the whole time; two fit into any run, with rests."""

REST_SHARE: Final = 0.5
"""A rest's part of the fault before it: enough to come back, and to be seen to serve."""

LEAD_IN_SHARE: Final = 0.08
LEADER_SHARE: Final = 0.5
"""How often a fault picks the leader; the first one always does."""

DELAYS_MS: Final = (50, 400)
LOSSES_PERCENT: Final = (5, 30)
SWIZZLE_STEPS_MAX: Final = 8


class Cut(NamedTuple):
    """Directions that carry nothing, and the groups of nodes that do not reach each other."""

    links: frozenset[Link]
    sides: tuple[tuple[str, ...], ...] = ()
    what: str = ""


def between(one: Sequence[str], other: Sequence[str]) -> frozenset[Link]:
    """Return all directions between two groups, both ways."""
    return frozenset(link for left in one for right in other for link in ((left, right), (right, left)))


def _isolate(nodes: Sequence[str]) -> Cut:
    alone, rest = nodes[:1], tuple(sorted(nodes[1:]))
    return Cut(between(alone, rest), (tuple(alone), rest), f"{alone[0]} from {' '.join(rest)}")


def _halves(nodes: Sequence[str]) -> Cut:
    middle = len(nodes) // 2
    smaller, larger = (tuple(sorted(part)) for part in (nodes[:middle], nodes[middle:]))
    return Cut(between(smaller, larger), (smaller, larger), f"{' '.join(smaller)} from {' '.join(larger)}")


def _ring(nodes: Sequence[str]) -> Cut:
    """Have each node hear only a majority around itself, each another one; of three nodes, itself and the next."""
    count, majority = len(nodes), len(nodes) // 2 + 1
    first = -((majority - 1) // 2)
    links = set()
    for place, node in enumerate(nodes):
        heard = {nodes[(place + offset) % count] for offset in range(first, first + majority)}
        links |= {(other, node) for other in nodes if other not in heard}
    return Cut(frozenset(links), (), f"each of {' '.join(nodes)} hears only a majority of its own")


def _bridge(nodes: Sequence[str]) -> Cut:
    middle = (len(nodes) - 1) // 2
    left, right = (tuple(sorted(part)) for part in (nodes[:middle], nodes[middle + 1 :]))
    return Cut(
        between(left, right), (left, right), f"{' '.join(left)} from {' '.join(right)}, {nodes[middle]} sees all"
    )


def _deaf(nodes: Sequence[str]) -> Cut:
    alone, rest = nodes[0], tuple(sorted(nodes[1:]))
    links = frozenset((other, alone) for other in rest)
    return Cut(links, ((alone,), rest), f"{alone} is heard but hears nothing")


def _mute(nodes: Sequence[str]) -> Cut:
    alone, rest = nodes[0], tuple(sorted(nodes[1:]))
    links = frozenset((alone, other) for other in rest)
    return Cut(links, ((alone,), rest), f"{alone} hears but is not heard")


Shape = Callable[[Sequence[str]], Cut]

SHAPES: Final[Mapping[str, tuple[Shape, ...]]] = {
    "isolate": (_isolate,),
    "halves": (_halves,),
    "ring": (_ring,),
    "bridge": (_bridge,),
    "one-way": (_deaf, _mute),
}
"""The shapes of cuts by the nemesis that draws them."""

LINK_KINDS: Final = (*SHAPES, "swizzle", "slow", "lossy")
PROCESS_KINDS: Final = ("kill", "pause")
NEMESES: Final = ("none", *LINK_KINDS, *PROCESS_KINDS, "mix")


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault: from `after_s` for `lasts_s`, in seconds from the start of the run.

    `order` are the nodes as drawn; with `is_leader` the leader of that moment, where one is known, goes to the front.
    """

    kind: str
    after_s: float
    lasts_s: float
    order: tuple[str, ...]
    is_leader: bool
    variant: int = 0
    amount: int = 0
    """Milliseconds of delay, or percent of loss."""

    def nodes(self, leader: str | None) -> tuple[str, ...]:
        """Return the nodes in the order that counts."""
        if not self.is_leader or leader not in self.order:
            return self.order
        return (leader, *(node for node in self.order if node != leader))


def plan(nemesis: str, nodes: Sequence[str], time_s: float, seed: int, kinds: Sequence[str] = ()) -> list[Planned]:
    """Return the faults of a run, in order, with rests between them; nothing for `none`.

    Args:
        nemesis: one of NEMESES.
        kinds: what `mix` draws from.
        time_s: how long the clients run; all faults end before.
    """
    rng = Random(f"{nemesis} {seed}")
    wanted = tuple(kinds) if nemesis == "mix" else () if nemesis == "none" else (nemesis,)
    return list(_draw(rng, wanted, tuple(nodes), time_s)) if wanted else []


def _draw(rng: Random, kinds: Sequence[str], nodes: tuple[str, ...], time_s: float) -> Iterator[Planned]:
    after_s = max(0.5, LEAD_IN_SHARE * time_s)
    bag: list[str] = []
    is_first = True
    while True:
        lasts_s = min(FAULT_S_MAX, max(FAULT_S_MIN, rng.uniform(*FAULT_SHARE) * time_s))
        rest_s = REST_SHARE * lasts_s
        if after_s + lasts_s + rest_s / 2 > time_s:
            return
        if not bag:
            bag = rng.sample(kinds, len(kinds))
        kind = bag.pop()
        order = tuple(rng.sample(nodes, len(nodes)))
        is_leader = is_first or rng.random() < LEADER_SHARE
        amount = rng.randint(*(LOSSES_PERCENT if kind == "lossy" else DELAYS_MS))
        yield Planned(kind, after_s, lasts_s, order, is_leader, rng.randrange(1 << 16), amount)
        is_first = False
        after_s += lasts_s + rest_s


def cut_of(fault: Planned, leader: str | None) -> Cut:
    """Return what a planned cut cuts.

    Raises:
        KeyError: it is no cut of a shape.
    """
    shapes = SHAPES[fault.kind]
    return shapes[fault.variant % len(shapes)](fault.nodes(leader))


def bad_links(fault: Planned, leader: str | None) -> dict[Link, LinkFault]:
    """Return the directions that are slow or lossy: all of the first node's."""
    alone, *rest = fault.nodes(leader)
    bad = LinkFault(delay_ms=fault.amount) if fault.kind == "slow" else LinkFault(loss_percent=float(fault.amount))
    return dict.fromkeys(between([alone], rest), bad)


def swizzle(fault: Planned, leader: str | None) -> list[tuple[float, frozenset[Link]]]:
    """Return the steps of a swizzle: nodes are cut off one by one, and come back in another order.

    Returns:
        From when (as a share of the fault's time) which directions are cut; the last step cuts nothing.
    """
    nodes = fault.nodes(leader)
    rng = Random(fault.variant)
    chosen = nodes[: rng.randint(2, min(len(nodes), SWIZZLE_STEPS_MAX // 2))]
    moments = [step / (2 * len(chosen)) for step in range(2 * len(chosen) + 1)]
    cut: list[str] = []
    steps: list[tuple[float, frozenset[Link]]] = []
    returning = rng.sample(chosen, len(chosen))
    for moment, node in zip(moments, (*chosen, *returning), strict=False):
        cut = [each for each in cut if each != node] if node in cut else [*cut, node]
        links = frozenset[Link]().union(*(between([each], [other for other in nodes if other != each]) for each in cut))
        steps.append((moment, links))
    return [*steps, (1.0, frozenset())]

"""Orders of appends that nobody saw: what follows, what takes trials, and agreement with trying every order."""

from itertools import pairwise, permutations, product
from random import Random
from typing import Any

import pytest

from trilemma.check import hierarchy as models
from trilemma.check.elle.checker import analyse
from trilemma.check.elle.commits import TRIALS_MAX, UNTOLD, Clash, Commits
from trilemma.check.elle.graph import DATA, RW, WW, Graph
from trilemma.check.elle.transaction import Transaction
from trilemma.check.history import Operation
from trilemma.check.verdict import Validity

from .test_anomalies import together, txn
from .twin import is_snapshot_isolated

FUZZ_ROUNDS = 1_500
VISITS = 100_000

SNAPSHOTS = (
    models.SNAPSHOT_ISOLATION,
    models.STRONG_SESSION_SNAPSHOT_ISOLATION,
    models.STRONG_SNAPSHOT_ISOLATION,
)
BOTH_MISSED = together((("r", "y", ()), ("a", "x", 1)), (("r", "x", ()), ("a", "x", 2), ("a", "y", 1)))


def test_two_that_missed_each_other_and_appended_to_one_key_have_no_snapshots() -> None:
    analysis = analyse(BOTH_MISSED)
    for model in SNAPSHOTS:
        verdict = analysis.verdict(model)
        assert verdict.is_invalid
        assert verdict.witness == tuple(BOTH_MISSED)
        assert verdict.reason.startswith(
            "G-single (read skew: a ring with one read that missed an append): "
            "T1 and T2 both appended to 'x', and nobody read which of them was the first; "
            "if T1 was: T2 read [] of 'x' without 1, which T1 appended, so T2 must come before T1; "
            "if T2 was: T1 read [] of 'y' without 1, which T2 appended, so T1 must come before T2; "
            "so that neither can have been. "
        )
    assert [each.name for each in analysis.anomalies] == ["G-single", "G2-item"]


def test_two_that_missed_each_other_have_snapshots_where_they_appended_to_different_keys() -> None:
    skew = together((("r", "y", ()), ("a", "x", 1)), (("r", "x", ()), ("a", "z", 2), ("a", "y", 1)))
    assert all(analyse(skew).verdict(model).is_valid for model in SNAPSHOTS)


def test_an_append_that_may_not_have_happened_counts_only_once_something_of_it_was_read() -> None:
    doubtful = BOTH_MISSED[1]._replace(outcome="info", complete_us=None, result=None)
    missed = txn(3, 0, 99, ("r", "x", ()), ("a", "z", 1))
    assert all(analyse([BOTH_MISSED[0], doubtful, missed]).verdict(model).is_valid for model in SNAPSHOTS)


def _ring(count: int) -> list[Operation]:
    """Return transactions of which each missed the next, the last the first, and all appended to one key."""
    micros = [(("r", f"k{n}", ()), ("a", f"k{(n - 1) % count}", 1), ("a", "x", n)) for n in range(count)]
    return together(*micros)


def test_what_follows_is_told_as_a_step() -> None:
    verdict = analyse(_ring(4)).verdict(models.SNAPSHOT_ISOLATION)
    assert verdict.is_invalid
    assert verdict.reason.startswith("G-nonadjacent (")
    assert "T3 and T4 both appended to 'x', and T4 cannot have been the first, so T3 must come before" in verdict.reason
    assert verdict.witness == tuple(_ring(4))


def test_where_nothing_follows_both_orders_are_tried() -> None:
    """T1 and T2 missed T3 and T4, and these missed them; each pair appended to a key. Whichever way round T1 and T2
    were, T3 and T4 had both begun before the first of them committed, and not committed when the second began."""
    one, other = (("r", "c", ()), ("r", "d", ())), (("r", "a", ()), ("r", "b", ()))
    history = together(
        (*one, ("a", "a", 1), ("a", "x", 1)),
        (*one, ("a", "b", 1), ("a", "x", 2)),
        (*other, ("a", "c", 1), ("a", "y", 1)),
        (*other, ("a", "d", 1), ("a", "y", 2)),
    )
    verdict = analyse(history).verdict(models.SNAPSHOT_ISOLATION)
    assert verdict.is_invalid
    assert not is_snapshot_isolated(history)
    assert verdict.reason.startswith("G-nonadjacent (")
    assert "whatever the order of such appends of these transactions, they form a ring" in verdict.reason
    assert verdict.witness == tuple(history)
    for left_out in history:
        assert analyse([each for each in history if each is not left_out]).verdict(models.SNAPSHOT_ISOLATION).is_valid


def test_a_search_that_reaches_its_bound_is_unknown_for_snapshots_only() -> None:
    assert not analyse(_ring(12)).undecided
    limited = analyse(_ring(12), visits_max=500)
    assert not limited.gave_up
    for model in SNAPSHOTS:
        assert limited.verdict(model).validity is Validity.UNKNOWN
        assert "nobody saw" in limited.verdict(model).reason
    assert limited.verdict(models.SERIALIZABLE).is_invalid
    assert limited.verdict(models.READ_COMMITTED).is_valid


class Drawn(Graph):
    """A graph whose edges, and who appended unseen to what, are given."""

    def __init__(self, rng: Random, count: int) -> None:
        self.transactions = [
            Transaction(number, Operation(number, 0, rng.randrange(9), "txn", b"", (), ())) for number in range(count)
        ]
        self.successors = [[] for _ in range(count)]
        self.kinds = [[] for _ in range(count)]
        for _ in range(rng.randrange(count, 3 * count)):
            self.add(rng.randrange(count), rng.randrange(count), RW if rng.random() < 0.75 else WW)
        self.unseen_by = {}
        groups = [rng.sample(range(count), rng.choice([2, 2, 3, min(count, 4)])) for _ in range(rng.randint(1, 3))]
        if count > 3 and rng.random() < 0.1:  # two groups that missed each other
            groups.append(rng.sample(range(count), 4))
            groups = [groups[-1][:2], groups[-1][2:]]
            for one, other in product(*groups):
                self.add(one, other, RW)
                self.add(other, one, RW)
        for key, group in enumerate(groups):
            for number in group:
                self.unseen_by.setdefault(number, []).append(key)


def _points(graph: Graph) -> set[tuple[int, int]]:
    """Return the edges between begins (even) and commits (odd)."""
    edges = {(2 * node, 2 * node + 1) for node in range(len(graph.successors))}
    for node, (targets, kinds) in enumerate(zip(graph.successors, graph.kinds, strict=True)):
        for target, kind in zip(targets, kinds, strict=True):
            edges.add((2 * node, 2 * target + 1) if kind == RW else (2 * node + 1, 2 * target))
    return edges


def _has_ring(edges: set[tuple[int, int]]) -> bool:
    left = {point for edge in edges for point in edge}
    while True:
        last = left - {one for one, other in edges if one in left and other in left}
        if not last:
            return bool(left)
        left -= last


def _has_schedule(graph: Graph) -> bool:
    """The dumb twin: some order of those who appended to each key leaves no ring."""
    groups: dict[Any, list[int]] = {}
    for number, keys in graph.unseen_by.items():
        for key in keys:
            groups.setdefault(key, []).append(number)
    points = _points(graph)
    for orders in product(*(permutations(group) for group in groups.values())):
        untold = {(2 * one + 1, 2 * other) for order in orders for one, other in pairwise(order)}
        if not _has_ring(points | untold):
            return True
    return False


def test_clashes_never_disagree_with_trying_every_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(25)
    counts = {True: 0, False: 0}
    trials = in_vain = 0
    solve = Commits._solve

    def counted(self: Commits, orders: Any, trials_left: int) -> Any:
        nonlocal trials
        trials += trials_left < TRIALS_MAX
        return solve(self, orders, trials_left)

    monkeypatch.setattr(Commits, "_solve", counted)
    while sum(counts.values()) < FUZZ_ROUNDS:
        graph = Drawn(rng, rng.randint(3, 8))
        if _has_ring(_points(graph)):
            continue
        commits = Commits(graph, list(range(len(graph.successors))), DATA, VISITS)
        clash = commits.find()
        assert not commits.gave_up
        assert (clash is None) == _has_schedule(graph)
        counts[clash is None] += 1
        if clash is not None:
            in_vain += not clash.ways
            _is_shown(graph, clash)
    assert min(counts.values()) > FUZZ_ROUNDS // 10, counts
    assert min(trials, in_vain) > FUZZ_ROUNDS // 200, "some orders must take trials"


def _is_shown(graph: Graph, clash: Clash) -> None:
    """The ways lead from the one to the other and back, and what a clash names is enough to show it."""
    for way, (first, last) in zip(clash.ways, permutations((clash.other, clash.one)), strict=False):
        assert (way.nodes[0], way.nodes[-1]) == (first, last)
        assert RW in way.kinds or UNTOLD in way.kinds
    assert {clash.one, clash.other} <= clash.nodes
    _forget_all_but(graph, clash.nodes)
    assert not _has_schedule(graph)


def _forget_all_but(graph: Graph, nodes: frozenset[int]) -> None:
    for number in range(len(graph.successors)):
        kept = [
            (target, kind)
            for target, kind in zip(graph.successors[number], graph.kinds[number], strict=True)
            if {number, target} <= nodes
        ]
        graph.successors[number] = [target for target, _ in kept]
        graph.kinds[number] = [kind for _, kind in kept]
        if number not in nodes:
            graph.unseen_by.pop(number, None)

"""Plans of a nemesis: shapes cut what they say, times fit, the seed decides."""

from random import Random

import pytest

from trilemma.target import nemesis
from trilemma.target.nemesis import Planned, between, cut_of, plan, swizzle
from trilemma.target.port import Link, LinkFault

NODES = ("n1", "n2", "n3")
FIVE = ("a", "b", "c", "d", "e")


def planned(kind: str, order: tuple[str, ...] = NODES, variant: int = 0) -> Planned:
    return Planned(kind, 1.0, 2.0, order, is_leader=False, variant=variant, amount=80)


def hears(node: str, nodes: tuple[str, ...], links: frozenset[Link]) -> set[str]:
    return {node, *(other for other in nodes if other != node and (other, node) not in links)}


def test_isolate_cuts_one_node_off_from_all_others_both_ways() -> None:
    cut = cut_of(planned("isolate"), None)
    assert cut.links == {("n1", "n2"), ("n2", "n1"), ("n1", "n3"), ("n3", "n1")}
    assert cut.sides == (("n1",), ("n2", "n3"))


def test_halves_leave_no_link_between_two_groups_that_are_as_even_as_can_be() -> None:
    cut = cut_of(planned("halves", FIVE), None)
    assert [len(side) for side in cut.sides] == [2, 3]
    assert cut.links == between(*cut.sides)


@pytest.mark.parametrize("nodes", [NODES, FIVE, tuple("abcdefg")])
def test_in_a_ring_every_node_hears_a_majority_and_no_two_the_same(nodes: tuple[str, ...]) -> None:
    cut = cut_of(planned("ring", nodes), None)
    heard = [frozenset(hears(node, nodes, cut.links)) for node in nodes]
    assert {len(each) for each in heard} == {len(nodes) // 2 + 1}
    assert len(set(heard)) == len(nodes)


def test_a_bridge_leaves_one_node_that_sees_both_sides() -> None:
    cut = cut_of(planned("bridge", FIVE), None)
    (left, right), middle = cut.sides, "c"
    assert cut.links == between(left, right)
    assert middle not in left + right
    assert hears(middle, FIVE, cut.links) == set(FIVE)


def test_one_way_cuts_leave_the_other_direction_alone() -> None:
    cuts = [cut_of(planned("one-way", variant=variant), None) for variant in (0, 1)]
    assert {link for cut in cuts for link in cut.links} == between(["n1"], ["n2", "n3"])
    for cut in cuts:
        assert not any((target, source) in cut.links for source, target in cut.links)


def test_the_leader_of_the_moment_comes_first_where_the_plan_asks_for_it() -> None:
    with_leader = Planned("isolate", 1.0, 2.0, NODES, is_leader=True)
    assert cut_of(with_leader, "n3").sides[0] == ("n3",)
    assert cut_of(with_leader, None).sides[0] == ("n1",)
    assert cut_of(with_leader, "unheard of").sides[0] == ("n1",)


@pytest.mark.parametrize("kind", [each for each in nemesis.NEMESES if each not in ("none", "mix")])
@pytest.mark.parametrize("time_s", [4.0, 20.0, 60.0, 600.0])
def test_faults_do_not_overlap_and_end_before_the_clients_do(kind: str, time_s: float) -> None:
    faults = plan(kind, NODES, time_s, seed=7)
    assert len(faults) >= 2
    assert all(fault.kind == kind and sorted(fault.order) == list(NODES) for fault in faults)
    assert faults[0].is_leader
    ends = [fault.after_s + fault.lasts_s for fault in faults]
    assert all(end < after.after_s for end, after in zip(ends, faults[1:], strict=False))
    assert ends[-1] < time_s


def test_the_same_seed_draws_the_same_plan_and_another_seed_another() -> None:
    assert plan("isolate", NODES, 60, 1) == plan("isolate", NODES, 60, 1)
    assert plan("isolate", NODES, 60, 1) != plan("isolate", NODES, 60, 2)


def test_none_plans_nothing_and_mix_draws_every_kind_before_one_comes_again() -> None:
    assert plan("none", NODES, 60, 1) == []
    kinds = ("kill", "pause", "isolate")
    drawn = [fault.kind for fault in plan("mix", NODES, 60, 1, kinds)]
    assert set(drawn[:3]) == set(kinds)


def test_slow_and_lossy_links_are_all_those_of_one_node() -> None:
    assert nemesis.bad_links(planned("slow"), None) == dict.fromkeys(
        between(["n1"], ["n2", "n3"]), LinkFault(delay_ms=80)
    )
    assert set(nemesis.bad_links(planned("lossy"), None).values()) == {LinkFault(loss_percent=80.0)}


def test_a_swizzle_cuts_nodes_off_one_by_one_and_ends_with_nothing_cut() -> None:
    rng = Random(3)
    for _ in range(50):
        steps = swizzle(planned("swizzle", FIVE, rng.randrange(1 << 16)), None)
        moments = [moment for moment, _ in steps]
        sizes = [len(links) for _, links in steps]
        assert moments == sorted(moments)
        assert moments[0] == 0.0
        assert moments[-1] == 1.0
        assert sizes[-1] == sizes[-2] == 0
        assert max(sizes) > sizes[0] > 0

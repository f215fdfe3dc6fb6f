"""Components and paths: compared with reachability from every node."""

from itertools import pairwise
from random import Random

from trilemma.check.components import components, shortest_path

FUZZ_ROUNDS = 2_000


def _reachable(successors: list[list[int]], start: int) -> set[int]:
    reached: set[int] = set()
    waiting = list(successors[start])
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += successors[node]
    return reached


def test_components_are_the_nodes_that_reach_each_other() -> None:
    rng = Random(1)
    seen = set()
    for _ in range(FUZZ_ROUNDS):
        count = rng.randint(1, 8)
        graph = [rng.choices(range(count), k=rng.randrange(3)) for _ in range(count)]
        reached = [_reachable(graph, node) for node in range(count)]
        mutual = {
            frozenset(b for b in range(count) if a == b or (b in reached[a] and a in reached[b])) for a in range(count)
        }
        expected = {each for each in mutual if len(each) > 1}
        found = components(graph)
        assert {frozenset(each) for each in found} == expected
        assert len(found) == len(expected)
        seen.add(len(found))
    assert {0, 1, 2} <= seen


def test_shortest_path_is_a_path_and_none_is_shorter() -> None:
    rng = Random(2)
    for _ in range(FUZZ_ROUNDS):
        count = rng.randint(2, 7)
        graph = [rng.choices(range(count), k=rng.randrange(3)) for _ in range(count)]
        path = shortest_path(graph, 0, 1)
        layer, steps = {0}, 0
        while 1 not in layer and steps <= count:
            layer = {target for node in layer for target in graph[node]}
            steps += 1
        assert len(path) == (steps + 1 if steps <= count else 0)
        assert all(other in graph[one] for one, other in pairwise(path))


def test_a_ring_of_a_hundred_thousand_nodes_is_found_without_recursion() -> None:
    size = 100_000
    ring = [[(node + 1) % size] for node in range(size)]
    assert [len(each) for each in components(ring)] == [size]

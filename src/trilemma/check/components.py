"""Strongly connected components: which nodes of a directed graph lie on rings together.

Owns the algorithm only; what nodes and edges mean is the caller's. No recursion, because a graph of a history has
paths of a hundred thousand nodes. Source: Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput.
1(2), 1972. Twin: reachability from every node, in the tests.
"""

from collections import deque
from collections.abc import Iterator, Sequence


def components(successors: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the components of more than one node: every ring lies in one, and each node of one lies on a ring.

    Args:
        successors: for each node, by number, where its edges lead.

    Cost: O(nodes + edges).
    """
    found: list[list[int]] = []
    index = [0] * len(successors)  # in order of discovery from 1; 0: not seen yet
    low = [0] * len(successors)
    is_open = bytearray(len(successors))
    waiting: list[int] = []
    clock = 0
    for root in range(len(successors)):
        if index[root]:
            continue
        path = [root]
        edges: list[Iterator[int]] = [iter(successors[root])]
        clock += 1
        index[root] = low[root] = clock
        waiting.append(root)
        is_open[root] = 1
        while path:
            node = path[-1]
            for target in edges[-1]:
                if not index[target]:
                    clock += 1
                    index[target] = low[target] = clock
                    waiting.append(target)
                    is_open[target] = 1
                    path.append(target)
                    edges.append(iter(successors[target]))
                    break
                if is_open[target] and index[target] < low[node]:
                    low[node] = index[target]
            else:
                path.pop()
                edges.pop()
                if path and low[node] < low[path[-1]]:
                    low[path[-1]] = low[node]
                if low[node] == index[node]:
                    _close(node, waiting, is_open, found)
    return found


def _close(root: int, waiting: list[int], is_open: bytearray, found: list[list[int]]) -> None:
    """Take the component of its first node off the stack; keep it if it has more than that one."""
    start = len(waiting) - 1
    while waiting[start] != root:
        start -= 1
    members = waiting[start:]
    del waiting[start:]
    for node in members:
        is_open[node] = 0
    if len(members) > 1:
        found.append(members)


def shortest_path(successors: Sequence[Sequence[int]], start: int, goal: int) -> list[int]:
    """Return the nodes of a shortest path, both ends included; nothing where there is none.

    Cost: O(nodes + edges).
    """
    came_from = {start: start}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        if node == goal:
            path = [node]
            while path[-1] != start:
                path.append(came_from[path[-1]])
            return path[::-1]
        for target in successors[node]:
            if target not in came_from:
                came_from[target] = node
                queue.append(target)
    return []

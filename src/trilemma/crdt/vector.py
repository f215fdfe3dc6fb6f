"""Version vectors: per node, how many of its batches are held; sequences have no holes (PROTOCOLS §5.2).

Source: Parker et al., "Detection of mutual inconsistency in distributed systems", IEEE TSE 1983.
"""

from collections.abc import Iterable, Mapping

from trilemma.base.ids import NodeId

Vector = Mapping[NodeId, int]


def covers(vector: Vector, other: Vector) -> bool:
    """Say whether everything in `other` is in `vector`."""
    for node, seq in other.items():  # noqa: SIM110 - a loop: this is asked in every turn, and `all` costs twice as much
        if vector.get(node, 0) < seq:
            return False
    return True


def join(vectors: Iterable[Vector]) -> dict[NodeId, int]:
    """Return the least vector that covers all."""
    joined: dict[NodeId, int] = {}
    for vector in vectors:
        for node, seq in vector.items():
            joined[node] = max(joined.get(node, 0), seq)
    return joined


def meet(vectors: Iterable[Vector]) -> dict[NodeId, int]:
    """Return the greatest vector that all cover; nothing for no vectors."""
    held = list(vectors)
    if not held:
        return {}
    nodes = sorted({node for vector in held for node in vector})
    return {node: min(vector.get(node, 0) for vector in held) for node in nodes}


def text(vector: Vector) -> str:
    """Return a vector for people, nodes in order."""
    return " ".join(f"{node}:{seq}" for node, seq in sorted(vector.items()) if seq)

"""Convergence: after the heal, and at rest, every replica of a shard holds the same data, versions included.

Source: Shapiro et al., "Conflict-free replicated data types", SSS 2011 (strong eventual consistency); TigerBeetle
checks identical checkpoints.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from trilemma.check.history import History, Operation
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "convergence"
READS_CHECKER: Final = "equal final reads"


def check_convergence(digests: Mapping[str, Mapping[str, Any]]) -> Verdict:
    """Judge whether the replicas of each shard agree.

    Args:
        digests: for each shard, each replica's digest.

    Returns:
        `unknown` for a shard with fewer than two replicas: there was nothing to compare.
    """
    return combine((_check_shard(shard, replicas) for shard, replicas in sorted(digests.items())), CHECKER)


def _check_shard(shard: str, replicas: Mapping[str, Any]) -> Verdict:
    if len(replicas) < 2:
        return unknown(CHECKER, f"shard {shard} has {len(replicas)} replicas to compare")
    first, *others = sorted(replicas)
    differing = [node for node in others if replicas[node] != replicas[first]]
    if not differing:
        return valid(CHECKER)
    listing = ", ".join(f"{node} {replicas[node]!r}" for node in sorted(replicas))
    return invalid(CHECKER, f"the replicas of shard {shard} differ: {listing}")


def check_equal_reads(finals: Iterable[Operation]) -> Verdict:
    """Judge whether final reads of the same key, kind and argument show the same at every node."""
    groups: dict[tuple[bytes, str, Any], list[Operation]] = {}
    for read in History(finals):
        if read.outcome == "ok":
            groups.setdefault((read.key, read.kind, read.argument), []).append(read)
    if not any(len({read.node for read in group}) > 1 for group in groups.values()):
        return unknown(READS_CHECKER, "no key was read at two nodes")
    for (key, _, _), group in groups.items():
        if any(read.result != group[0].result for read in group):
            return invalid(READS_CHECKER, f"nodes at rest show different values of {key!r}", group)
    return valid(READS_CHECKER)

"""Convergence of `ap`: many different writes on both sides of a cut, and how long after healing all replicas agree."""

import time
from collections.abc import Callable

from trilemma.client.processes import ProcessCluster
from trilemma.trial.report import Report, seconds_until

AGREE_S_MAX = 2.0
GIVE_UP_S = 60.0
BATCH = 500
SHARED = 2
"""Each side writes every second key in common with the other, and each other one alone."""


def divergence(writes: int, say: Callable[[str], None] = lambda text: None) -> Report:
    """Write `writes` on each side of a cut; half of the keys are written on both."""
    report = Report("divergence")
    with ProcessCluster() as cluster:
        cluster.create("shop", "ap")
        cluster.command("n1", "LAB", "CUT", "n3")
        for node in ("n1", "n3"):
            began = time.monotonic()
            _write(cluster, node, writes)
            say(f"{writes} writes at {node} in {time.monotonic() - began:.1f} s")
        report.require(len(cluster.digests("shop")) > 1, "the sides did not diverge")
        cluster.command("n1", "LAB", "HEAL")
        spent = seconds_until(lambda: len(cluster.digests("shop")) == 1, GIVE_UP_S)
    report.figures |= {"writes a side": writes, "seconds until equal digests": round(spent or GIVE_UP_S, 2)}
    report.require(spent is not None and spent <= AGREE_S_MAX, f"the replicas agree later than after {AGREE_S_MAX} s")
    return report


def _write(cluster: ProcessCluster, node: str, writes: int) -> None:
    with cluster.client(node) as client:
        for start in range(0, writes, BATCH):
            batch = client.pipeline(transaction=False)
            for number in range(start, min(start + BATCH, writes)):
                owner = "both" if number % SHARED else node
                batch.set(f"shop:{owner}:{number}", f"{node}={number}")
            batch.execute()

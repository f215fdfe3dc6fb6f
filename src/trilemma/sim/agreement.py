"""Agreement at rest: by when replicas must hold the same, and what their nodes tell clients of it.

Owns how long is waited, and what is asked by CAP DIGEST at each node: the verdict is on what clients were told. What
replicas hold, and no client can look at, says only when to ask (`Cluster.digests`).
"""

from collections.abc import Collection
from typing import Final

from trilemma.check.convergence import check_convergence
from trilemma.check.verdict import Verdict
from trilemma.sim.asking import Asking
from trilemma.sim.bounds import BATCH_BY_BATCH
from trilemma.sim.cluster import Cluster
from trilemma.sim.solo import request

REST_US: Final = 3_000_000
"""After the final reads replicas have this long to agree."""

REST_STEP_US: Final = 20_000

ANSWERED_US: Final = 5_000_000
"""How long answers are waited for: there may be many rows, a page in each turn."""

NO_ANSWER: Final = "no answer"


def rest(cluster: Cluster, names: Collection[str] | None = None) -> bool:
    """Wait until all replicas, or those on some nodes, agree, or ought to: where they are sent what they lack batch by
    batch, the time counts from the last that came. Return whether they do."""
    scheduler = cluster.scheduler
    limit_us = scheduler.now_us + REST_US
    is_slow = not BATCH_BY_BATCH.isdisjoint(cluster.options.tight)
    before = held = cluster.digests(names)
    while scheduler.now_us < limit_us and not check_convergence(held).is_valid:
        if is_slow and held != before:
            before, limit_us = held, scheduler.now_us + REST_US
        scheduler.run_until(scheduler.now_us + REST_STEP_US)
        held = cluster.digests(names)
    return check_convergence(held).is_valid


def judge_agreement(cluster: Cluster, names: Collection[str] | None = None) -> Verdict:
    """Wait until all replicas, or those on some nodes, agree, and judge whether their nodes say so.

    A node tells what its engine holds, which may be behind what its replicas do: so it is asked again for a while. A
    replica may have something to clear away at rest, too, after its node was asked; and all may have agreed for want
    of a leader, who then commits what he found in his log while they are asked.
    """
    had_agreed = rest(cluster, names)
    limit_us = cluster.scheduler.now_us + REST_US
    verdict = check_convergence(ask_digests(cluster, names))
    while verdict.is_invalid and cluster.scheduler.now_us < limit_us and rest(cluster, names):
        cluster.scheduler.run_until(cluster.scheduler.now_us + REST_STEP_US)
        verdict = check_convergence(ask_digests(cluster, names))
    held = check_convergence(cluster.digests(names))
    if held.is_invalid and not had_agreed and not verdict.is_invalid:
        cluster.failures.append(f"nodes say that their replicas agree, but {held.reason}")
    return verdict


def ask_digests(cluster: Cluster, names: Collection[str] | None = None) -> dict[str, dict[str, str]]:
    """Return what every node says, or those of some names, as `Cluster.digests` does; time passes meanwhile."""
    asked = {
        process.name: Asking(cluster, process.member.id, request("CAP", "DIGEST")) for process in cluster.named(names)
    }
    limit_us = cluster.scheduler.now_us + ANSWERED_US
    cluster.scheduler.run_until(limit_us, lambda: all(asking.is_over for asking in asked.values()))
    found: dict[str, dict[str, str]] = {str(shard): {} for shard in cluster.compared_shards(names)}
    for name, asking in asked.items():
        asking.leave()
        told = _told(asking.reply)
        for shard, held in found.items():
            if told is None:
                held[name] = NO_ANSWER
            elif shard in told:
                held[name] = told[shard]
    return found


def _told(rows: object) -> dict[str, str] | None:
    """Return by shard what was told of it; None where that was no answer of CAP DIGEST."""
    if not isinstance(rows, tuple) or not all(isinstance(row, tuple) and len(row) == 4 for row in rows):
        return None
    return {str(shard): f"{_text(reflects)} {_text(digest)}" for _, shard, reflects, digest in rows}


def _text(word: object) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)

"""Agreement at rest: by when replicas must hold the same, and what their nodes tell clients of it.

Owns how long is waited, and what is asked by CAP DIGEST at each node: the verdict is on what clients were told. What
replicas hold, and no client can look at, says only when to ask (`Cluster.digests`).
"""

from collections.abc import Collection
from typing import Final

from trilemma.check.verdict import Verdict
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.bounds import BATCH_BY_BATCH
from trilemma.sim.client import plain
from trilemma.sim.cluster import Cluster
from trilemma.sim.judge import judge_digests
from trilemma.sim.process import Process
from trilemma.sim.solo import request

REST_US: Final = 3_000_000
"""After the final reads replicas have this long to agree."""

REST_STEP_US: Final = 20_000

ANSWERED_US: Final = 5_000_000
"""How long answers are waited for: there may be many rows, a page in each turn."""

NO_ANSWER: Final = "no answer"


def rest(cluster: Cluster, names: Collection[str] | None = None) -> None:
    """Wait until all replicas, or those on some nodes, agree, or ought to: where they are sent what they lack batch by
    batch, the time counts from the last that came."""
    scheduler = cluster.scheduler
    limit_us = scheduler.now_us + REST_US
    is_slow = not BATCH_BY_BATCH.isdisjoint(cluster.options.tight)
    before = None
    while scheduler.now_us < limit_us and not _agree(cluster, names):
        if is_slow and (held := cluster.digests(names)) != before:
            before, limit_us = held, scheduler.now_us + REST_US
        scheduler.run_until(scheduler.now_us + REST_STEP_US)


def judge_agreement(cluster: Cluster, names: Collection[str] | None = None) -> Verdict:
    """Wait until all replicas, or those on some nodes, agree, and judge whether their nodes say so.

    A node tells what its engine holds, which may be behind what its replicas do: so it is asked again for a while.
    """
    rest(cluster, names)
    limit_us = cluster.scheduler.now_us + REST_US
    verdict = judge_digests(ask_digests(cluster, names))
    while verdict.is_invalid and cluster.scheduler.now_us < limit_us and _agree(cluster, names):
        cluster.scheduler.run_until(cluster.scheduler.now_us + REST_STEP_US)
        verdict = judge_digests(ask_digests(cluster, names))
    held = judge_digests(cluster.digests(names))
    if held.is_invalid and not verdict.is_invalid:
        cluster.failures.append(f"nodes say that their replicas agree, but {held.reason}")
    return verdict


def _agree(cluster: Cluster, names: Collection[str] | None) -> bool:
    return judge_digests(cluster.digests(names)).is_valid


class Inspector:
    """A client of one node that asks for its digests, once."""

    def __init__(self, cluster: Cluster, process: Process) -> None:
        self.node = process.name
        self.rows: object = None
        """The answer, None before it came."""
        self._cluster = cluster
        self._decoder = ReplyDecoder()
        self._conn = cluster.connect(process.member.id, self)
        if self._conn is not None:
            cluster.send(self._conn, request("CAP", "DIGEST"))

    def receive(self, conn: int, data: bytes) -> None:
        """See Caller."""
        self._decoder.feed(data)
        for reply in self._decoder.replies():
            self.rows = plain(reply)

    def lost(self, conn: int) -> None:
        """See Caller."""
        self._conn = None

    def leave(self) -> None:
        """Hang up."""
        if self._conn is not None:
            self._cluster.hang_up(self._conn)


def ask_digests(cluster: Cluster, names: Collection[str] | None = None) -> dict[str, dict[str, str]]:
    """Return what every node says, or those of some names, as `Cluster.digests` does; time passes meanwhile."""
    asked = [
        Inspector(cluster, process) for process in cluster.processes.values() if names is None or process.name in names
    ]
    limit_us = cluster.scheduler.now_us + ANSWERED_US
    cluster.scheduler.run_until(limit_us, lambda: all(inspector.rows is not None for inspector in asked))
    found: dict[str, dict[str, str]] = {str(shard): {} for shard in cluster.compared_shards}
    for inspector in asked:
        inspector.leave()
        told = _told(inspector.rows)
        for shard, held in found.items():
            if told is None:
                held[inspector.node] = NO_ANSWER
            elif shard in told:
                held[inspector.node] = told[shard]
    return found


def _told(rows: object) -> dict[str, str] | None:
    """Return by shard what was told of it; None where that was no answer of CAP DIGEST."""
    if not isinstance(rows, tuple) or not all(isinstance(row, tuple) and len(row) == 4 for row in rows):
        return None
    return {str(shard): f"{_text(reflects)} {_text(digest)}" for _, shard, reflects, digest in rows}


def _text(word: object) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)

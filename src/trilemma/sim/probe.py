"""Probes of liveness: who writes to a node over and over sees when it serves again.

Owns the probes' connections; when they begin and by when they must have succeeded is the schedule's to say.
"""

from trilemma.check.history import Operation, Outcome
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.cluster import Cluster
from trilemma.sim.solo import request

PROBE_GAP_US = 100_000
"""How long a probe that failed waits before the next one."""


class Prober:
    """Writes to one node over and over until it succeeds."""

    def __init__(self, cluster: Cluster, node: int, prefix: bytes, probes: list[Operation]) -> None:
        self._cluster = cluster
        self._node = node
        self._prefix = prefix
        self._probes = probes
        self._conn: int | None = None
        self._sent_us = 0
        self._decoder = ReplyDecoder()
        self.is_served = False

    def start(self) -> None:
        """Begin to probe."""
        self._conn = self._cluster.connect(self._node, self)
        if self._conn is None:
            self._cluster.scheduler.after(PROBE_GAP_US, self.start)
            return
        self._decoder = ReplyDecoder()
        self._probe()

    def _probe(self) -> None:
        if self._conn is not None and not self.is_served:
            self._sent_us = self._cluster.scheduler.now_us
            self._cluster.send(self._conn, request("SET", self._prefix + b"probe%d" % self._node, "1"))

    def receive(self, conn: int, data: bytes) -> None:
        """See Caller."""
        self._decoder.feed(data)
        for reply in self._decoder.replies():
            said = plain(reply)
            options = self._cluster.options
            outcome: Outcome = "ok" if said == b"OK" else "fail"
            self._probes.append(
                Operation(
                    0, self._sent_us, self._cluster.scheduler.now_us, "probe", b"", None, said,
                    outcome, f"n{self._node}", options.keyspace, options.mode,
                )
            )  # fmt: skip
            if outcome == "ok":
                self.is_served = True
            else:
                self._cluster.scheduler.after(PROBE_GAP_US, self._probe)

    def lost(self, conn: int) -> None:
        """See Caller."""
        if conn == self._conn:
            self._conn = None
            self._cluster.scheduler.after(PROBE_GAP_US, self.start)

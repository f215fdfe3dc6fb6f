"""Keyspaces that are made, written to and dropped beside what a schedule is about, by one client of one node.

Owns that client, and what must be true of its keyspaces at the end: its reads, and that no node keeps rows or log of
what is gone.
"""

from collections.abc import Callable
from random import Random

from trilemma.base.ids import NodeId, keyspace_of
from trilemma.check.passing import check_passing
from trilemma.check.recorder import Recorder
from trilemma.check.verdict import Verdict
from trilemma.sim.client import Client, Numbers
from trilemma.sim.cluster import Cluster
from trilemma.sim.process import Process
from trilemma.storage.rowkey import SHARD_MAX, every_generation, shard_of
from trilemma.workload.passing import Passing


class PassingKeyspaces:
    """One schedule's keyspaces that come and go."""

    def __init__(self, cluster: Cluster, numbers: Numbers) -> None:
        options = cluster.options
        rng = Random(options.seed ^ 0xD0)
        node: NodeId = 1 + options.seed % options.nodes
        self._cluster = cluster
        self._recorder = Recorder()
        # On `ap` a session goes back in time where its node has no replica and several others have one.
        is_in_order = options.mode != "ap" or options.replicas == 1 or node <= options.replicas
        passing = Passing(rng, options.mode, options.placement if is_in_order else ())
        self.client = Client(cluster, self._recorder, rng, numbers, node, passing, can_pipeline=False)

    def judge(self) -> Verdict:
        """Judge what the client saw; note what nodes keep of keyspaces that are gone."""
        for process in self._cluster.processes.values():
            self._cluster.failures.extend(self._left_at(process))
        return check_passing(self._recorder.history().operations)

    @staticmethod
    def _left_at(process: Process) -> list[str]:
        if process.node is None:
            return []
        is_gone: Callable[[int], bool] = process.node.catalogue.is_gone
        left = []
        shard, engine = 0, process.disk.engine
        while found := engine.scan(every_generation(shard)[0], every_generation(SHARD_MAX)[1], 1):
            shard = shard_of(found[0][0]) + 1
            if is_gone(keyspace_of(shard - 1)):
                left.append(f"{process.name} keeps rows of shard {shard - 1}, which is gone")
        restated = {record.shard for record in process.node.restate() if is_gone(keyspace_of(record.shard))}
        return left + [f"{process.name} keeps log of shard {shard}, which is gone" for shard in sorted(restated)]

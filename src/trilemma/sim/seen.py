"""What was seen of one schedule, and what all judges say of it once it is over.

Owns the records of every phase, and which part of them is held against which promise. Does not know how a workload is
judged (sim/judge.py), nor how the phases came about (sim/run.py).
"""

from collections.abc import Iterable, Sequence

from trilemma.check.history import Operation
from trilemma.check.liveness import check_recovery, check_waits
from trilemma.check.receipt import Terms
from trilemma.check.recorder import Recorder
from trilemma.check.revival import check_revivals
from trilemma.check.stale import STALE
from trilemma.sim.cluster import Cluster
from trilemma.sim.judge import judge_availability, judge_workload
from trilemma.sim.judged import Judged
from trilemma.sim.nemesis import Nemesis
from trilemma.sim.options import Options
from trilemma.sim.outcome import Outcome
from trilemma.sim.passing import PassingKeyspaces
from trilemma.workload.bank import Bank

SERVED_US = 2_600_000
"""After the heal every keyspace serves again within this: 2 s, and the slowest drawn clocks and disks on top."""

WAIT_US_MAX = 2_400_000
"""No request waits longer than TIMEOUT, plus the slowest drawn clock's lag, delays and the length of a turn."""

TURNS_PER_S_MAX = 1_500
"""No schedule has so many inputs that a node could need more turns a virtual second."""


BOTH = ("command", "session")
"""Kinds that count as reads and as writes."""


class Seen:
    """What clients saw in the phases of one schedule. `bank`: the one that was opened, None without one."""

    def __init__(self, workloads: Sequence[str], passing: PassingKeyspaces, bank: Bank | None) -> None:
        self.runs = {name: Recorder() for name in workloads}
        """By workload, what was recorded while there were faults."""
        self.finals = {name: Recorder() for name in workloads}
        """By workload, the reads at the end."""
        self.revivals = Recorder()
        """What was counted at rest on keys that were gone."""
        self.probes: list[Operation] = []
        """The writes that asked nodes whether they serve again."""
        self.healed_us = 0
        """Since when nothing was wrong with the cluster any more."""
        self._passing = passing
        self._bank = bank

    def judge(self, outcome: Outcome, cluster: Cluster, nemesis: Nemesis) -> None:
        """Put into the outcome every verdict but that on agreement, and how much there was to judge; into the cluster,
        what it did wrong."""
        _check_turns(cluster)
        options = cluster.options
        self._judge_workloads(outcome, cluster, cluster.digests())
        everything = self._operations(options.workloads)
        _count(outcome, everything)
        self._judge_waits(outcome, cluster, nemesis, everything)
        outcome.verdicts.append(self._passing.judge())
        if options.mode == "ap" and "WRITE" not in options.settings:
            everywhere = self._operations(name for name in options.workloads if _is_answered_in_time(name, options))
            # A node that holds no replica, and reaches none, refuses.
            holders = cluster.holders()
            always = [each for each in everywhere if each.node in holders]
            outcome.verdicts.append(judge_availability(always, nemesis.all_outages() + nemesis.refusals))

    def _operations(self, workloads: Iterable[str]) -> list[Operation]:
        return [each for name in workloads for each in self.runs[name].history().operations]

    def _judge_workloads(self, outcome: Outcome, cluster: Cluster, digests: dict[str, dict[str, str]]) -> None:
        options = cluster.options
        apart_us = (options.nodes - 1) * options.apart_us
        nodes, holders = frozenset(member.name for member in cluster.members), cluster.holders()
        for name in options.workloads:
            operations = self.runs[name].history().operations
            finals = self.finals[name].history().operations
            part = Judged(
                name, operations, finals, apart_us, options.has_quorums, nodes, holders, cluster.leap_us,
                Terms(options.replicas or options.nodes, options.written, holders), options.mode == "ap", digests,
            )  # fmt: skip
            outcome.verdicts.extend(judge_workload(part, options.mode, self._bank))
        if self.revivals.size:
            outcome.verdicts.append(check_revivals(self.revivals.history().operations))

    def _judge_waits(
        self, outcome: Outcome, cluster: Cluster, nemesis: Nemesis, everything: Sequence[Operation]
    ) -> None:
        """Judge that who had a node that ran was answered in time, and was served again once the cluster was whole."""
        down = {outage.node for outage in nemesis.all_outages()}
        live = [each for each in everything if each.node not in down]
        outcome.verdicts.append(check_waits(live, WAIT_US_MAX, cluster.scheduler.now_us))
        places = [(cluster.options.keyspace, process.name) for process in cluster.processes.values()]
        outcome.verdicts.append(check_recovery(self.probes, places, self.healed_us + SERVED_US))


def _is_answered_in_time(workload: str, options: Options) -> bool:
    """Say whether `ap` is held to answer all requests of a workload."""
    if workload == "connections" and options.slow_sync_us:
        # RESET waits until all before it has left, and what is behind for RESET: a session takes one slow sync after
        # another, and its time counts from when all of it came.
        return False
    # While a keyspace is being made, its prefix is refused (PROTOCOLS §7).
    return workload != "founding"


def _check_turns(cluster: Cluster) -> None:
    """See that no node kept itself busy with turns in which there was nothing to do."""
    seconds = cluster.scheduler.now_us / 1_000_000
    for process in cluster.processes.values():
        if process.turns > seconds * TURNS_PER_S_MAX:
            cluster.failures.append(f"{process.name} took {process.turns} turns in {seconds:.0f} s")


def _count(outcome: Outcome, everything: Sequence[Operation]) -> None:
    outcome.operations = len(everything)
    done = [each for each in everything if each.outcome == "ok" and not each.kind.startswith(STALE)]
    outcome.ok_reads = sum("read" in each.kind or each.kind in BOTH for each in done)
    outcome.ok_writes = sum("read" not in each.kind for each in done)

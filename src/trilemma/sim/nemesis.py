"""The nemesis: faults at random moments, each undone after a while, and all undone at the heal."""

from collections import Counter
from random import Random

from trilemma.check.availability import Outage
from trilemma.sim.bounds import ONE_BY_ONE
from trilemma.sim.cluster import Cluster
from trilemma.sim.faults.harm import Harm
from trilemma.sim.faults.leaders import LeaderFaults
from trilemma.sim.faults.links import LinkFaults
from trilemma.sim.faults.operators import OperatorFaults
from trilemma.sim.faults.processes import ProcessFaults
from trilemma.sim.faults.strike import Strike
from trilemma.sim.process import Process

KINDS_EARLY = 2
"""Until so many kinds have fired, new kinds come first, at most GAP_EARLY_US apart: else too little would happen."""

GAP_EARLY_US = 700_000


class Nemesis:
    """Draws kinds of faults and moments, and heals."""

    def __init__(self, cluster: Cluster, rng: Random) -> None:
        self._harm = Harm(cluster, rng)
        families = (LinkFaults, ProcessFaults, LeaderFaults, OperatorFaults)
        self._kinds: dict[str, Strike] = {}
        for family in families:
            self._kinds.update(family(self._harm).kinds())
        self._slow_all_along: list[Outage] = []
        """Times in which a request may have to wait for any number of slow syncs."""

    @property
    def fired(self) -> Counter[str]:
        """How often each kind took effect."""
        return self._harm.fired

    @property
    def refusals(self) -> list[Outage]:
        """Times in which a node's disk was full, or too slow: what is to be on it cannot be answered in time then."""
        processes = self._harm.cluster.processes.values()
        stalls = [Outage(process.name, *stall) for process in processes for stall in process.disk.stalls]
        return self._harm.refusals + self._slow_all_along + stalls

    def all_outages(self) -> list[Outage]:
        """Return all outages, those that go on included."""
        return self._harm.all_outages()

    def start(self) -> None:
        """Begin."""
        options = self._harm.cluster.options
        if options.slow_sync_us:
            self._set_disks(slow=True)
        if options.apart_us:
            self._harm.cluster.scheduler.after(options.safety_us // 2, self._set_clocks_right)
        self._later()

    def _set_disks(self, *, slow: bool) -> None:
        for process in self._harm.cluster.processes.values():
            process.disk.is_slow = slow

    def _waited_one_by_one(self) -> list[Outage]:
        options, now_us = self._harm.cluster.options, self._harm.cluster.scheduler.now_us
        if not options.slow_sync_us or ONE_BY_ONE.isdisjoint(options.tight):
            return []
        return [Outage(process.name, 0, now_us) for process in self._harm.cluster.processes.values()]

    def _set_clocks_right(self) -> None:
        self._harm.trace("clocks", "are set right")
        self._harm.set_clocks_right()

    def _later(self) -> None:
        gap_us = int(self._harm.rng.expovariate(1.0) * self._harm.cluster.options.fault_gap_us) + 10_000
        if len(self._harm.fired) < KINDS_EARLY:
            gap_us = min(gap_us, GAP_EARLY_US)
        self._harm.cluster.scheduler.after(gap_us, self._strike)

    def _strike(self) -> None:
        if self._harm.is_over:
            return
        fired, kinds = self._harm.fired, self._harm.cluster.options.faults
        kind = self._harm.rng.choice(kinds)
        if kind in fired and len(fired) < KINDS_EARLY:
            kind = self._harm.rng.choice([each for each in kinds if each not in fired])
        self._carry_out(kind)
        if self._harm.rng.random() < self._harm.cluster.options.together:
            self._carry_out(self._harm.rng.choice(kinds))
        self._later()

    def _carry_out(self, kind: str) -> None:
        lasts_us = int(self._harm.rng.expovariate(1.0) * self._harm.cluster.options.fault_us) + 5_000
        self._kinds[kind](lasts_us)

    def heal(self) -> None:
        """Undo everything: links, pauses, nodes that are down."""
        self._harm.left_out = []
        self._heal("all")

    def heal_majority(self) -> list[Process]:
        """Undo everything but at a minority, which is down or cut off; return the others (TigerBeetle's core).

        Those that are down or cut off already come first: what befell them lasts.
        """
        processes = list(self._harm.cluster.processes.values())
        self._harm.rng.shuffle(processes)
        processes.sort(key=self._serves)
        self._harm.left_out = processes[: self._harm.rng.randint(1, (len(processes) - 1) // 2)]
        self._heal("all but " + " ".join(process.name for process in self._harm.left_out))
        for process in self._harm.left_out:
            if self._harm.cluster.options.left_out == "down" and process.node is not None:
                self._harm.cluster.crash(process, "left out")
            for other in processes:
                if other not in self._harm.left_out:
                    one, two = process.member.id, other.member.id
                    self._harm.cluster.network.cut |= {(one, two): None, (two, one): None}
        return [process for process in processes if process not in self._harm.left_out]

    def _serves(self, process: Process) -> bool:
        others = [node for node in self._harm.cluster.processes if node != process.member.id]
        is_cut_off = all((process.member.id, other) in self._harm.cluster.network.cut for other in others)
        return process.node is not None and not is_cut_off

    def _heal(self, what: str) -> None:
        self._harm.is_over = True
        self._harm.trace("heal", what)
        self._harm.cluster.network.heal()
        self._set_disks(slow=False)
        self._slow_all_along = self._waited_one_by_one()
        for process in self._harm.cluster.processes.values():
            process.disk.is_healed = True
            process.disk.fails_next_sync = False
            self._harm.make_room(process)
            if process.is_paused:
                self._harm.resume(process)
            self._harm.restart(process)

"""Faults that look for leaders: in the midst of elections, one leader after the other, all others at once."""

from collections.abc import Callable

from trilemma.sim.faults.harm import Direction, Harm
from trilemma.sim.faults.strike import Strike
from trilemma.sim.process import Process

FIGURE_8_LEADERS = (2, 3, 4, 5)
"""How many leaders one after the other are cut off as soon as they lead."""

FIGURE_8_US_MAX = 5_000_000
"""After so long without as many leaders it is given up."""

SLEEP_SHARE = 0.5
"""How often a coup befalls a leader that sleeps."""

SLEEP_SLOW_US = 150_000
"""How long answers are on their way to a leader that falls asleep."""

SLEEP_US = 900_000
"""How long it sleeps: others elect another one meanwhile."""


class LeaderFaults:
    """Elections that are struck in their midst, leaders that are usurped or overthrown."""

    def __init__(self, harm: Harm) -> None:
        self._harm = harm
        self._election_us: int | None = None
        """How long the fault lasts that strikes at the next election."""
        self._figure_8_left = 0
        """How many more leaders are to be cut off."""
        self._usurped: list[Direction] = []
        """The links of the one that is cut off now."""
        harm.cluster.on_term = self._elected
        harm.cluster.on_leader = self._led

    def kinds(self) -> dict[str, Strike]:
        """Return what this family can do, by name."""
        return {
            "election": self._election,
            "figure_8": self._figure_8,
            "coup": self._coup,
        }

    def _election(self, lasts_us: int) -> None:
        """Strike in the midst of the next election: when some node has moved on to a higher term."""
        self._election_us = lasts_us

    def _elected(self, process: Process) -> None:
        if self._election_us is None or self._harm.is_over:
            return
        lasts_us, self._election_us = self._election_us, None
        others = [each for each in self._harm.cluster.processes.values() if each is not process]
        other = self._harm.rng.choice(others)
        one, two = process.member.id, other.member.id
        strikes: list[Callable[[], None]] = [
            lambda: self._harm.kill(process, "election", lasts_us),
            lambda: self._harm.kill(other, "election", lasts_us),
            lambda: self._harm.cut("election", [(one, two), (two, one)], lasts_us),
            lambda: self._harm.cut("election", self._harm.links(process), lasts_us),
        ]
        self._harm.cluster.scheduler.after(self._harm.soon_us(), self._harm.rng.choice(strikes))

    def _figure_8(self, lasts_us: int) -> None:
        """Cut off leaders one after the other, each as soon as it leads, and bring the one before back: who leads next
        has entries that others lack and lacks entries that others have (Raft paper, figure 8)."""
        if self._figure_8_left:
            return
        self._figure_8_left = self._harm.rng.choice(FIGURE_8_LEADERS)
        self._usurp(self._harm.cluster.leader() or self._harm.any(), lasts_us)
        self._harm.cluster.scheduler.after(FIGURE_8_US_MAX, self._end_figure_8)

    def _led(self, process: Process) -> None:
        """Somebody leads in a new term."""
        if self._figure_8_left:
            lasts_us = int(self._harm.rng.expovariate(1.0) * self._harm.cluster.options.fault_us)
            wait_us = self._harm.rng.choice((0, 1, 8)) * self._harm.soon_us()
            self._harm.cluster.scheduler.after(wait_us, lambda: self._usurp(process, lasts_us))

    def _usurp(self, process: Process, lasts_us: int) -> None:
        if self._harm.is_over or not self._figure_8_left:
            return
        self._end_usurped()
        self._figure_8_left -= 1
        fresh = [each for each in self._harm.links(process) if each not in self._harm.cluster.network.cut]
        self._harm.cluster.network.cut.update(dict.fromkeys(fresh))
        self._usurped = fresh
        self._harm.fired["figure_8"] += 1
        self._harm.trace("figure_8", f"{process.name}, {self._figure_8_left} more")
        if not self._figure_8_left:
            self._harm.cluster.scheduler.after(lasts_us, self._end_figure_8)

    def _end_figure_8(self) -> None:
        self._figure_8_left = 0
        self._end_usurped()

    def _end_usurped(self) -> None:
        usurped, self._usurped = self._usurped, []
        self._harm.mend(usurped)

    def _coup(self, lasts_us: int) -> None:
        """Cut the leader off, and have all others start anew: what they promised it they still know, or wait out. Or
        have the leader sleep with answers on their way to it, and wake up replaced: what they say is long ago. Where
        followers answer reads as well anyone sleeps: what it was granted is long over."""
        leader = self._harm.cluster.leader() or self._harm.any()
        if self._harm.rng.random() < SLEEP_SHARE:
            self._sleep(self._harm.anyone() if self._harm.cluster.options.anyone_sleeps else leader, lasts_us)
            return
        self._harm.cut("coup", self._harm.links(leader), lasts_us)
        for process in self._harm.cluster.processes.values():
            if process is not leader:
                self._harm.kill(process, "coup", 0)

    def _sleep(self, sleeper: Process, lasts_us: int) -> None:
        after, links = self._harm.cluster.scheduler.after, self._harm.links(sleeper)
        network = self._harm.cluster.network
        network.slow.update((pair, SLEEP_SLOW_US) for pair in links)

        def fall_asleep() -> None:
            if self._harm.is_over or sleeper.node is None or sleeper.is_paused:
                return
            self._harm.note_down(sleeper)
            self._harm.trace("coup", f"{sleeper.name} sleeps")
            sleeper.pause()
            after(SLEEP_US, lambda: self._harm.resume(sleeper))

        def cut_off() -> None:
            for pair in links:
                network.slow.pop(pair, None)
            self._harm.cut("coup", links, SLEEP_US + lasts_us)

        after(2 * SLEEP_SLOW_US, fall_asleep)
        after(3 * SLEEP_SLOW_US, cut_off)

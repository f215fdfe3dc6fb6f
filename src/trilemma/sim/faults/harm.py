"""What all kinds of faults share: whom they strike, how links go and come back, how nodes die and start again."""

from collections import Counter
from random import Random

from trilemma.check.availability import Outage
from trilemma.check.history import END_OF_TIME_US
from trilemma.sim.cluster import Cluster
from trilemma.sim.process import Process

Direction = tuple[int, int]

AGAIN_US = 480_000
"""How long a process stays down that ended by itself, not by a fault that brings it back."""

TWICE_US = 1_000_000
"""How soon after its start a node is killed a second time, at the latest (FAULTS §3: twice within 1 s of boot)."""

ROOM_KNOWN_US = 5_000
"""After so long a node that has room again takes writes again."""


class Harm:
    """Faults as they are dealt out. `fired` counts those that took effect."""

    def __init__(self, cluster: Cluster, rng: Random) -> None:
        self.cluster = cluster
        self.rng = rng
        self.fired: Counter[str] = Counter()
        self.is_over = False
        """Whether everything is healed: nothing takes effect any more."""
        self.outages: list[Outage] = []
        self.refusals: list[Outage] = []
        """Times in which a node's disk was full: it takes no writes then."""
        self.left_out: list[Process] = []
        """Who stays down or cut off while the others are healed."""
        self.full_since: dict[str, int] = {}
        self._down_since: dict[str, int] = {}
        cluster.on_crash = self.crashed

    def trace(self, what: str, why: str) -> None:
        """Add a line to the trace."""
        self.cluster.trace.add(self.cluster.scheduler.now_us, "nemesis", what, why)

    def set_clocks_right(self) -> None:
        """Take back all steps of all wall clocks."""
        for process in self.cluster.processes.values():
            process.clock.set_right()

    # Whom it strikes

    def any(self) -> Process:
        """Return some node; the leader, as often as this schedule aims at it."""
        leader = self.cluster.leader() if self.rng.random() < self.cluster.options.aim else None
        return leader or self.anyone()

    def anyone(self) -> Process:
        """Return some node, each as likely."""
        return self.rng.choice(list(self.cluster.processes.values()))

    def pair(self) -> Direction:
        """Return two nodes, in either order."""
        first, second = self.rng.sample(sorted(self.cluster.processes), 2)
        return first, second

    def links(self, process: Process) -> list[Direction]:
        """Return all links of a node, both directions."""
        one = process.member.id
        others = [node for node in self.cluster.processes if node != one]
        return [pair for other in others for pair in ((one, other), (other, one))]

    # Links

    def cut(self, kind: str, directions: list[Direction], lasts_us: int) -> None:
        """Cut what is not cut yet, for so long."""
        if self.is_over:
            return
        fresh = [each for each in directions if each not in self.cluster.network.cut]
        if not fresh:
            return
        for direction in fresh:
            self.cluster.network.cut[direction] = None
        self.fired[kind] += 1
        self.trace(kind, " ".join(f"n{a}>n{b}" for a, b in fresh) + f" for {lasts_us} us")
        self.cluster.scheduler.after(lasts_us, lambda: self.mend(fresh))

    def mend(self, directions: list[Direction]) -> None:
        """Undo a cut."""
        if self.is_over:
            return
        self.trace("mend", " ".join(f"n{a}>n{b}" for a, b in directions))
        for direction in directions:
            self.cluster.network.cut.pop(direction, None)

    # Processes

    def kill(self, process: Process, kind: str, lasts_us: int) -> None:
        """End a process, and start it again after a while."""
        if process.node is None or self.is_over:
            return
        self.fired[kind] += 1
        self.cluster.crash(process, kind)

        def start() -> None:
            self.restart(process)
            if self.rng.random() < self.cluster.options.again:
                soon_us = self.rng.randrange(TWICE_US)
                self.cluster.scheduler.after(soon_us, lambda: self.kill(process, kind, lasts_us))

        self.cluster.scheduler.after(self.cluster.options.restart_us + lasts_us, start)

    def restart(self, process: Process) -> None:
        """Start a process that is down, unless it is left out."""
        if process.node is None and process not in self.left_out:
            self.cluster.restart(process)
            self.note_up(process)

    def crashed(self, process: Process) -> None:
        """A process ended, by whatever cause: it comes back after a while."""
        self.note_down(process)
        self.cluster.scheduler.after(AGAIN_US, lambda: self.restart(process))

    def resume(self, process: Process) -> None:
        """Have a paused process go on."""
        if process.is_paused:
            self.trace("resume", process.name)
            process.resume()
            self.note_up(process)

    def make_room(self, process: Process) -> None:
        """Make room on a full disk."""
        if process.has_room:
            return
        self.trace("disk_room", process.name)
        process.set_room(True)
        until_us = self.cluster.scheduler.now_us + ROOM_KNOWN_US
        self.refusals.append(Outage(process.name, self.full_since.pop(process.name), until_us))

    def soon_us(self) -> int:
        """Return about as long as a message takes, or a sync."""
        options = self.cluster.options
        return int(self.rng.expovariate(1.0) * (options.delay_us + options.jitter_us + options.sync_us))

    # What happened to nodes, for the judges

    def note_down(self, process: Process) -> None:
        """Note that a node serves nobody from now on."""
        self._down_since.setdefault(process.name, self.cluster.scheduler.now_us)

    def note_up(self, process: Process) -> None:
        """Note that it serves again."""
        since_us = self._down_since.pop(process.name, None)
        if since_us is not None:
            self.outages.append(Outage(process.name, since_us, self.cluster.scheduler.now_us))

    def all_outages(self) -> list[Outage]:
        """Return all outages, those that go on included."""
        return self.outages + [Outage(name, since, END_OF_TIME_US) for name, since in self._down_since.items()]

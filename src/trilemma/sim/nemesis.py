"""The nemesis: faults at random moments, each undone after a while, and all undone at the heal."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random

from trilemma.base.ids import ConnId, ShardId
from trilemma.check.availability import Outage
from trilemma.check.history import END_OF_TIME_US
from trilemma.node.machine import Node
from trilemma.sim.cluster import Cluster
from trilemma.sim.process import Process
from trilemma.sim.solo import request

CLOCK_STEP_US = 3_000_000
SLOW_US = 300_000
FADE_US = 380_000
"""How slow a link becomes before it goes: so much one way that it just still counts as up."""

LOSS = 0.4
AGAIN_US = 480_000
"""How long a process stays down that ended by itself, not by a fault that brings it back."""

TWICE_US = 1_000_000
"""How soon after its start a node is killed a second time, at the latest (FAULTS §3: twice within 1 s of boot)."""

PAIR_SHARE = 0.5
"""How often a fault of links takes just one of them, not all of a node."""

HOLE_BYTES = (90, 130, 200)
"""Longest frames that get through a black hole: heartbeats do, entries do not."""

PAUSE_US_MAX = 2_500_000

ROOM_KNOWN_US = 5_000
"""After so long a node that has room again takes writes again."""

CRASH_ALL_MAX = 2
"""More often and too little is answered to be judged."""

FIGURE_8_LEADERS = (2, 3, 4, 5)
"""How many leaders one after the other are cut off as soon as they lead."""

SLEEP_SHARE = 0.5
"""How often a coup befalls a leader that sleeps."""

SLEEP_SLOW_US = 150_000
"""How long answers are on their way to a leader that falls asleep."""

SLEEP_US = 900_000
"""How long it sleeps: others elect another one meanwhile."""

FIGURE_8_US_MAX = 5_000_000
"""After so long without as many leaders it is given up."""

KINDS_EARLY = 2
"""Until so many kinds have fired, new kinds come first, at most GAP_EARLY_US apart: else too little would happen."""

GAP_EARLY_US = 700_000

ALTERED = {
    "cp": ("READ", ("linearizable", "lease", "local")),
    "ca": ("TIMEOUT", ("1900", "2000")),
    "ap": ("TIMEOUT", ("1400", "1500")),
}
"""By mode: a setting of a keyspace that may be altered at any moment, and to what."""

Direction = tuple[int, int]


class _Operator:
    """Sends one command and hears its reply, or nothing."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard

    def receive(self, conn: ConnId, data: bytes) -> None:
        """See Caller."""
        self._heard(data)

    def lost(self, conn: ConnId) -> None:
        """See Caller."""


class Nemesis:
    """Carries out faults. `fired` counts those that took effect."""

    def __init__(self, cluster: Cluster, rng: Random) -> None:
        self.fired: Counter[str] = Counter()
        self.outages: list[Outage] = []
        self.refusals: list[Outage] = []
        """Times in which a node's disk was full: it takes no writes then."""
        self.is_over = False
        self._cluster = cluster
        self._rng = rng
        self._kinds: dict[str, Callable[[int], None]] = {
            "isolate": self._isolate,
            "split": self._split,
            "cut_link": self._cut_link,
            "one_way": self._one_way,
            "swizzle": self._swizzle,
            "slow": self._slow,
            "fade": self._fade,
            "loss": self._loss,
            "black_hole": self._black_hole,
            "pause": self._pause,
            "crash": self._crash,
            "crash_all": self._crash_all,
            "election": self._election,
            "figure_8": self._figure_8,
            "coup": self._coup,
            "unsynced": self._unsynced,
            "clock_step": self._clock_step,
            "fsync_error": self._fsync_error,
            "hand_over": self._hand_over,
            "alter": self._alter,
            "disk_full": self._disk_full,
        }
        self._down_since: dict[str, int] = {}
        self._full_since: dict[str, int] = {}
        self._election_us: int | None = None
        """How long the fault lasts that strikes at the next election."""
        self._figure_8_left = 0
        """How many more leaders are to be cut off."""
        self._usurped: list[Direction] = []
        """The links of the one that is cut off now."""
        self._left_out: list[Process] = []
        cluster.on_crash = self.crashed
        cluster.on_term = self._elected
        cluster.on_leader = self._led

    def start(self) -> None:
        """Begin."""
        self._later()

    def _later(self) -> None:
        gap_us = int(self._rng.expovariate(1.0) * self._cluster.options.fault_gap_us) + 10_000
        if len(self.fired) < KINDS_EARLY:
            gap_us = min(gap_us, GAP_EARLY_US)
        self._cluster.scheduler.after(gap_us, self._strike)

    def _strike(self) -> None:
        if self.is_over:
            return
        kind = self._rng.choice(self._cluster.options.faults)
        if kind in self.fired and len(self.fired) < KINDS_EARLY:
            kind = self._rng.choice([each for each in self._cluster.options.faults if each not in self.fired])
        self._carry_out(kind)
        if self._rng.random() < self._cluster.options.together:
            self._carry_out(self._rng.choice(self._cluster.options.faults))
        self._later()

    def _carry_out(self, kind: str) -> None:
        lasts_us = int(self._rng.expovariate(1.0) * self._cluster.options.fault_us) + 5_000
        self._kinds[kind](lasts_us)

    def heal(self) -> None:
        """Undo everything: links, pauses, nodes that are down."""
        self._left_out = []
        self._heal("all")

    def heal_majority(self) -> list[Process]:
        """Undo everything but at a minority, which is down or cut off; return the others (TigerBeetle's core).

        Those that are down or cut off already come first: what befell them lasts.
        """
        processes = list(self._cluster.processes.values())
        self._rng.shuffle(processes)
        processes.sort(key=self._serves)
        self._left_out = processes[: self._rng.randint(1, (len(processes) - 1) // 2)]
        self._heal("all but " + " ".join(process.name for process in self._left_out))
        for process in self._left_out:
            if self._cluster.options.left_out == "down" and process.node is not None:
                self._cluster.crash(process, "left out")
            for other in processes:
                if other not in self._left_out:
                    one, two = process.member.id, other.member.id
                    self._cluster.network.cut |= {(one, two): None, (two, one): None}
        return [process for process in processes if process not in self._left_out]

    def _serves(self, process: Process) -> bool:
        others = [node for node in self._cluster.processes if node != process.member.id]
        is_cut_off = all((process.member.id, other) in self._cluster.network.cut for other in others)
        return process.node is not None and not is_cut_off

    def _heal(self, what: str) -> None:
        self.is_over = True
        self._trace("heal", what)
        self._cluster.network.heal()
        for process in self._cluster.processes.values():
            process.disk.is_healed = True
            process.disk.fails_next_sync = False
            self._make_room(process)
            if process.is_paused:
                self._resume(process)
            self._restart(process)

    # What happened to nodes, for the judges

    def note_down(self, process: Process) -> None:
        """Note that a node serves nobody from now on."""
        self._down_since.setdefault(process.name, self._cluster.scheduler.now_us)

    def note_up(self, process: Process) -> None:
        """Note that it serves again."""
        since_us = self._down_since.pop(process.name, None)
        if since_us is not None:
            self.outages.append(Outage(process.name, since_us, self._cluster.scheduler.now_us))

    def all_outages(self) -> list[Outage]:
        """Return all outages, those that go on included."""
        return self.outages + [Outage(name, since, END_OF_TIME_US) for name, since in self._down_since.items()]

    def _trace(self, what: str, why: str) -> None:
        self._cluster.trace.add(self._cluster.scheduler.now_us, "nemesis", what, why)

    def _any(self) -> Process:
        """Return some node; the leader, as often as this schedule aims at it."""
        leader = self._cluster.leader() if self._rng.random() < self._cluster.options.aim else None
        return leader or self._rng.choice(list(self._cluster.processes.values()))

    def _pair(self) -> Direction:
        first, second = self._rng.sample(sorted(self._cluster.processes), 2)
        return first, second

    # Links

    def _cut(self, kind: str, directions: list[Direction], lasts_us: int) -> None:
        if self.is_over:
            return
        fresh = [each for each in directions if each not in self._cluster.network.cut]
        if not fresh:
            return
        for direction in fresh:
            self._cluster.network.cut[direction] = None
        self.fired[kind] += 1
        self._trace(kind, " ".join(f"n{a}>n{b}" for a, b in fresh) + f" for {lasts_us} us")
        self._cluster.scheduler.after(lasts_us, lambda: self._mend(fresh))

    def _mend(self, directions: list[Direction]) -> None:
        if self.is_over:
            return
        self._trace("mend", " ".join(f"n{a}>n{b}" for a, b in directions))
        for direction in directions:
            self._cluster.network.cut.pop(direction, None)

    def _isolate(self, lasts_us: int) -> None:
        self._cut("isolate", self._links(self._any()), lasts_us)

    def _links(self, process: Process) -> list[Direction]:
        """Return all links of a node, both directions."""
        one = process.member.id
        others = [node for node in self._cluster.processes if node != one]
        return [pair for other in others for pair in ((one, other), (other, one))]

    def _split(self, lasts_us: int) -> None:
        """Cut the cluster in two, a majority and a minority (Jepsen's partition-random-halves)."""
        nodes = sorted(self._cluster.processes)
        few = self._rng.sample(nodes, (len(nodes) - 1) // 2)
        pairs = [(a, b) for a in nodes for b in nodes if (a in few) != (b in few)]
        self._cut("split", pairs, lasts_us)

    def _cut_link(self, lasts_us: int) -> None:
        first, second = self._pair()
        self._cut("cut_link", [(first, second), (second, first)], lasts_us)

    def _one_way(self, lasts_us: int) -> None:
        """One link in one direction; or a node that nobody hears any more, or that hears nobody."""
        if self._rng.random() < PAIR_SHARE:
            self._cut("one_way", [self._pair()], lasts_us)
            return
        one = self._any().member.id
        others = [node for node in self._cluster.processes if node != one]
        is_mute = self._rng.random() < 0.5
        self._cut("one_way", [(one, other) if is_mute else (other, one) for other in others], lasts_us)

    def _swizzle(self, lasts_us: int) -> None:
        """Isolate some nodes one after the other, then mend them in another order (FoundationDB)."""
        nodes = sorted(self._cluster.processes)
        chosen = self._rng.sample(nodes, self._rng.randint(2, len(nodes)))
        for number, one in enumerate(chosen):
            pairs = [pair for other in nodes if other != one for pair in ((one, other), (other, one))]
            delay_us = number * lasts_us // 8
            ends_us = lasts_us + self._rng.randrange(lasts_us)
            self._cluster.scheduler.after(delay_us, partial(self._cut, "swizzle", pairs, ends_us))

    def _slow(self, lasts_us: int) -> None:
        """One link, or all of a node."""
        one, other = self._pair()
        others = [other]
        if self._rng.random() >= PAIR_SHARE:
            one = self._any().member.id
            others = [node for node in self._cluster.processes if node != one]
        network = self._cluster.network
        by_us = self._rng.randrange(SLOW_US)
        pairs = [pair for other in others for pair in ((one, other), (other, one))]
        network.slow.update((pair, by_us) for pair in pairs)
        self.fired["slow"] += 1
        self._trace("slow", " ".join(f"n{a}>n{b}" for a, b in pairs) + f" by {by_us} us for {lasts_us} us")

        def end() -> None:
            for pair in pairs:
                network.slow.pop(pair, None)

        self._cluster.scheduler.after(lasts_us, end)

    def _fade(self, lasts_us: int) -> None:
        """Slow down what a node sends, or is sent, or both; then cut it off: what came last was old when it came."""
        links = self._links(self._any())
        one = links[0][0]
        network, by_us = self._cluster.network, self._rng.randrange(FADE_US)
        way = self._rng.randrange(3)
        slowed = [link for link in links if way == 2 or (link[0] == one) is (way == 0)]
        network.slow.update((link, by_us) for link in slowed)
        self._trace("fade", " ".join(f"n{a}>n{b}" for a, b in slowed) + f" by {by_us} us")

        def cut_off() -> None:
            for link in slowed:
                network.slow.pop(link, None)
            self._cut("fade", links, lasts_us)

        self._cluster.scheduler.after(2 * by_us, cut_off)

    def _loss(self, lasts_us: int) -> None:
        direction = self._pair()
        network = self._cluster.network
        network.lossy[direction] = LOSS
        self.fired["loss"] += 1
        self._trace("loss", f"n{direction[0]}>n{direction[1]} for {lasts_us} us")
        self._cluster.scheduler.after(lasts_us, lambda: network.lossy.pop(direction, None))

    def _black_hole(self, lasts_us: int) -> None:
        """One link in one direction, or all that leaves a node."""
        directions = [self._pair()]
        if self._rng.random() >= PAIR_SHARE:
            one = self._any().member.id
            directions = [(one, node) for node in self._cluster.processes if node != one]
        network = self._cluster.network
        network.holes.update(dict.fromkeys(directions, self._rng.choice(HOLE_BYTES)))
        self.fired["black_hole"] += 1
        self._trace("black_hole", " ".join(f"n{a}>n{b}" for a, b in directions) + f" for {lasts_us} us")

        def end() -> None:
            for direction in directions:
                network.holes.pop(direction, None)

        self._cluster.scheduler.after(lasts_us, end)

    # Processes

    def _pause(self, lasts_us: int) -> None:
        process = self._any()
        if process.node is None or process.is_paused:
            return
        self.fired["pause"] += 1
        self._trace("pause", process.name)
        self.note_down(process)
        process.pause()
        self._cluster.scheduler.after(min(lasts_us, PAUSE_US_MAX), lambda: self._resume(process))

    def _resume(self, process: Process) -> None:
        if process.is_paused:
            self._trace("resume", process.name)
            process.resume()
            self.note_up(process)

    def _crash(self, lasts_us: int) -> None:
        self._kill(self._any(), "crash", lasts_us)

    def _kill(self, process: Process, kind: str, lasts_us: int) -> None:
        if process.node is None or self.is_over:
            return
        self.fired[kind] += 1
        self._cluster.crash(process, kind)

        def start() -> None:
            self._restart(process)
            if self._rng.random() < self._cluster.options.again:
                soon_us = self._rng.randrange(TWICE_US)
                self._cluster.scheduler.after(soon_us, lambda: self._kill(process, kind, lasts_us))

        self._cluster.scheduler.after(self._cluster.options.restart_us + lasts_us, start)

    def _election(self, lasts_us: int) -> None:
        """Strike in the midst of the next election: when some node has moved on to a higher term."""
        self._election_us = lasts_us

    def _elected(self, process: Process) -> None:
        if self._election_us is None or self.is_over:
            return
        lasts_us, self._election_us = self._election_us, None
        others = [each for each in self._cluster.processes.values() if each is not process]
        other = self._rng.choice(others)
        one, two = process.member.id, other.member.id
        strikes: list[Callable[[], None]] = [
            lambda: self._kill(process, "election", lasts_us),
            lambda: self._kill(other, "election", lasts_us),
            lambda: self._cut("election", [(one, two), (two, one)], lasts_us),
            lambda: self._cut("election", self._links(process), lasts_us),
        ]
        self._cluster.scheduler.after(self._soon_us(), self._rng.choice(strikes))

    def _soon_us(self) -> int:
        """Return about as long as a message takes, or a sync."""
        options = self._cluster.options
        return int(self._rng.expovariate(1.0) * (options.delay_us + options.jitter_us + options.sync_us))

    def _figure_8(self, lasts_us: int) -> None:
        """Cut off leaders one after the other, each as soon as it leads, and bring the one before back: who leads next
        has entries that others lack and lacks entries that others have (Raft paper, figure 8)."""
        if self._figure_8_left:
            return
        self._figure_8_left = self._rng.choice(FIGURE_8_LEADERS)
        self._usurp(self._cluster.leader() or self._any(), lasts_us)
        self._cluster.scheduler.after(FIGURE_8_US_MAX, self._end_figure_8)

    def _led(self, process: Process) -> None:
        """Somebody leads in a new term."""
        if self._figure_8_left:
            lasts_us = int(self._rng.expovariate(1.0) * self._cluster.options.fault_us)
            wait_us = self._rng.choice((0, 1, 8)) * self._soon_us()
            self._cluster.scheduler.after(wait_us, lambda: self._usurp(process, lasts_us))

    def _usurp(self, process: Process, lasts_us: int) -> None:
        if self.is_over or not self._figure_8_left:
            return
        self._end_usurped()
        self._figure_8_left -= 1
        fresh = [each for each in self._links(process) if each not in self._cluster.network.cut]
        self._cluster.network.cut.update(dict.fromkeys(fresh))
        self._usurped = fresh
        self.fired["figure_8"] += 1
        self._trace("figure_8", f"{process.name}, {self._figure_8_left} more")
        if not self._figure_8_left:
            self._cluster.scheduler.after(lasts_us, self._end_figure_8)

    def _end_figure_8(self) -> None:
        self._figure_8_left = 0
        self._end_usurped()

    def _end_usurped(self) -> None:
        usurped, self._usurped = self._usurped, []
        self._mend(usurped)

    def _coup(self, lasts_us: int) -> None:
        """Cut the leader off, and have all others start anew: what they promised it they still know, or wait out. Or
        have the leader sleep with answers on their way to it, and wake up replaced: what they say is long ago."""
        leader = self._cluster.leader() or self._any()
        if self._rng.random() < SLEEP_SHARE:
            self._sleep(leader, lasts_us)
            return
        self._cut("coup", self._links(leader), lasts_us)
        for process in self._cluster.processes.values():
            if process is not leader:
                self._kill(process, "coup", 0)

    def _sleep(self, leader: Process, lasts_us: int) -> None:
        after, network, links = self._cluster.scheduler.after, self._cluster.network, self._links(leader)
        network.slow.update((pair, SLEEP_SLOW_US) for pair in links)

        def fall_asleep() -> None:
            if self.is_over or leader.node is None or leader.is_paused:
                return
            self.note_down(leader)
            self._trace("coup", f"{leader.name} sleeps")
            leader.pause()
            after(SLEEP_US, lambda: self._resume(leader))

        def cut_off() -> None:
            for pair in links:
                network.slow.pop(pair, None)
            self._cut("coup", links, SLEEP_US + lasts_us)

        after(2 * SLEEP_SLOW_US, fall_asleep)
        after(3 * SLEEP_SLOW_US, cut_off)

    def _unsynced(self, lasts_us: int) -> None:
        """End a node while the next sync of its log is under way."""
        process = self._any()

        def begun(sync_us: int) -> None:
            process.disk.on_sync = lambda _: None
            if not self.is_over:
                at_us = self._rng.randrange(sync_us)
                self._cluster.scheduler.after(at_us, lambda: self._kill(process, "unsynced", lasts_us))

        process.disk.on_sync = begun

    def _set_clocks_right(self) -> None:
        """Set all wall clocks as a boot does: with no replica left that runs, only they can tell how long it was."""
        for process in self._cluster.processes.values():
            process.clock.step(-process.clock.stepped_us)

    def _crash_all(self, lasts_us: int) -> None:
        if self.fired["crash_all"] >= CRASH_ALL_MAX * len(self._cluster.processes):
            return
        for process in self._cluster.processes.values():
            self._kill(process, "crash_all", lasts_us // 2)
        self._set_clocks_right()

    def _restart(self, process: Process) -> None:
        if process.node is None and process not in self._left_out:
            self._cluster.restart(process)
            self.note_up(process)

    def crashed(self, process: Process) -> None:
        """A process ended, by whatever cause: it comes back after a while."""
        self.note_down(process)
        self._cluster.scheduler.after(AGAIN_US, lambda: self._restart(process))

    def _fsync_error(self, _lasts_us: int) -> None:
        process = self._any()
        if process.node is not None and not process.disk.fails_next_sync:
            self.fired["fsync_error"] += 1
            self._trace("fsync_error", process.name)
            process.disk.fails_next_sync = True

    def _disk_full(self, lasts_us: int) -> None:
        process = self._any()
        if process.node is None or not process.has_room:
            return
        self.fired["disk_full"] += 1
        self._trace("disk_full", f"{process.name} for {lasts_us} us")
        self._full_since[process.name] = self._cluster.scheduler.now_us
        process.set_room(False)
        self._cluster.scheduler.after(lasts_us, lambda: self._make_room(process))

    def _make_room(self, process: Process) -> None:
        if process.has_room:
            return
        self._trace("disk_room", process.name)
        process.set_room(True)
        until_us = self._cluster.scheduler.now_us + ROOM_KNOWN_US
        self.refusals.append(Outage(process.name, self._full_since.pop(process.name), until_us))

    def _hand_over(self, _lasts_us: int) -> None:
        """Have the leader of some shard begin to hand over, as an operator may at any moment."""
        process, shard = self._any(), self._rng.choice((0, 1024, 2048))
        heir = self._any().member.id

        def ask(node: Node) -> None:
            replica = node.replicas.get(ShardId(shard))
            if replica is not None and replica.hand_to(heir):
                self.fired["hand_over"] += 1
                self._trace("hand_over", f"shard {shard}: {process.name} to n{heir}")

        process.give(ask)

    def _alter(self, _lasts_us: int) -> None:
        """Alter the keyspace that is driven, as an operator may at any moment, to what promises as much."""
        options = self._cluster.options
        word, values = ALTERED[options.mode]
        process, value = self._any(), self._rng.choice(values)

        def altered(reply: bytes) -> None:
            self._trace("altered", f"{word} {value}: {reply.decode().strip()}")
            if reply.startswith(b"+OK"):
                self.fired["alter"] += 1

        caller = _Operator(altered)
        conn = self._cluster.connect(process.member.id, caller)
        if conn is not None:
            self._trace("alter", f"{word} {value} at {process.name}")
            self._cluster.send(conn, request("KEYSPACE", "ALTER", options.keyspace, word, value))

    def _clock_step(self, _lasts_us: int) -> None:
        process = self._any()
        by_us = self._rng.randint(-CLOCK_STEP_US, CLOCK_STEP_US)
        if self._cluster.options.mode == "ap":
            # Deadlines on `ap` are judged by what most wall clocks say: most of them are right.
            minority = (len(self._cluster.processes) - 1) // 2
            process = list(self._cluster.processes.values())[self._rng.randrange(minority)]
        if process.node is None:
            return
        self.fired["clock_step"] += 1
        self._trace("clock_step", f"{process.name} by {by_us} us")
        process.clock.step(by_us)

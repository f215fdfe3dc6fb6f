"""The options of one schedule, drawn from its seed: each run switches on a random subset of faults (FAULTS §1.2)."""

from dataclasses import dataclass, fields, replace
from random import Random

from trilemma.replication.raft.bounds import APPEND_BYTES_MAX, APPLY_BYTES_MAX
from trilemma.sim.bounds import TIGHT, TIGHT_ALONE

FAULTS = (
    "isolate",
    "split",
    "cut_link",
    "one_way",
    "swizzle",
    "slow",
    "fade",
    "loss",
    "black_hole",
    "pause",
    "crash",
    "crash_all",
    "election",
    "figure_8",
    "coup",
    "unsynced",
    "clock_step",
    "fsync_error",
    "hand_over",
    "alter",
    "disk_full",
)
"""Every kind of fault there is; `nemesis` carries them out."""

MODES = ("cp", "ca", "ap")

APART_US = 600_000
"""What wall clocks that are apart differ by: more than is accepted, so that no two agree."""

PASSING_SHARE = 0.25
"""How many schedules have keyspaces that come and go."""

FEW_SHARE = 0.125
"""How many schedules drive a keyspace with fewer replicas than there are nodes."""

FEW = {3: (2, 2, 2, 1), 5: (3, 2, 3, 2, 1)}
"""By the number of nodes: how many replicas such a keyspace has, each as likely."""

SLOW_SYNC_US = 250_000
"""A slow disk's sync: with several of them an election takes longer than the shortest time-outs."""

WORKLOADS = {
    "cp": ("registers", "counters", "strings", "appends", "groups", "expiry", "bank", "founding", "databases", "once"),
    "ca": ("registers", "counters", "strings", "appends", "groups", "expiry", "bank", "founding", "databases", "once"),
    "ap": ("registers", "counters", "groups", "expiry", "mixed", "founding", "databases"),
}

MORE_SHARE = 0.1
"""How many schedules have a further workload beside those that are drawn with everything else."""

MORE_WORKLOADS = {
    "cp": ("connections", "receipts", "looks"),
    "ca": ("connections", "receipts", "looks"),
    "ap": ("connections", "receipts"),
}
"""By mode: the further ones. A generator of their own draws them, so that other schedules stay what they were."""

OWNED_SHARE = 0.2
"""How many schedules of `ap` have a workload of all commands on strings and keys."""

OWNED_WORKLOADS = {"cp": (), "ca": (), "ap": ("owned", "shared")}
"""By mode: those; on `cp` and `ca` `strings` has them. Drawn by a generator of their own as well."""

FIVE_SHARE = 0.05
"""How many schedules have five nodes; such a one takes twice as long as one of three."""

PACE = 300
"""Operations of a schedule: a few more than it must have to count, for operations are most of what it costs."""

SPELLS_SHARE, SPELL_US = 0.4, 700_000
"""How many schedules have them in spells, and how long one is."""

LEASED_PACE = 400
"""Operations of a schedule whose keyspace is read under leases, always in spells: what outlives a leader shows only to
who reads in the moment after a write elsewhere."""

UNPACED_SHARE = 0.05
"""How many schedules have as many operations as come of themselves: 850 on average, at most some thousands."""

HEARTBEATS_US = (80_000, 100_000)
"""How far apart heartbeats are configured to be: the default, and the most that the other defaults allow."""

TIGHT_ALONE_SHARE = 0.1
"""How many schedules of `ap` have a given one of the bounds that are drawn for themselves made tight."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a schedule is made of. Times in microseconds, probabilities from 0 to 1."""

    seed: int
    mode: str
    nodes: int
    keyspace: str
    settings: tuple[str, ...]
    workloads: tuple[str, ...]
    clients: int
    think_us: int
    pipeline_share: float
    readonly_share: float
    """How many clients of registers on `cp` read replicas that may be stale."""
    reader_share: float
    """How many other clients only read: they go on where a write would wait."""
    reconnect_us: int
    faults: tuple[str, ...]
    aim: float
    """How often a fault of one node strikes the leader."""
    fault_gap_us: int
    fault_us: int
    restart_us: int
    again: float
    """How often a node that a fault has killed is killed once more soon after its start."""
    turn_us: int
    """How long after an input its turn comes: what arrives meanwhile shares it."""
    delay_us: int
    jitter_us: int
    loss: float
    duplicate: float
    sync_us: int
    flush_share: float
    keep_share: float
    drift: float
    segment_bytes: int
    retained_bytes: int
    append_bytes: int
    apply_bytes: int
    left_out: str
    """What keeps a minority out when the first nodes are healed: "down", "cut", or "" where all heal at once."""
    rests_first: bool
    """Whether all replicas must agree after the heal before anybody writes again, with what they hold by then."""
    safety_us: int
    together: float
    """How often two faults strike at the same moment."""
    tight: tuple[str, ...]
    """Bounds that are made tight; see `bounds`."""
    slow_sync_us: int
    """How long a sync takes on average while there are faults, where the disks are slow then; 0 where they are not."""
    apart_us: int
    """How far each wall clock is ahead of the one before it, until they are put right half-way through the faults."""
    packet_gap_us: int
    """How far apart the commands of a pipeline leave, which then has many of them; 0: few, all at once."""

    founded_together: int
    """How many keyspaces the workload of foundings creates at the same moment, each at a node of its own."""

    passes: bool
    """Whether keyspaces are made, written to and dropped beside the others, unless whole databases are flushed."""

    replicas: int
    """How many nodes hold a replica of the keyspace that is driven, 0: all of them. The others' clients are served
    by replicas elsewhere."""

    heartbeat_us: int
    """Between two heartbeats on a link."""

    pace: int
    """How many operations the clients together are to send in the safety phase; 0: as many as come of `think_us`."""

    spell_us: int
    """How long they send before they rest, 0: they send all the time."""

    is_watched: bool
    """Whether at each node one further client reads all the time, and keeps no pace."""

    anyone_sleeps: bool
    """Whether a coup sends any node to sleep, not just leaders: where followers answer reads, under leases."""

    @property
    def has_quorums(self) -> bool:
        """Whether, on `ap`, a read asks some replica of each acknowledged write."""
        numbers = dict(zip(self.settings[::2], self.settings[1::2], strict=True))
        asked = int(numbers.get("READ", 1)) + int(numbers.get("WRITE", 1)) if self.mode == "ap" else 0
        return asked > (self.replicas or self.nodes)

    @property
    def written(self) -> int:
        """On how many replicas what is acknowledged has to be."""
        replicas = self.replicas or self.nodes
        usual = {"cp": "majority", "ca": "all", "ap": "1"}[self.mode]
        word = dict(zip(self.settings[::2], self.settings[1::2], strict=True)).get("WRITE", usual)
        return {"majority": replicas // 2 + 1, "all": replicas}.get(word) or int(word)

    @property
    def placement(self) -> tuple[bytes, ...]:
        """The setting by which a further keyspace has as many replicas as the one that is driven."""
        return (b"REPLICAS", b"%d" % self.replicas) if self.replicas else ()

    def describe(self) -> str:
        """Return all options, one per line."""
        return "\n".join(f"{field.name} = {getattr(self, field.name)!r}" for field in fields(self))


def draw(seed: int, mode: str = "all", nodes: int = 0) -> Options:
    """Return the options of a seed, for one mode or (`all`) a drawn one; 0 nodes: 3, sometimes 5."""
    rng = Random(seed)
    drawn_mode = rng.choice(MODES)
    chosen_mode = drawn_mode if mode == "all" else mode
    kinds = list(FAULTS)
    rng.shuffle(kinds)
    workloads = list(WORKLOADS[chosen_mode])
    rng.shuffle(workloads)
    keyspace, settings = _keyspace(rng, chosen_mode)
    is_leased = reads_under_leases(settings)
    pace, spell_us = drawn_pace(seed, chosen_mode, is_leased=is_leased)
    drawn = Options(
        seed=seed,
        mode=chosen_mode,
        nodes=nodes or (5 if rng.random() < FIVE_SHARE else 3),
        keyspace=keyspace,
        settings=settings,
        workloads=tuple(workloads[: rng.randint(1, 3)]),
        clients=rng.randint(6, 9),
        think_us=rng.choice((60_000, 120_000, 180_000)),
        pipeline_share=rng.choice((0.0, 0.1, 0.4)),
        readonly_share=rng.choice((0.0, 0.2)),
        reader_share=rng.choice((0.0, 0.2, 0.5)),
        reconnect_us=rng.choice((15_000, 150_000)),
        faults=tuple(sorted(kinds[: rng.randint(2, 6)])),
        aim=rng.choice((0.0, 0.5, 0.9)),
        fault_gap_us=rng.choice((400_000, 800_000, 1_500_000)),
        fault_us=rng.choice((100_000, 700_000, 2_000_000)),
        restart_us=rng.choice((5_000, 120_000)),
        again=rng.choice((0.0, 0.0, 0.4)),
        turn_us=rng.choice((1_000, 5_000, 10_000)),
        delay_us=rng.choice((50, 500, 5_000)),
        jitter_us=rng.choice((0, 300, 3_000, 15_000)),
        loss=rng.choice((0.0, 0.0, 0.005, 0.05)),
        duplicate=rng.choice((0.0, 0.01, 0.1)),
        sync_us=rng.choice((200, 2_000, 12_000)),
        flush_share=rng.choice((0.0, 0.05, 0.3)),
        keep_share=rng.choice((0.0, 0.5, 1.0)),
        drift=rng.choice((0.0, 0.01, 0.045)),
        segment_bytes=rng.choice((4_000, 60_000, 64 << 20)),
        retained_bytes=rng.choice((500, 5_000, 1 << 30)),
        append_bytes=rng.choice((200, 5_000, APPEND_BYTES_MAX)),
        apply_bytes=rng.choice((600, 6_000, APPLY_BYTES_MAX)),
        left_out=_left_out(rng, chosen_mode, settings),
        rests_first=rng.choice((False, True)),
        safety_us=7_800_000,
        together=rng.choice((0.0, 0.0, 0.5)),
        tight=tuple(sorted(rng.sample(sorted(TIGHT), rng.choice((0, 0, 2, 5))))),
        apart_us=rng.choice((0, 0, 0, 0, 0, 0, 0, APART_US)) if chosen_mode == "ap" else 0,
        founded_together=rng.choice((1, 2, 4)),
        passes=rng.random() < PASSING_SHARE,
        packet_gap_us=rng.choice((0, 0, 300, 1_500)),
        slow_sync_us=rng.choice((0, 0, 0, 0, 0, 0, 0, SLOW_SYNC_US)),
        replicas=0,
        heartbeat_us=drawn_heartbeat_us(seed, chosen_mode),
        pace=pace,
        spell_us=spell_us,
        is_watched=is_leased,
        anyone_sleeps="local" in settings,
    )
    if drawn.slow_sync_us:
        # On ap each of them would wait for a sync: a pipeline of many could not be answered in time.
        drawn = replace(drawn, tight=tuple(name for name in drawn.tight if name != "replies ahead"))
    further = (*owned_workloads(seed, chosen_mode), *more_workloads(seed, chosen_mode))
    tight = tuple(sorted((*drawn.tight, *bounds_alone(seed, chosen_mode))))
    drawn = replace(drawn, workloads=(*drawn.workloads, *further), tight=tight)
    if drawn.nodes in FEW and rng.random() < FEW_SHARE:
        return with_replicas(drawn, rng.choice(FEW[drawn.nodes]))
    return drawn


def reads_under_leases(settings: tuple[str, ...]) -> bool:
    """Say whether the settings of a keyspace let `cp` read under leases."""
    return "lease" in settings or "local" in settings


def drawn_pace(seed: int, mode: str, *, is_leased: bool) -> tuple[int, int]:
    """Return the pace of a seed and how long its spells are, by a generator of its own as well."""
    rng = Random(f"{seed} {mode} pace")
    if rng.random() < UNPACED_SHARE:
        return 0, 0
    if is_leased:
        return LEASED_PACE, SPELL_US
    return PACE, SPELL_US if rng.random() < SPELLS_SHARE else 0


def drawn_heartbeat_us(seed: int, mode: str) -> int:
    """Return how often there are heartbeats under a seed, by one of its own too."""
    return Random(f"{seed} {mode} heartbeat").choice(HEARTBEATS_US)


def more_workloads(seed: int, mode: str) -> tuple[str, ...]:
    """Return the further workload of a seed, or none."""
    rng = Random(f"{seed} {mode} more")
    return (rng.choice(MORE_WORKLOADS[mode]),) if rng.random() < MORE_SHARE else ()


def owned_workloads(seed: int, mode: str) -> tuple[str, ...]:
    """Return the workload of all commands on strings and keys that a seed of `ap` has, or none."""
    rng, names = Random(f"{seed} {mode} all commands"), OWNED_WORKLOADS[mode]
    return (rng.choice(names),) if names and rng.random() < OWNED_SHARE else ()


def bounds_alone(seed: int, mode: str) -> tuple[str, ...]:
    """Return which of the bounds that are drawn for themselves a seed makes tight."""
    rng = Random(f"{seed} {mode} bounds")
    drawn = tuple(name for name in sorted(TIGHT_ALONE) if rng.random() < TIGHT_ALONE_SHARE)
    return drawn if mode == "ap" else ()


def with_replicas(options: Options, replicas: int) -> Options:
    """Return the options of a schedule whose keyspace has so many replicas, fewer than nodes, and what else was drawn.

    Nobody is left out of it at first: a majority of the nodes need not hold a majority of the replicas.
    """
    settings = dict(zip(options.settings[::2], options.settings[1::2], strict=True))
    if options.mode == "ap":
        settings.setdefault("TIMEOUT", "1500")
    for word in ("WRITE", "READ"):
        if settings.get(word, "").isdecimal():
            settings[word] = str(min(int(settings[word]), replicas))
    settings["REPLICAS"] = str(replicas)
    words = tuple(word for pair in settings.items() for word in pair)
    return replace(options, keyspace="few", settings=words, left_out="", replicas=replicas)


def _left_out(rng: Random, mode: str, settings: tuple[str, ...]) -> str:
    """Return what keeps a minority out at first; only where the others must serve without it."""
    drawn = rng.choice(("", "", "down", "cut"))
    return drawn if mode == "ap" or (mode == "cp" and "WRITE" not in settings) else ""


def _keyspace(rng: Random, mode: str) -> tuple[str, tuple[str, ...]]:
    """Return the keyspace that is driven: `default`, or one that is created with settings of its own."""
    if mode == "cp":
        kind = rng.random()
        if kind < 0.2:
            return "ledger", ("WRITE", "all")
        if kind < 0.4:
            return "quick", ("READ", "lease")
        if kind < 0.6:
            return "near", ("READ", "local")
    if mode == "ap":
        kind = rng.random()
        if kind < 0.15:
            return "shop", ("TIMEOUT", "1500")
        if kind < 0.25:
            return "orders", ("WRITE", "2", "READ", "2", "TIMEOUT", "1500")
    return "default", ()

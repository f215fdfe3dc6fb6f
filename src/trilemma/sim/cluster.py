"""A simulated cluster: processes, the network between them, and the connections of clients."""

from collections.abc import Callable, Collection
from random import Random
from typing import Protocol

from trilemma.base.ids import DEFAULT_KEYSPACE, SYSTEM_SHARD, ConnId, NodeId, ShardId, shard_id
from trilemma.node.config import Member
from trilemma.node.raft_shard import RaftShard
from trilemma.node.system_shard import SystemShard
from trilemma.sim.clock import BOOT_US, Clock
from trilemma.sim.network import Network
from trilemma.sim.options import Options
from trilemma.sim.process import Process
from trilemma.sim.scheduler import Scheduler
from trilemma.sim.trace import Trace
from trilemma.storage.rowkey import SHARD_MAX

DEFAULT_SHARD = shard_id(DEFAULT_KEYSPACE, 0)
"""The only shard of `default`; the keyspace that a schedule makes for its clients is the next one."""

CLIENT_DELAY_US = 120
COLD_US = 3_000_000
"""Who has started that long ago has surely heard of log time, if there was a leader."""

WALL_SKEW_US = 80_000
"""How far apart wall clocks are at the start."""


class Caller(Protocol):
    """A client's end of a connection."""

    def receive(self, conn: ConnId, data: bytes) -> None:
        """Bytes came."""
        ...

    def lost(self, conn: ConnId) -> None:
        """The connection broke."""
        ...


class Cluster:
    """All nodes and the world around them."""

    def __init__(self, options: Options, scheduler: Scheduler, rng: Random, trace: Trace) -> None:
        self.options = options
        self.scheduler = scheduler
        self.trace = trace
        self.failures: list[str] = []
        """What nodes found broken in themselves, and invariants that did not hold."""
        self.members = tuple(Member(number, f"n{number}") for number in range(1, options.nodes + 1))
        self.network = Network(scheduler, rng, options, self._deliver)
        self.processes: dict[NodeId, Process] = {}
        for member in self.members:
            rate = 1.0 + rng.uniform(-options.drift, options.drift)
            clock = Clock(rate, rng.randint(-WALL_SKEW_US, WALL_SKEW_US), BOOT_US + rng.randrange(BOOT_US))
            clock.step((member.id - 1) * options.apart_us)
            self.processes[member.id] = Process(self, member, Random(rng.getrandbits(62)), clock)
        self.on_crash: Callable[[Process], None] = lambda _: None
        self._callers: dict[ConnId, tuple[Process, Caller]] = {}
        self._next_conn = 1
        self._leaders: dict[tuple[int, int], str] = {}
        self._terms: dict[tuple[str, int], int] = {}
        self._named: dict[int, str] = {}
        """Every keyspace there ever was, by its id."""
        self._versions: dict[str, int] = {}
        self.on_term: Callable[[Process], None] = lambda _: None
        """Told when a node has moved on to a higher term of the shard that is driven, or of `_system`."""

        self._started_us: dict[NodeId, int] = {}
        self._was_cold = False
        """Whether a majority was down, or had started within COLD_US, when a node started again."""
        self.on_leader: Callable[[Process], None] = lambda _: None
        """Told when a node leads the shard that is driven; or `_system`, where that one has no leader."""

    def start(self) -> None:
        """Start all nodes."""
        for process in self.processes.values():
            process.start()

    def guard(self, process: Process, action: Callable[[], None]) -> None:
        """Run a node's code; what it raises is a failure of the schedule, and ends the process."""
        try:
            action()
        except Exception as problem:  # noqa: BLE001 - whatever a node raises, it is what the simulator looks for
            self.failures.append(f"{process.name} stopped: {type(problem).__name__}: {problem}")
            self.crash(process, f"stopped by {type(problem).__name__}: {problem}")

    def observe(self, process: Process) -> None:
        """Look at invariants that need no client: a term has one leader (election safety, Raft figure 3), and an id one
        keyspace (PROTOCOLS §7.4)."""
        if process.node is None:
            return
        system = process.node.replicas[SYSTEM_SHARD]
        if not system.is_idle:
            self._observe_keyspaces(process, system)
        for shard, replica in process.node.replicas.items():
            if replica.is_idle or not isinstance(replica, RaftShard):
                continue
            term = replica.raft.term
            if replica.raft.is_leader:
                self._observe_leader(process, shard, term)
            if term > self._terms.get((process.name, shard), 0):
                self._terms[process.name, shard] = term
                if shard in (SYSTEM_SHARD, self.driven_shard):
                    self.on_term(process)

    def _observe_keyspaces(self, process: Process, system: object) -> None:
        if not isinstance(system, SystemShard) or self._versions.get(process.name) == system.catalogue.version:
            return
        self._versions[process.name] = system.catalogue.version
        for keyspace in system.catalogue.keyspaces.values():
            name = self._named.setdefault(keyspace.id, keyspace.name)
            if name != keyspace.name:
                shared = f"keyspaces {name} and {keyspace.name} both have the id {keyspace.id}"
                if shared not in self.failures:
                    self.failures.append(shared)

    def _observe_leader(self, process: Process, shard: ShardId, term: int) -> None:
        known = self._leaders.get((shard, term))
        if known is None:
            self._leaders[shard, term] = process.name
            if shard == (SYSTEM_SHARD if self.options.mode == "ap" else self.driven_shard):
                self.on_leader(process)
        elif known != process.name:
            led = f"shard {shard}, term {term}: {known} and {process.name} both led"
            if led not in self.failures:
                self.failures.append(led)

    @property
    def driven_shard(self) -> int:
        """The shard that clients drive: of `default`, or of the one keyspace that is created."""
        return DEFAULT_SHARD if self.options.keyspace == "default" else 2 * DEFAULT_SHARD

    def holders(self) -> frozenset[str]:
        """Return the names of the nodes that hold a replica of the keyspace that is driven, by the newest catalogue."""
        if not self.options.replicas:
            return frozenset(member.name for member in self.members)
        catalogues = [process.node.catalogue for process in self.processes.values() if process.node is not None]
        newest = max(catalogues, key=lambda each: each.version)
        return frozenset(self.processes[node].name for node in newest.keyspaces[self.options.keyspace].replicas)

    def leader(self) -> Process | None:
        """Return the node that leads the driven shard in the highest term, None where nobody does or needs to."""
        led = {}
        for process in self.processes.values():
            replica = None if process.node is None else process.node.replicas.get(ShardId(self.driven_shard))
            if isinstance(replica, RaftShard) and replica.raft.is_leader:
                led[replica.raft.term] = process
        return led[max(led)] if led else None

    def _deliver(self, source: NodeId, target: NodeId, frame: bytes) -> None:
        self.processes[target].give(lambda node: node.receive_peer(source, frame))

    # Faults of processes

    def crash(self, process: Process, why: str) -> None:
        """End a process; its clients lose their connections."""
        self.trace.add(self.scheduler.now_us, process.name, "crash", why)
        process.crash()
        self.on_crash(process)
        for conn, (owner, caller) in list(self._callers.items()):
            if owner is process:
                del self._callers[conn]
                self.scheduler.after(CLIENT_DELAY_US, lambda conn=conn, caller=caller: caller.lost(conn))  # type: ignore[misc]

    def restart(self, process: Process) -> None:
        """Start a process again."""
        if process.node is None:
            self.trace.add(self.scheduler.now_us, process.name, "start")
            process.start()
            self._note_start(process)

    def _note_start(self, process: Process) -> None:
        now_us = self.scheduler.now_us
        self._started_us[process.member.id] = now_us
        running = [node for node, each in self.processes.items() if each.node is not None]
        warm = [node for node in running if now_us - self._started_us.get(node, -COLD_US) >= COLD_US]
        self._was_cold |= len(warm) <= len(self.processes) // 2

    @property
    def leap_us(self) -> int:
        """By how much log time may have been wrong: where a majority had just started, and had heard none, it goes on
        from the last stamp or a wall clock (PROTOCOLS §4.1)."""
        return max(process.clock.most_wrong_us for process in self.processes.values()) if self._was_cold else 0

    # Clients

    def connect(self, node: NodeId, caller: Caller) -> ConnId | None:
        """Open a connection to a node, None where nobody listens."""
        process = self.processes[node]
        if process.node is None:
            return None
        conn = self._next_conn
        self._next_conn += 1
        self._callers[conn] = (process, caller)
        process.give(lambda made: made.client_connected(conn, f"127.0.0.1:{10_000 + conn}", "127.0.0.1:7001"))
        return conn

    def send(self, conn: ConnId, data: bytes) -> None:
        """Send bytes to the node at the other end."""
        known = self._callers.get(conn)
        if known is not None:
            process = known[0]
            self.scheduler.after(CLIENT_DELAY_US, lambda: process.give(lambda node: node.receive_client(conn, data)))

    def reply(self, process: Process, conn: ConnId, data: bytes) -> None:
        """Carry a node's bytes to the client."""
        known = self._callers.get(conn)
        if known is not None:
            self.scheduler.after(CLIENT_DELAY_US, lambda: known[1].receive(conn, data))

    def close(self, process: Process, conn: ConnId) -> None:
        """The node closes a connection."""
        known = self._callers.pop(conn, None)
        if known is not None:
            process.give(lambda node: node.client_gone(conn))
            self.scheduler.after(CLIENT_DELAY_US, lambda: known[1].lost(conn))

    def hang_up(self, conn: ConnId) -> None:
        """The client closes a connection."""
        known = self._callers.pop(conn, None)
        if known is not None:
            known[0].give(lambda node: node.client_gone(conn))

    def named(self, names: Collection[str] | None) -> list[Process]:
        """Return the processes of these names; all where there are None."""
        return [process for process in self.processes.values() if names is None or process.name in names]

    def compared_shards(self, names: Collection[str] | None = None) -> list[ShardId]:
        """Return the user shards whose replicas, or those on some nodes, must come to agree, in order.

        Of keyspaces that were made only where they have several replicas: one has nobody to agree with. Of some nodes
        only what one of them has: who is cut off still has what the others have dropped.
        """
        last = DEFAULT_SHARD if self.options.replicas == 1 else SHARD_MAX
        nodes = [process.node for process in self.named(names) if process.node is not None]
        return sorted({shard for node in nodes for shard in node.replicas if DEFAULT_SHARD <= shard <= last})

    def digests(self, names: Collection[str] | None = None) -> dict[str, dict[str, str]]:
        """Return for each compared shard every replica's digest, or those of some nodes, as `reflects digest`."""
        found: dict[str, dict[str, str]] = {str(shard): {} for shard in self.compared_shards(names)}
        for process in self.named(names):
            for shard, replica in process.node.replicas.items() if process.node is not None else ():
                if str(shard) in found:
                    found[str(shard)][process.name] = " ".join(replica.digest())
        return found

"""A Raft group without a node around it: replicas, their logs, and a network that does what a test says.

Time moves in steps of a millisecond. What a replica hands out goes to its log; it is durable `sync_us` later, and the
messages that wait for it leave then. Applying means keeping the entry.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from trilemma.base.time import Now
from trilemma.node.config import Timing
from trilemma.replication.port import Entry, EntryKind, Message, Outbound
from trilemma.replication.raft.bounds import Bounds
from trilemma.replication.raft.replica import Raft
from trilemma.storage.memory import MemoryLog
from trilemma.storage.port import LogWrite

SHARD = 2048
STEP_US = 1_000
BOOT_US = 1_000_000
WALL_US = 1_790_000_000_000_000


@dataclass
class Member:
    """One replica and its disk."""

    log: MemoryLog
    raft: Raft
    token: int = 0
    sync_us: int = 0
    waiting: list[tuple[int, int, Sequence[Outbound]]] = field(default_factory=list)
    """(due, token, messages) of what is not synced yet."""
    applied: list[Entry] = field(default_factory=list)
    reads: dict[int, int] = field(default_factory=dict)
    failed_reads: list[int] = field(default_factory=list)
    needs_snapshot: set[int] = field(default_factory=set)


class Group:
    """Replicas 1..n."""

    def __init__(
        self, size: int = 3, *, leases: bool = False, retained_bytes: int = 1 << 20, bounds: Bounds | None = None
    ) -> None:
        self.now_us = BOOT_US
        self.timing = Timing()
        self.leases = leases
        self.bounds = bounds or Bounds(retained_bytes=retained_bytes)
        self.voters = list(range(1, size + 1))
        self.cut: set[tuple[int, int]] = set()
        """(from, to) pairs that carry nothing."""
        self.stopped: set[int] = set()
        self.drop: Callable[[int, int, Message], bool] = lambda sender, to, message: False
        self.delay_us = 1_000
        self.under_way: list[tuple[int, int, int, Message]] = []
        self.sent: list[tuple[int, int, Message]] = []
        self.starts = 0
        self.members: dict[int, Member] = {}
        for node in self.voters:
            self.start(node, MemoryLog())

    @property
    def now(self) -> Now:
        """The time, which all replicas share."""
        return Now(self.now_us, WALL_US + self.now_us)

    def start(self, node: int, log: MemoryLog, applied: Sequence[Entry] = ()) -> None:
        """Start a replica on a disk; `applied` is what its rows reflect."""
        self.starts += 1
        index = applied[-1].index if applied else 0
        raft = Raft(
            SHARD, node, self.voters, self.timing, self.starts, log.recover().records, log, self.now,
            leases=self.leases, applied_index=index, bounds=self.bounds,
        )  # fmt: skip
        self.members[node] = Member(log, raft, applied=list(applied))
        self.stopped.discard(node)

    def crash(self, node: int) -> None:
        """Stop a replica; what it has not synced is lost."""
        member = self.members[node]
        member.log.crash()
        member.waiting.clear()
        self.stopped.add(node)

    def restart(self, node: int) -> None:
        """Start a crashed replica again with nothing but its log."""
        self.start(node, self.members[node].log)

    def isolate(self, *nodes: int) -> None:
        """Cut these nodes off from the others, both ways."""
        for inside in nodes:
            for outside in set(self.voters) - set(nodes):
                self.cut |= {(inside, outside), (outside, inside)}

    def isolate_at_random(self, random: Random) -> None:
        """Cut one node off, or some links in one direction, or nothing."""
        self.cut.clear()
        kind = random.randrange(3)
        if kind == 0:
            self.isolate(random.choice(self.leaders() or self.voters))
        elif kind == 1:
            pairs = [(sender, to) for sender in self.voters for to in self.voters if sender != to]
            self.cut |= set(random.sample(pairs, len(pairs) // 5))

    def up(self, node: int) -> frozenset[int]:
        """The peers to which a node's link is up both ways."""
        return frozenset(
            peer
            for peer in self.voters
            if peer != node
            and peer not in self.stopped
            and (node, peer) not in self.cut
            and (peer, node) not in self.cut
        )

    def step(self) -> None:
        """Move on by a millisecond."""
        self.now_us += STEP_US
        due = [letter for letter in self.under_way if letter[0] <= self.now_us]
        self.under_way = [letter for letter in self.under_way if letter[0] > self.now_us]
        for _, sender, to, message in due:
            if to not in self.stopped and (sender, to) not in self.cut:
                self.members[to].raft.receive(sender, message)
        for node, member in self.members.items():
            if node not in self.stopped:
                self._turn(node, member)

    def _turn(self, node: int, member: Member) -> None:
        while member.waiting and member.waiting[0][0] <= self.now_us:
            _, token, messages = member.waiting.pop(0)
            member.log.sync(token)
            member.raft.persisted(token)
            self._send(node, messages)
        member.raft.advance(self.now, self.up(node))
        self.flush(node)

    def flush(self, node: int) -> None:
        """Take what a replica hands out."""
        member = self.members[node]
        member.token += 1
        ready = member.raft.ready(member.token)
        member.applied += ready.committed
        member.reads |= dict(ready.reads)
        member.failed_reads += ready.failed_reads
        member.needs_snapshot = set(ready.needs_snapshot)
        if ready.records:
            member.log.append(LogWrite(member.token, 1, False, ready.records, ready.must_sync, 0))
        held = [outbound for outbound in ready.messages if outbound.after_sync]
        self._send(node, [outbound for outbound in ready.messages if not outbound.after_sync])
        member.waiting.append((self.now_us + member.sync_us, member.token, held))

    def _send(self, sender: int, messages: Sequence[Outbound]) -> None:
        for peer, message, _ in messages:
            self.sent.append((sender, peer, message))
            if (sender, peer) not in self.cut and not self.drop(sender, peer, message):
                self.under_way.append((self.now_us + self.delay_us, sender, peer, message))

    def run(self, ms: int) -> None:
        """Move on by so many milliseconds."""
        for _ in range(ms):
            self.step()

    def run_until(self, condition: Callable[[], bool], ms: int = 5_000) -> None:
        """Move on until something holds; fail where it does not within `ms`."""
        for _ in range(ms):
            if condition():
                return
            self.step()
        assert condition(), f"not within {ms} ms"

    def leaders(self) -> list[int]:
        """Who says that it leads."""
        return [node for node, m in self.members.items() if node not in self.stopped and m.raft.is_leader]

    def elect(self) -> int:
        """Run until there is one leader whose term is committed; return it."""
        self.run_until(lambda: any(self._leads(node) for node in self.leaders()))
        return next(node for node in self.leaders() if self._leads(node))

    def _leads(self, node: int) -> bool:
        raft = self.members[node].raft
        return raft.commit_index == raft.last_index and raft.lease_read_ok()

    def elect_node(self, node: int) -> None:
        """Make a given node the leader, by handing over."""
        leader = self.elect()
        if leader != node:
            assert self.members[leader].raft.transfer_leadership(node)
            self.run_until(lambda: self.leaders() == [node] and self._leads(node))

    def propose(self, node: int, body: bytes) -> int | None:
        """Propose commands at a node."""
        return self.members[node].raft.propose(EntryKind.COMMANDS, body)

    def bodies(self, node: int) -> list[bytes]:
        """The commands that a node has applied, in order."""
        return [entry.body for entry in self.members[node].applied if entry.kind is EntryKind.COMMANDS]

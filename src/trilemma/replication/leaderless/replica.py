"""The door to leaderless replication: one replica of one shard, as `replication.port` asks for it.

Every replica takes writes. A turn's operations are one batch, delivered here at once and sent once durable; what comes
from others is delivered in causal order, and gaps are pulled from whoever has them. PROTOCOLS §5.
"""

from collections.abc import Sequence

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import DiskRollback
from trilemma.base.limits import LOG_RETAINED_BYTES_MAX
from trilemma.base.time import Now
from trilemma.crdt.vector import Vector, covers
from trilemma.replication.leaderless.currency import Currency
from trilemma.replication.leaderless.delivery import Delivery
from trilemma.replication.leaderless.expiry_clock import ExpiryClock
from trilemma.replication.leaderless.gossip import Rounds
from trilemma.replication.leaderless.holdings import Holdings
from trilemma.replication.leaderless.messages import Batches, Dropped, Gossip, Pull, wire_of
from trilemma.replication.leaderless.pulls import Pulls
from trilemma.replication.leaderless.record import LeaderlessState, state_record
from trilemma.replication.leaderless.retention import Retention
from trilemma.replication.leaderless.settled import Report, Settled
from trilemma.replication.leaderless.supply import SEND_BYTES_MAX, answer_to, batches_above
from trilemma.replication.leaderless.wall_clock import WallClock
from trilemma.replication.port import Batch, LeaderlessReady, Message, Outbound, Reflected
from trilemma.storage.port import LogReader, LogRecord


class Leaderless:
    """One replica.

    Args:
        members: all replicas of the shard.
        records: what the node's log kept of this shard, in write order.
        applied: what the rows reflect.
        entropy: another one at each start, at least 0: by it questions of this start are told from earlier ones.
        nodes: how many nodes the cluster has, where they are more than the members.
    """

    def __init__(
        self,
        shard: ShardId,
        node_id: NodeId,
        members: Sequence[NodeId],
        records: Sequence[LogRecord],
        log: LogReader,
        now: Now,
        *,
        applied: Reflected,
        entropy: int,
        nodes: int = 1,
        retained_bytes: int = LOG_RETAINED_BYTES_MAX,
    ) -> None:
        self.shard = shard
        self.node = node_id
        self.peers = tuple(sorted(member for member in members if member != node_id))
        self.settled = Settled(self.peers)
        """Per peer: its newest report of which everything has come here."""
        self._currency = Currency(self.peers)
        self.gossip = Rounds(self.peers, entropy, now, self._say)
        self.acknowledges = False
        """Whether peers wait to hear that this replica holds what they sent."""
        self._now = now
        self._up: frozenset[NodeId] = frozenset()
        self._retention = Retention(shard, log, retained_bytes)
        self._delivery = Delivery(shard, node_id, members, applied, self._retention)
        self._pulls = Pulls()
        self._inbox: list[tuple[NodeId, Message, int | None]] = []
        self._outbox: list[Outbound] = []
        self._own: list[Batch] = []
        self._transfers: list[NodeId] = []
        self.takes_batches = True
        """Whether the disk has room for others' batches; without it they count as lost on the way."""
        self.keeps_all = False
        """Whether nothing may be let go for now, because rows that are about to come may lack it."""
        found = self._delivery.recover(records)
        self._heard_new = self._delivery.vector != applied.vector
        self.expiry = ExpiryClock(found.expiry_ms, found.wall_ms, now, self.peers, nodes=nodes, firm_ms=found.firm_ms)
        self.wall_clock = WallClock(now, max(nodes, len(members)), was_apart=found.was_apart)
        self.holdings = Holdings(node_id, self.peers, dict(self._delivery.vector))

    # The turn

    def receive(self, sender: NodeId, message: Message, since_us: int | None = None) -> None:
        """Take in a message; it is judged by the next `advance`."""
        self._inbox.append((sender, message, since_us))

    def persisted(self, token: int) -> bool:
        """Take note that everything handed out with tokens up to `token` is durable; say whether anything was."""
        found = self.holdings.persisted(token)
        if found:
            self._heard_new = True
            if self.acknowledges:
                self.gossip.at_once(self._now)
        return found

    def advance(self, now: Now, up: frozenset[NodeId], offsets_ms: dict[NodeId, int] | None = None) -> None:
        """Judge this turn's messages, then do what time demands."""
        for peer in up - self._up:
            self._pulls.end(peer)
            self.gossip.at_once(now)
        self._now, self._up = now, up
        self.expiry.advance(now, offsets_ms or {})
        self.wall_clock.advance(now, offsets_ms or {})
        inbox, self._inbox = self._inbox, []
        for sender, message, since_us in inbox:
            self._judge(sender, message, since_us)
        if self.has_more and self.takes_batches:
            self.deliver_early()
        self.gossip.advance(now)
        self._pull()
        if self._heard_new:
            self._heard_new = False
            self.settled.advance(self.holdings.durable)
            self._collect()

    def _judge(self, sender: NodeId, message: Message, since_us: int | None) -> None:
        if sender not in self.peers:
            return
        if isinstance(message, Batches):
            if not self.takes_batches:
                return
            for wire in message.batches:
                self._delivery.take(Batch(*wire))
            self.deliver_early()
            self._pulls.end(sender)
        elif isinstance(message, Gossip):
            self._hear(sender, message, since_us)
        elif isinstance(message, Pull):
            answer = answer_to(message.held, self._retention, self.holdings.durable)
            if answer is not None:
                self._send(sender, answer)
        elif isinstance(message, Dropped):
            self._take_rows_instead(sender, message)

    def _take_rows_instead(self, donor: NodeId, message: Dropped) -> None:
        if not covers(self._taken(), message.held) and donor not in self._transfers:
            self._transfers.append(donor)

    def _hear(self, sender: NodeId, message: Gossip, since_us: int | None) -> None:
        self._must_hold_own(message.durable)
        self.holdings.hear(sender, message.durable)
        self.settled.hear(sender, Report(message.durable, message.made, message.expiry_ms))
        self.expiry.hear(sender, message.expiry_ms)
        self._heard_new = True
        if since_us is not None:
            self._currency.hear(sender, message.made, since_us, self._delivery.vector)
        self.gossip.hear(sender, message)

    def _must_hold_own(self, held: dict[NodeId, int]) -> None:
        """Stop where a peer holds a batch of this node's that it does not know (PROTOCOLS §1.3).

        Raises:
            DiskRollback: it does.
        """
        seq = held.get(self.node, 0)
        if seq > self._delivery.made:
            raise DiskRollback(
                f"a peer holds {seq} batches of shard {self.shard} that were made on it, and it holds "
                f"{self._delivery.made}"
            )

    def take_delivered(self) -> list[tuple[Batch, dict[NodeId, int]]]:
        """Return what was delivered since the last call; apply it before own operations of the turn."""
        return self._delivery.take_delivered()

    # Own batches

    @property
    def next_seq(self) -> int:
        """The sequence number of the next own batch."""
        return self._delivery.made + 1

    def next_header(self) -> Batch:
        """Return the next own batch without a body: its dot, stamp and what it depends on."""
        return self._delivery.next_header(self._now.wall_ms if self.wall_clock.is_trusted else None)

    def append(self, batch: Batch) -> None:
        """Make an own batch part of what is held; the caller has applied it. It leaves once it is durable."""
        self._delivery.append(batch)
        self._own.append(batch)

    # State transfer

    def held_above(self, vector: dict[NodeId, int]) -> list[Batch] | None:
        """Return the delivered batches that a vector lacks, in causal order; None where one is gone."""
        return batches_above(vector, self._retention, self._delivery.vector)

    def install(self, reflected: Reflected) -> None:
        """Go on from rows that reflect this and all that was held beside it; `deliver_early` comes next."""
        self._delivery.install(reflected)
        self.holdings.install(reflected.vector)

    def deliver_early(self) -> None:
        """Deliver what waited for rows that were installed, or for a turn that has room: it is taken out, and logged,
        in this turn."""
        if self._delivery.deliver_due():
            self._heard_new = True

    # What leaves

    def _say(self, peer: NodeId, asks: int, answers: int) -> None:
        self._send(peer, Gossip(self.holdings.durable, self._delivery.made, self.expiry.firm_ms, asks, answers))

    def _send(self, peer: NodeId, message: Message) -> None:
        self._outbox.append(Outbound(peer, message, False))

    def _pull(self) -> None:
        """Ask for what others are known to hold and this replica lacks, one peer at a time."""
        for peer in self._lacking():
            if self._pulls.may_begin(peer, self._now.mono_us):
                self._send(peer, Pull(self._taken()))

    def _lacking(self) -> list[NodeId]:
        """Return the peers that are up and known to hold what this replica lacks and has room for.

        While an answer's worth waits for turns that have room nobody is asked for more.
        """
        if not self.takes_batches or (self.has_more and self._delivery.waiting_bytes >= SEND_BYTES_MAX):
            return []
        return [peer for peer in self.holdings.ahead_of(self._taken()) if peer in self._up]

    def _taken(self) -> dict[NodeId, int]:
        """Return what is delivered here, and what only waits for a turn that has room: nobody need send that again."""
        return self._delivery.taken() if self.has_more else self._delivery.vector

    def _collect(self) -> None:
        """Let go what every replica holds durably, at the bound also what a majority does (PROTOCOLS §5.7)."""
        if self.keeps_all:
            return
        self._drop(self.settled.held_by_all(self.holdings.durable))
        if self._retention.is_over_bound:
            self._drop(self.settled.held_by_majority(self.holdings.durable))

    def let_go(self, origin: NodeId, seq: int) -> None:
        """Let go an origin's batches up to a sequence number, as far as a majority holds them (PROTOCOLS §5.7)."""
        held = self.settled.held_by_majority(self.holdings.durable).get(origin, 0)
        if not self.keeps_all:
            self._retention.drop(origin, min(seq, held))

    def _drop(self, vector: Vector) -> None:
        for origin, seq in vector.items():
            self._retention.drop(origin, seq)

    def ready(self, token: int) -> LeaderlessReady:
        """Return this turn's outcome; its records become durable under `token`."""
        records, deliver = self._delivery.take_records(), self.take_delivered()
        if self.expiry.wants_statement(self._now, bool(records)):
            records.append(self._statement())
        own, self._own = self._own, []
        if own:
            message = Batches([wire_of(batch) for batch in own])
            self._outbox.extend(Outbound(peer, message, self._own_waits()) for peer in self.peers)
        outbox, self._outbox = self._outbox, []
        transfers, self._transfers = self._transfers, []
        if records:
            self.holdings.handed_out(token, self._delivery.vector)
        return LeaderlessReady(records, bool(records), outbox, deliver, transfers)

    def _own_waits(self) -> bool:
        """Say whether own batches wait for the disk before they leave: else a dot could be used twice (O1)."""
        return True

    # What the node sees

    @property
    def vector(self) -> dict[NodeId, int]:
        """What is delivered here."""
        return self._delivery.vector

    @property
    def reflected(self) -> Reflected:
        """What rows reflect once all that is delivered here is applied."""
        return Reflected(self._delivery.vector, self._delivery.clock.last)

    def covered_us(self) -> int | None:
        """Return since when, at the longest, this replica may lack what some peer made, by the own clock; None where
        that is not known. See `currency`."""
        return self._currency.covered_us(self._delivery.vector)

    def restate(self) -> list[LogRecord]:
        """Return the record that a fresh log segment must hold of this shard."""
        return [self._statement()]

    def _statement(self) -> LogRecord:
        dropped = {origin: self._retention.dropped(origin) for origin in sorted(self._delivery.vector)}
        clocks = self._delivery.clock.last, self.expiry.now_ms, self._now.wall_ms, self.expiry.firm_ms
        return state_record(self.shard, LeaderlessState(dict(self._delivery.vector), dropped, *clocks))

    @property
    def has_more(self) -> bool:
        """Whether others' batches wait for a turn that has room: own ones are to be small until they are delivered."""
        return self._delivery.has_more

    @property
    def held_back(self) -> int:
        """How many batches of others wait for their causes, or for a turn that has room."""
        return self._delivery.held_back

    @property
    def retained_bytes(self) -> int:
        """How much is kept for peers that may still ask for it."""
        return self._retention.bytes

    def first_retained(self, origin: NodeId) -> int:
        """Return the lowest sequence number of an origin that a peer may still ask for."""
        return self._retention.dropped(origin) + 1

    @property
    def next_deadline_us(self) -> int:
        """When `advance` has something to do though nothing comes in."""
        if self.has_more and self.takes_batches:
            return self._now.mono_us
        return min([self.gossip.next_us, *self._pulls.deadlines_us(self._lacking())])

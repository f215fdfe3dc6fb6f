"""The door to leaderless replication: one replica of one shard, as `replication.port` asks for it.

Every replica takes writes. A turn's operations are one batch, delivered here at once and sent once durable; what comes
from others is delivered in causal order, and gaps are pulled from whoever has them. PROTOCOLS §5.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trilemma.base.hlc import HybridLogicalClock
from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import invariant
from trilemma.base.limits import LOG_RETAINED_BYTES_MAX, limit
from trilemma.base.time import Now, on_grid
from trilemma.crdt.vector import Vector, covers, join, meet
from trilemma.replication.leaderless.expiry_clock import ExpiryClock
from trilemma.replication.leaderless.messages import Batches, Dropped, Gossip, Pull, Wire, wire_of
from trilemma.replication.leaderless.record import LeaderlessState, batch_of, decode_state, record_of, state_record
from trilemma.replication.leaderless.retention import Retention
from trilemma.replication.leaderless.settled import Report, Settled
from trilemma.replication.port import Batch, LeaderlessReady, Message, Outbound
from trilemma.storage.port import LogReader, LogRecord, RecordKind

EARLY_BATCHES_MAX = limit(
    "early_batches_max",
    4_096,
    "batches per shard",
    "what came before its cause is kept in memory",
    "it is dropped, and pulled again later",
)
GOSSIP_US = 160_000
"""How often a replica says what it holds."""

PULL_US = 60_000
"""How long a pull waits for its answer before the next one is sent."""

SEND_BYTES_MAX = 128 << 10
"""Bodies in one answer to a pull: a thousand small operations, which are applied in less than a heartbeat."""


class Answer(NamedTuple):
    """What a peer held when it was asked."""

    durable: dict[NodeId, int]
    made: int
    """Its newest own batch, durable or not."""


class Leaderless:
    """One replica.

    Args:
        members: all replicas of the shard.
        records: what the node's log kept of this shard, in write order.
        applied: the vector that the rows reflect.
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
        applied: dict[NodeId, int],
        retained_bytes: int = LOG_RETAINED_BYTES_MAX,
    ) -> None:
        self.shard = shard
        self.node = node_id
        self.peers = tuple(sorted(member for member in members if member != node_id))
        self._origins = tuple(sorted(members))
        self.vector: dict[NodeId, int] = dict(applied)
        """What is delivered here."""
        self.durable: dict[NodeId, int] = {}
        """What is delivered here and durable here."""
        self.held: dict[NodeId, dict[NodeId, int]] = {}
        """Per peer: what it said to hold durably."""
        self.settled = Settled(self.peers)
        """Per peer: its newest report of which everything has come here."""
        self.answers: dict[int, dict[NodeId, Answer]] = {}
        """Per question that is open: what peers held when they answered."""
        self.acknowledges = False
        """Whether peers wait to hear that this replica holds what they sent."""
        self.clock = HybridLogicalClock()
        self._now = now
        self._up: frozenset[NodeId] = frozenset()
        self._retention = Retention(shard, log, retained_bytes)
        self._early: dict[tuple[NodeId, int], Batch] = {}
        self._inbox: list[tuple[NodeId, Message]] = []
        self._outbox: list[Outbound] = []
        self._records: list[LogRecord] = []
        self._deliver: list[tuple[Batch, dict[NodeId, int]]] = []
        self._own: list[Batch] = []
        self._pending: list[tuple[int, dict[NodeId, int]]] = []
        self._transfers: list[NodeId] = []
        self._gossip_us = now.mono_us
        self._pulled_us: dict[NodeId, int] = {}
        self._heard_new = False
        self._next_question = 0
        self._offsets_ms: dict[NodeId, int] = {}
        self.takes_batches = True
        """Whether the disk has room for others' batches; without it they count as lost on the way."""
        self.keeps_all = False
        """Whether nothing may be let go for now, because rows that are about to come may lack it."""
        found = self._recover(records)
        self.expiry = ExpiryClock(found.expiry_ms, found.wall_ms, now, len(self.peers), firm_ms=found.firm_ms)
        self.durable = dict(self.vector)

    def _recover(self, records: Sequence[LogRecord]) -> LeaderlessState:
        """Take in what the log kept; batches that the rows lack are delivered first.

        Returns:
            The last state of all, which says what the clocks showed together.
        """
        batches: dict[tuple[NodeId, int], Batch] = {}
        dropped: dict[NodeId, int] = {}
        last = LeaderlessState()
        for record in records:
            if record.kind == RecordKind.BATCH:
                batch = batch_of(record)
                batches[batch.origin, batch.seq] = batch
                self.clock.observe(batch.stamp)
            elif record.kind == RecordKind.SHARD_STATE:
                state = decode_state(record.body)
                dropped = join((dropped, state.dropped))
                self.clock.observe(state.hlc)
                last = state
        for origin in sorted({*self.vector, *(origin for origin, _ in batches)}):
            held = {seq for each, seq in batches if each == origin}
            # What the rows brought, and what lies below it, is not in the log: only what follows can be handed on.
            applied = self.vector.get(origin, 0)
            gone = max({applied, *held})
            while gone in held:
                gone -= 1
            gone = max(gone, min(dropped.get(origin, 0), applied))
            self._retention.found(origin, gone, [batches[origin, seq] for seq in range(gone + 1, applied + 1)])
        for batch in batches.values():
            if batch.seq > self.vector.get(batch.origin, 0):
                self._early[batch.origin, batch.seq] = batch
        self._deliver_early(is_recorded=True)
        self._early.clear()
        return last

    # The turn

    def receive(self, sender: NodeId, message: Message) -> None:
        """Take in a message; it is judged by the next `advance`."""
        self._inbox.append((sender, message))

    def persisted(self, token: int) -> bool:
        """Take note that everything handed out with tokens up to `token` is durable; say whether anything was."""
        found = False
        while self._pending and self._pending[0][0] <= token:
            self.durable = self._pending.pop(0)[1]
            found = self._heard_new = True
            if self.acknowledges:
                self._gossip_us = self._now.mono_us
        return found

    def advance(self, now: Now, up: frozenset[NodeId], offsets_ms: dict[NodeId, int] | None = None) -> None:
        """Judge this turn's messages, then do what time demands."""
        for peer in up - self._up:
            self._pulled_us.pop(peer, None)
            self._gossip_us = now.mono_us
        self._now, self._up = now, up
        self._offsets_ms = offsets_ms or {}
        self.expiry.advance(now, self._offsets_ms.values())
        inbox, self._inbox = self._inbox, []
        for sender, message in inbox:
            self._judge(sender, message)
        self._gossip()
        self._pull()
        if self._heard_new:
            self._heard_new = False
            self.settled.advance(self.durable)
            self._collect()

    def _judge(self, sender: NodeId, message: Message) -> None:
        if sender not in self.peers:
            return
        if isinstance(message, Batches):
            if not self.takes_batches:
                return
            for wire in message.batches:
                self._take(Batch(*wire))
            self._deliver_early()
            self._pulled_us.pop(sender, None)
        elif isinstance(message, Gossip):
            self._hear(sender, message)
        elif isinstance(message, Pull):
            self._answer(sender, message.held)
        elif isinstance(message, Dropped) and not covers(self.vector, message.held) and sender not in self._transfers:
            self._transfers.append(sender)

    def _hear(self, sender: NodeId, message: Gossip) -> None:
        self._must_hold_own(message.durable)
        self.held[sender] = join((self.held.get(sender, {}), message.durable))
        self.settled.hear(sender, Report(message.durable, message.made, message.expiry_ms))
        self.expiry.hear(sender, message.expiry_ms)
        self._heard_new = True
        if message.asks:
            self._say(sender, answers=message.asks)
        for question, answers in self.answers.items():
            # What is held grows: an answer holds for every question that was asked before.
            if question <= message.answers:
                answers.setdefault(sender, Answer(message.durable, message.made))

    def ask(self) -> int:
        """Ask all peers what they hold; the answers gather in `answers` until `forget`.

        With every gossip it is asked again of those that have not answered: messages may be lost.
        """
        self._next_question += 1
        self.answers[self._next_question] = {}
        for peer in self.peers:
            self._say(peer, asks=self._next_question)
        return self._next_question

    def forget(self, question: int) -> None:
        """Stop gathering answers to a question."""
        del self.answers[question]

    def _must_hold_own(self, held: dict[NodeId, int]) -> None:
        """Stop where a peer holds a batch of this node's that it does not know: its disk went back in time."""
        invariant(held.get(self.node, 0) <= self.vector.get(self.node, 0), "a node holds every batch that it made")

    def _take(self, batch: Batch) -> None:
        """Put a batch aside unless it is known or too far ahead; what can be delivered now is never too far."""
        key = (batch.origin, batch.seq)
        if batch.seq <= self.vector.get(batch.origin, 0) or batch.origin == self.node or key in self._early:
            return
        is_next = batch.seq == self.vector.get(batch.origin, 0) + 1 and self._is_due(batch)
        if is_next or len(self._early) < EARLY_BATCHES_MAX:
            self._early[key] = batch

    def _deliver_early(self, *, is_recorded: bool = False) -> None:
        """Deliver everything whose causes are all delivered, until nothing more can be."""
        progress = bool(self._early)
        while progress:
            progress = False
            for origin in self._origins:
                while (batch := self._next_of(origin)) is not None:
                    del self._early[origin, batch.seq]
                    self._deliver_one(batch, is_recorded=is_recorded)
                    progress = True

    def _next_of(self, origin: NodeId) -> Batch | None:
        """Return an origin's next batch if it has come and its causes are delivered."""
        batch = self._early.get((origin, self.vector.get(origin, 0) + 1))
        return batch if batch is not None and self._is_due(batch) else None

    def _is_due(self, batch: Batch) -> bool:
        return covers(self.vector, batch.depends)

    def _deliver_one(self, batch: Batch, *, is_recorded: bool) -> None:
        self._heard_new = True
        self.clock.observe(batch.stamp)
        self.vector = {**self.vector, batch.origin: batch.seq}
        self._deliver.append((batch, self.vector))
        self._retention.add(batch)
        if not is_recorded:
            self._records.append(record_of(self.shard, batch))

    def take_delivered(self) -> list[tuple[Batch, dict[NodeId, int]]]:
        """Return what was delivered since the last call; apply it before own operations of the turn."""
        deliver, self._deliver = self._deliver, []
        return deliver

    # Own batches

    @property
    def next_seq(self) -> int:
        """The sequence number of the next own batch."""
        return self.vector.get(self.node, 0) + 1

    def next_header(self) -> Batch:
        """Return the next own batch without a body: its dot, stamp and what it depends on."""
        stamp = self.clock.tick(self._now.wall_ms if self.expiry.is_trusted else None)
        return Batch(self.node, self.next_seq, stamp, dict(self.vector), b"")

    def append(self, batch: Batch) -> None:
        """Make an own batch part of what is held; the caller has applied it. It leaves once it is durable."""
        invariant(batch.seq == self.vector.get(self.node, 0) + 1, "own batches follow each other")
        self.vector = {**self.vector, self.node: batch.seq}
        self._retention.add(batch)
        self._records.append(record_of(self.shard, batch))
        self._own.append(batch)

    # State transfer

    def held_above(self, vector: dict[NodeId, int]) -> list[Batch] | None:
        """Return the batches held that a vector lacks, in causal order, whoever wrote them; None where one is gone."""
        found: list[Batch] = []
        for origin, last in sorted(self.vector.items()):
            seq = vector.get(origin, 0)
            while seq < last:
                batches = self._retention.after(origin, seq, last)
                if not batches:
                    return None
                found.extend(batches)
                seq = batches[-1].seq
        # Stamps grow along causality.
        return sorted(found, key=lambda batch: (batch.stamp, batch.origin, batch.seq))

    def install(self, vector: dict[NodeId, int]) -> None:
        """Go on from rows that reflect a vector and all that was held beside it; `deliver_early` comes next."""
        for origin, seq in vector.items():
            if seq > self.vector.get(origin, 0):
                self._retention.jump(origin, seq)
        self.vector = join((self.vector, vector))
        self.durable = join((self.durable, vector))
        self._pending = [(token, join((each, vector))) for token, each in self._pending]
        self._early = {key: batch for key, batch in self._early.items() if key[1] > self.vector.get(key[0], 0)}

    def deliver_early(self) -> None:
        """Deliver what waited for rows that were installed: it is taken out, and logged, in this turn."""
        self._deliver_early()

    # What leaves

    def _say(self, peer: NodeId, *, asks: int = 0, answers: int = 0) -> None:
        made = self.vector.get(self.node, 0)
        self._send(peer, Gossip(self.durable, made, self.expiry.firm_ms, asks, answers))

    def _send(self, peer: NodeId, message: Message) -> None:
        self._outbox.append(Outbound(peer, message, False))

    def _gossip(self) -> None:
        if self._now.mono_us < self._gossip_us:
            return
        self._gossip_us = on_grid(self._now.mono_us + GOSSIP_US, GOSSIP_US)
        for peer in self.peers:
            asks = next((each for each in reversed(self.answers) if peer not in self.answers[each]), 0)
            self._say(peer, asks=asks)

    def _pull(self) -> None:
        """Ask for what others are known to hold and this replica lacks, one peer at a time."""
        if not self.takes_batches:
            return
        for peer in self.peers:
            held = self.held.get(peer)
            if held is None or covers(self.vector, held) or peer not in self._up:
                continue
            if self._now.mono_us >= self._pulled_us.get(peer, 0):
                self._pulled_us[peer] = self._now.mono_us + PULL_US
                self._send(peer, Pull(self.vector))

    def _answer(self, peer: NodeId, held: dict[NodeId, int]) -> None:
        """Send a peer what it lacks and this replica holds durably, in causal order as far as that is one origin's."""
        found: list[Batch] = []
        for origin, last in sorted(self.durable.items()):
            batches = self._retention.after(origin, held.get(origin, 0), last)
            if batches is None:
                self._send(peer, Dropped(self.durable))
                return
            found.extend(batches)
        found.sort(key=lambda batch: (batch.stamp, batch.origin, batch.seq))
        sent: list[Wire] = []
        size = 0
        for batch in found:
            if sent and size > SEND_BYTES_MAX:
                break
            size += len(batch.body)
            sent.append(wire_of(batch))
        if sent:
            self._send(peer, Batches(sent))

    def _collect(self) -> None:
        """Let go what every replica holds durably, at the bound also what a majority does (PROTOCOLS §5.7).

        Only reports of which everything is durable here count: of two nodes that let something go, each counts a node
        that the other counts too, so one of them holds all that the other has let go and can take its rows. Else what
        each lacks could be gone from the other, and nothing would ever bring them together.
        """
        if self.keeps_all:
            return
        views = self.settled.durable
        if len(views) == len(self.peers):
            self._drop(meet([self.durable, *views]))
        if self._retention.is_over_bound:
            self._collect_at_bound(views)

    def _collect_at_bound(self, views: Sequence[Vector]) -> None:
        others_needed = (len(self.peers) + 1) // 2
        if len(views) >= others_needed:
            held = {origin: sorted((view.get(origin, 0) for view in views), reverse=True) for origin in self.durable}
            self._drop({origin: ([own, *held[origin]])[others_needed] for origin, own in self.durable.items()})

    def _drop(self, vector: Vector) -> None:
        for origin, seq in vector.items():
            self._retention.drop(origin, seq)

    def ready(self, token: int) -> LeaderlessReady:
        """Return this turn's outcome; its records become durable under `token`."""
        if self.expiry.wants_statement(self._now, bool(self._records)):
            self._records.append(self._statement())
        records, self._records = self._records, []
        deliver = self.take_delivered()
        own, self._own = self._own, []
        if own:
            message = Batches([wire_of(batch) for batch in own])
            self._outbox.extend(Outbound(peer, message, self._own_waits()) for peer in self.peers)
        outbox, self._outbox = self._outbox, []
        transfers, self._transfers = self._transfers, []
        if records:
            self._pending.append((token, self.vector))
        return LeaderlessReady(records, bool(records), outbox, deliver, transfers)

    def _own_waits(self) -> bool:
        """Say whether own batches wait for the disk before they leave: else a dot could be used twice (O1)."""
        return True

    # What the node sees

    def holders(self, seq: int) -> list[NodeId]:
        """Return the replicas known to hold an own batch durably, this one included."""
        own = [self.node] if self.durable.get(self.node, 0) >= seq else []
        return own + [peer for peer in self.peers if self.held.get(peer, {}).get(self.node, 0) >= seq]

    def restate(self) -> list[LogRecord]:
        """Return the record that a fresh log segment must hold of this shard."""
        return [self._statement()]

    def _statement(self) -> LogRecord:
        dropped = {origin: self._retention.dropped(origin) for origin in sorted(self.vector)}
        clocks = self.clock.last, self.expiry.now_ms, self._now.wall_ms, self.expiry.firm_ms
        return state_record(self.shard, LeaderlessState(dict(self.vector), dropped, *clocks))

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
        waits = [self._pulled_us[peer] for peer in self._lacking() if peer in self._pulled_us]
        return min([self._gossip_us, *waits])

    def _lacking(self) -> Iterable[NodeId]:
        if not self.takes_batches:
            return ()
        return (peer for peer, held in self.held.items() if peer in self._up and not covers(self.vector, held))

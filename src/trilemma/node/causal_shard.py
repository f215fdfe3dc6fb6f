"""An `ap` shard on this node: commands are executed at once, what they did is one batch a turn.

Replies wait until the batch is durable here (or on as many replicas as WRITE names), and so do replies that show what
is not durable yet: nobody is shown what a crash could take back. `everysec` does not wait. Owns the order of a turn.
Does not know what is let in (node/causal_intake.py), how it is executed (node/causal_execution.py), nor what a reply
waits for (node/causal_replies.py). What is read of the shard is in node/causal_standing.py.
"""

from collections.abc import Callable, Sequence

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import Now
from trilemma.keyspace.settings import Keyspace
from trilemma.node.batch import Batch as UnitBatch
from trilemma.node.causal_execution import CausalExecution
from trilemma.node.causal_intake import CausalIntake
from trilemma.node.causal_replies import CausalReplies
from trilemma.node.causal_rows import CausalRows
from trilemma.node.causal_standing import CausalStanding
from trilemma.node.config import NodeConfig
from trilemma.node.questions import Questions
from trilemma.node.reaper import Reaper
from trilemma.node.spreading import Spreading
from trilemma.node.unit import NOT_EXECUTED, Result, Unit
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.replication.port import Message, Outbound
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import Engine, LogRecord, RowBatch


class CausalShard(CausalStanding):
    """See node/shard.py for the contract."""

    def __init__(
        self, config: NodeConfig, keyspace: Keyspace, shard: ShardId, replica: Leaderless, rows: ShardRows, entropy: int
    ) -> None:
        super().__init__(config, keyspace, shard, replica, CausalRows(rows, config.node_id, config.starts))
        self._execution = CausalExecution(config, replica, self._rows, entropy)
        self._questions = Questions(config.name, replica, keyspace)
        self._intake = CausalIntake(config, replica, self._questions, self._execution)
        self._spreading = Spreading(replica)
        self._replies = CausalReplies(config, keyspace, replica, self._rows, self._spreading)
        self._reaper = Reaper(config.node_id, replica, 0)
        self._now = Now(0, 0)
        self._up: frozenset[NodeId] = frozenset()
        self._offsets_ms: dict[NodeId, int] | None = None
        self._has_input = True
        self.next_deadline_us = 0
        """See ShardReplica."""
        self.is_idle = False
        """Whether nothing concerns this replica in this turn."""
        self.behind: Sequence[NodeId] = ()
        """Nobody is sent rows unasked."""
        self.donors: Sequence[NodeId] = ()
        """Peers whose rows this replica needs, because their log no longer has what it lacks."""

    def receive(self, sender: NodeId, message: Message, since_us: int | None = None) -> None:
        """See ShardReplica."""
        self._has_input = True
        self.replica.receive(sender, message, since_us)

    def persisted(self, token: int) -> None:
        """See ShardReplica."""
        if self.replica.persisted(token):
            self._has_input = True
        if self._intake.undurable.persisted(token):
            self._has_input = True

    def advance(self, now: Now, up: frozenset[NodeId], offsets_ms: dict[NodeId, int] | None = None) -> None:
        """See ShardReplica. A replica with nothing to do this turn is left alone."""
        self.is_idle = not self._has_input and up == self._up and now.mono_us < self.next_deadline_us
        self._now, self._up, self._offsets_ms = now, up, offsets_ms
        if not self.is_idle:
            self._advance()

    def _advance(self) -> None:
        self.is_idle = False
        self.replica.takes_batches = not self._intake.is_full and not self._intake.is_behind
        self.replica.acknowledges = self.keyspace.write_count > 1
        self.replica.advance(self._now, self._up, self._offsets_ms)

    def _wake(self) -> None:
        """Bring a replica that was left alone up to this turn."""
        self._has_input = True
        if self.is_idle:
            self._advance()

    def note_full_disks(self, full: frozenset[NodeId]) -> None:
        """See ShardReplica."""
        self._intake.is_full = self._config.node_id in full
        self._has_input = True

    def note_leaving(self, leaving: frozenset[NodeId]) -> None:
        """See ShardReplica: what they hold comes to the others by whoever has it."""

    def hold_writes(self, holds: bool) -> None:
        """See ShardReplica."""
        self._intake.holds_writes = holds
        self._has_input = True

    @property
    def holds_writes(self) -> bool:
        """See ShardReplica."""
        return self._intake.holds_writes

    def why_not_written(self) -> str | None:
        """See ShardReplica."""
        return self._intake.why_not_written()

    def submit(self, batch: UnitBatch) -> None:
        """See ShardReplica."""
        self._wake()
        self._intake.submit(batch, self.keyspace)

    def drop_answered(self) -> None:
        """See ShardReplica."""
        self._wake()
        self._intake.drop_answered()

    def refuse_fenced(self, why: Callable[[Unit], str | None]) -> None:
        """See ShardReplica: behind a fence no replica makes a batch that touches what it fences."""
        self._intake.refuse_fenced(self.keyspace, why)

    def run_stale(self, unit: Unit) -> Result:
        """See ShardReplica: not asked, since every read is current here."""
        return NOT_EXECUTED

    def run_leased(self, unit: Unit) -> Result:
        """See ShardReplica: nothing is leased."""
        return NOT_EXECUTED

    def collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        """See ShardReplica."""
        if self.is_idle:
            return (), False, ()
        self._has_input = False
        collected = self._collect(token)
        self.next_deadline_us = self._find_deadline_us()
        return collected

    def _collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        self._rows.expect(token)
        delivered = self.replica.take_delivered()
        self._rows.apply([batch for batch, _ in delivered])
        self._intake.take_answered(self.keyspace, self._now.mono_us, self._up)
        is_reaping = self._reaper.is_due(self._now.mono_us) and not self._intake.is_full and not self._intake.is_behind
        expired = self._reaper.expired(self._rows.view) if is_reaping else ()
        executed, wrote = self._execution.execute(expired, is_behind=self._intake.is_behind)
        self._replies.begin(self.keyspace, self._now)
        for each in executed:
            self._replies.give(each)
        swept = is_reaping and self._reaper.sweep(self._rows.view)
        if delivered or wrote:
            self._rows.seal(token, self.replica.reflected)
        elif swept:
            self._rows.seal(token - 1, self.replica.reflected)
        ready = self.replica.ready(token)
        self.donors = ready.needs_transfer
        self._spreading.release(self.keyspace, self._now.mono_us)
        self._note_undurable(token, ready.records)
        return ready.records, ready.must_sync, ready.messages

    def _note_undurable(self, token: int, records: Sequence[LogRecord]) -> None:
        size = sum(len(record.body) for record in records)
        if size:
            self._intake.undurable.add(token, size)

    # Rows and the disk

    def rows(self, durable_token: int) -> RowBatch | None:
        """See ShardReplica."""
        return self._rows.drain(durable_token)

    def flush_begins(self) -> None:
        """See ShardReplica."""
        self._rows.progress.flush_begins()

    def rows_flushed(self) -> None:
        """See ShardReplica."""
        self._rows.progress.flush_ended()

    def restate(self) -> list[LogRecord]:
        """See ShardReplica."""
        switched = self._switch.record
        return [*self.replica.restate(), *([switched] if switched is not None else [])]

    def let_go(self, stream: int, index: int) -> None:
        """See ShardReplica: what a majority holds."""
        self.replica.let_go(stream, index)

    def _find_deadline_us(self) -> int:
        if self._execution.can_go_on(is_behind=self._intake.is_behind) or self._questions.reads:
            return self._now.mono_us
        waits_us = [*self._spreading.deadlines_us(), *self._questions.deadlines_us()]
        return min([self.replica.next_deadline_us, self._reaper.next_us, *waits_us])

    def hand_over(self, *, may_wait: bool) -> bool:
        """See ShardReplica: there is nothing to hand over."""
        return False

    def stay(self) -> None:
        """See ShardReplica."""

    def hand_to(self, node: NodeId) -> bool:
        """See ShardReplica: nobody leads."""
        return False

    # Rows that move between nodes (node/transfer.py)

    def accepts(self, label: bytes) -> bool:
        """See Movable."""
        return not self._intake.is_full and self._switch.is_forward(label)

    def prepare_switch(self, generation: int, label: bytes) -> LogRecord:
        """See Movable."""
        return self._switch.prepare(generation, label)

    def switch(self, generation: int, label: bytes, engine: Engine) -> None:
        """See Movable."""
        self._has_input = True
        self._reaper.forget()
        self._switch.carry_out(generation, label, engine)

    def moved(self, peer: NodeId, label: bytes | None) -> None:
        """See Movable: the peer's own gossip will tell what it holds."""

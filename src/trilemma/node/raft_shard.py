"""A `cp` or `ca` shard on this node: commands become entries, committed entries become rows and replies.

Writes, and reads that must keep their place among them, go into one entry a turn (node/proposals.py). Other reads wait
for ReadIndex, or are served under a lease (node/raft_reads.py). Owns the order of a turn. Does not know what is let in
(node/raft_intake.py), how entries and reads are carried out (node/raft_execution.py, node/raft_answers.py), nor what
the rows hold and what makes an entry committed. What is read of the shard is in node/raft_standing.py.
"""

from collections.abc import Callable, Sequence

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import Now
from trilemma.keyspace.settings import Keyspace
from trilemma.node import internal, succession
from trilemma.node.applied import decode_label
from trilemma.node.batch import Batch
from trilemma.node.config import NodeConfig
from trilemma.node.execute import run_unit
from trilemma.node.once import is_once, run_once
from trilemma.node.proposals import Proposals
from trilemma.node.raft_answers import RaftAnswers
from trilemma.node.raft_execution import RaftExecution
from trilemma.node.raft_intake import RaftIntake
from trilemma.node.raft_reads import RaftReads
from trilemma.node.raft_rows import RaftRows
from trilemma.node.raft_standing import RaftStanding
from trilemma.node.unit import NOT_EXECUTED, Result, Unit
from trilemma.node.upkeep import Upkeep
from trilemma.replication.port import Entry, Message, Outbound
from trilemma.replication.raft.replica import Raft
from trilemma.resp.reply import encode
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import Engine, LogRecord, RowBatch


class RaftShard(RaftStanding):
    """See node/shard.py for the contract."""

    def __init__(self, config: NodeConfig, keyspace: Keyspace, shard: ShardId, raft: Raft, rows: ShardRows) -> None:
        super().__init__(config, keyspace, shard, raft, RaftRows(rows))
        self._answers = RaftAnswers(config, keyspace, raft, self._rows)
        self._reads = RaftReads(raft, self._rows, self._read)
        self._proposals = Proposals(raft, lambda db, key: self._rows.view.stored_bytes(db, key))
        self._intake = RaftIntake(config, raft, self._reads, self._proposals)
        self._execution = RaftExecution(raft, self._rows, self._proposals, self._answers, self._run)
        self._upkeep = Upkeep(raft, self._rows)
        self._now = Now(0, 0)
        self._up: frozenset[NodeId] = frozenset()
        self.behind: Sequence[NodeId] = ()
        """Peers whose next entry is gone: they need this shard's rows."""
        self._has_input = True
        self.is_idle = False
        self.next_deadline_us = 0
        """See ShardReplica."""

    # Inputs

    def receive(self, sender: NodeId, message: Message, since_us: int | None = None) -> None:
        """See ShardReplica."""
        self._has_input = True
        self.raft.receive(sender, message, since_us)

    def persisted(self, token: int) -> None:
        """See ShardReplica."""
        if self.raft.persisted(token):
            self._has_input = True

    def advance(self, now: Now, up: frozenset[NodeId], offsets_ms: dict[NodeId, int] | None = None) -> None:
        """See ShardReplica. A replica with nothing to do this turn is left alone: most are, most of the time."""
        self.is_idle = not self._has_input and up == self._up and now.mono_us < self.next_deadline_us
        self._now, self._up = now, up
        if not self.is_idle:
            self._advance()

    def _advance(self) -> None:
        self.is_idle = False
        self._answers.begin(self.keyspace, self._now)
        self.raft.advance(self._now, self._up)
        if self.raft.is_leader:
            if self._intake.is_full:
                full = self._intake.full_disks
                staying = self._up - self._intake.leaving
                succession.leave_to_whoever_has_room(self._config, self.raft, self.keyspace, staying, full)
            else:
                self._upkeep.propose(leases=self.serves_leased_reads)

    def _wake(self) -> None:
        """Bring a replica that was left alone up to this turn."""
        if self.is_idle:
            self._advance()

    def note_full_disks(self, full: frozenset[NodeId]) -> None:
        """See ShardReplica."""
        self._intake.full_disks = full
        self.raft.note_room(takes_entries=not self._intake.is_full)
        self._has_input = True

    def note_leaving(self, leaving: frozenset[NodeId]) -> None:
        """See ShardReplica."""
        self._intake.leaving = leaving
        self._has_input = True

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
        return self._intake.why_not_written(self.keyspace, self._up)

    def submit(self, batch: Batch) -> None:
        """See ShardReplica."""
        self._has_input = True
        self._wake()
        self._intake.submit(batch)

    def drop_answered(self) -> None:
        """See ShardReplica."""
        self._has_input = True
        self._wake()
        self._intake.drop_answered()

    def refuse_fenced(self, why: Callable[[Unit], str | None]) -> None:
        """See ShardReplica: what was submitted goes into the log ahead of the barrier that looks for it."""

    # Leadership

    def hand_over(self, *, may_wait: bool) -> bool:
        """See ShardReplica: what entries hold is answered before, for the next leader's commits may say too little."""
        heirs = [node for node in self.keyspace.replicas if node in self._up - self._intake.leaving]
        self._intake.settles = self.raft.is_leader and bool(heirs)
        if not heirs or not self.raft.is_leader:
            return bool(heirs) and self.raft.leader is None and self.why_down(self._up) is None
        self._has_input = True
        if not (may_wait and self._proposals.has_unanswered):
            succession.transfer_to_best(self.raft, heirs)
        return True

    def stay(self) -> None:
        """See ShardReplica."""
        self._intake.settles = False
        self._has_input = True

    def hand_to(self, node: NodeId) -> bool:
        """Begin to hand the leadership to a node; False where this replica does not lead or the node cannot."""
        self._has_input = True
        self._wake()
        if not self.raft.is_leader:
            return False
        return node == self._config.node_id or self.raft.transfer_leadership(node)

    def _lead(self, unit: Unit, heir: NodeId) -> Result:
        """Carry out KEYSPACE LEAD, where this replica leads; elsewhere the one that does carries it out."""
        if not self.raft.is_leader:
            return NOT_EXECUTED
        full, leaving = self._intake.full_disks, self._intake.leaving
        reason = succession.why_no_heir(self._config, self.raft, heir, self._up, full, leaving)
        if reason is None and not self.hand_to(heir):
            reason = "the hand-over could not begin"
        return succession.reply_of_lead(self._config, self.keyspace, unit, heir, reason)

    # The outcome of a turn

    def collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        """See ShardReplica."""
        if self.is_idle:
            return (), False, ()
        self._has_input = False
        collected = self._collect(token)
        self.next_deadline_us = self._find_deadline_us()
        return collected

    def _collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        self._intake.propose(self.keyspace, self._up)
        self._reads.ask(self.keyspace)
        ready = self.raft.ready(token)
        self.behind = ready.needs_snapshot
        self._reads.take_rounds(ready)
        if ready.committed and not self._switch.holds_back(ready.committed):
            self._execution.apply_all(ready.committed, token if ready.records else token - 1)
        self.raft.note_applied(self._rows.applied.index, self._rows.applied.term)
        self._reads.serve()
        self._proposals.release(self.keyspace)
        return ready.records, ready.must_sync, ready.messages

    def _find_deadline_us(self) -> int:
        if self._reads.can_go_on or self._intake.may_propose:
            return self._now.mono_us
        wait_us = self._upkeep.wait_us() if self.raft.is_leader and not self._intake.is_full else None
        deadline_us = self.raft.next_deadline_us
        return deadline_us if wait_us is None else min(deadline_us, self._now.mono_us + wait_us)

    # Entries and reads

    def _run(self, _entry: Entry, unit: Unit) -> Result:
        """Execute a unit of an entry, on every replica alike."""
        if is_once(unit):
            return run_once(self._rows.view, self._rows.once, unit, self.keyspace)
        return run_unit(self._rows.view, unit)

    def _read(self, unit: Unit) -> Result:
        if unit.argv and unit.argv[0] == internal.HELD:
            return [encode(self.held_by(self.applied_index), unit.protocol)]
        if unit.argv and unit.argv[0] == internal.LEAD:
            return self._lead(unit, int(unit.argv[1]))
        return self._answers.newest(unit)

    def run_stale(self, unit: Unit) -> Result:
        """See ShardReplica."""
        self._wake()
        return self._answers.stale(unit)

    def run_leased(self, unit: Unit) -> Result:
        """See ShardReplica: where the keyspace has leases, and this replica may hold one."""
        if not self.serves_leased_reads or self.raft.is_leader:
            return NOT_EXECUTED
        self._wake()
        return self._answers.leased(unit)

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
        flushed = self._rows.progress.flushed
        self.raft.compact(flushed.index, flushed.term)

    def restate(self) -> list[LogRecord]:
        """See ShardReplica."""
        switched = self._switch.record
        return [*self.raft.restate(), *([switched] if switched is not None else [])]

    def let_go(self, stream: int, index: int) -> None:
        """See ShardReplica: what is in flushed rows."""
        self._has_input = True
        self.raft.let_go(index)

    # Rows that move between nodes (node/transfer.py)

    def accepts(self, label: bytes) -> bool:
        """See Movable."""
        return not self._intake.is_full and self._switch.is_forward(label)

    def prepare_switch(self, generation: int, label: bytes) -> LogRecord:
        """See Movable: nothing more is applied, so the rows that serve stay older than the ones to come."""
        return self._switch.prepare(generation, label)

    def switch(self, generation: int, label: bytes, engine: Engine) -> None:
        """See Movable."""
        self._has_input = True
        self._wake()
        found = self._switch.carry_out(generation, label, engine)
        self._proposals.lose_track(found.base_index, self.keyspace)
        self._installed()

    def _installed(self) -> None:
        """New rows are in use."""

    def moved(self, peer: NodeId, label: bytes | None) -> None:
        """See Movable."""
        self._has_input = True
        self.raft.snapshot_sent(peer, 0 if label is None else decode_label(label).base_index)

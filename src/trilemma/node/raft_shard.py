"""A `cp` or `ca` shard on this node: commands become entries, committed entries become rows and replies.

Writes, and reads that must keep their place among them, go into one entry a turn (node/proposals.py). Other reads wait
for ReadIndex, or are served under a lease (node/raft_reads.py). Owns the order of a turn, and the switch to rows that
another node has sent; does not know what the rows hold, nor what makes an entry committed.
"""

from collections.abc import Callable, Sequence
from functools import partial

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import Now
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node import admission, internal
from trilemma.node import raft_report as report
from trilemma.node.applied import Applied, decode_label
from trilemma.node.backlog import HELD_REQUESTS_MAX
from trilemma.node.batch import Batch
from trilemma.node.config import NodeConfig
from trilemma.node.digest import Digest
from trilemma.node.dirty import DirtyKeys
from trilemma.node.execute import run_unit
from trilemma.node.once import is_known, is_once, run_once
from trilemma.node.proposals import Proposals, Proposed
from trilemma.node.raft_reads import RaftReads
from trilemma.node.raft_rows import RaftRows
from trilemma.node.raft_switch import RaftSwitch
from trilemma.node.receipt import AGAIN, NEWEST, NOTHING, STALE, UNBOUNDED, is_error, put_beside, receipt
from trilemma.node.request import Target
from trilemma.node.unit import NOT_EXECUTED, VALUE_BYTES_PER_TURN, Path, Result, Unit, decode_units
from trilemma.node.upkeep import Upkeep
from trilemma.replication.port import Entry, EntryKind, Message, Outbound
from trilemma.replication.raft.replica import Raft
from trilemma.resp.reply import OK, ErrorReply, Reply, encode
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import Engine, LogRecord, ReadView, RowBatch

register("no_heir", "ERR {name} cannot take over keyspace '{keyspace}': {reason}", "choose another node, or try later")


class RaftShard:
    """See node/shard.py for the contract."""

    def __init__(self, config: NodeConfig, keyspace: Keyspace, shard: ShardId, raft: Raft, rows: ShardRows) -> None:
        self.keyspace = keyspace
        self.shard = shard
        self.raft = raft
        self._config = config
        self._rows = RaftRows(rows)
        self._dirty = DirtyKeys(raft)
        self._proposals = Proposals(raft, lambda db, key: self._rows.view.stored_bytes(db, key))
        self._reads = RaftReads(raft, self._rows, self._read)
        self._upkeep = Upkeep(raft, self._rows)
        self._switch = RaftSwitch(raft, self._rows)
        self._now = Now(0, 0)
        self._up: frozenset[NodeId] = frozenset()
        self.behind: Sequence[NodeId] = ()
        """Peers whose next entry is gone: they need this shard's rows."""
        self._full_disks: frozenset[NodeId] = frozenset()
        self.holds_writes = False
        self._has_input = True
        self.is_idle = False
        self._deadline_us = 0

    @property
    def applied_index(self) -> int:
        """The index of the last entry that the rows reflect."""
        return self._rows.applied.index

    @property
    def defects(self) -> list[str]:
        """See ShardReplica."""
        return self._rows.view.defects

    def target(self) -> Target | None:
        """See ShardReplica."""
        return (self._config.node_id, self.raft.term) if self.raft.is_leader else None

    def leader(self) -> Target | None:
        """See ShardReplica."""
        return None if self.raft.leader is None else (self.raft.leader, self.raft.term)

    # Inputs

    def receive(self, sender: NodeId, message: Message) -> None:
        """See ShardReplica."""
        self._has_input = True
        self.raft.receive(sender, message)

    def persisted(self, token: int) -> None:
        """See ShardReplica."""
        if self.raft.persisted(token):
            self._has_input = True

    def advance(self, now: Now, up: frozenset[NodeId], offsets_ms: dict[NodeId, int] | None = None) -> None:
        """See ShardReplica. A replica with nothing to do this turn is left alone: most are, most of the time."""
        self.is_idle = not self._has_input and up == self._up and now.mono_us < self._deadline_us
        self._now, self._up = now, up
        if not self.is_idle:
            self._advance()

    def _advance(self) -> None:
        self.is_idle = False
        self.raft.advance(self._now, self._up)
        if self.raft.is_leader:
            if self._is_full:
                self._leave_to_whoever_has_room()
            else:
                self._upkeep.propose(leases=self.serves_leased_reads)

    def _wake(self) -> None:
        """Bring a replica that was left alone up to this turn."""
        if self.is_idle:
            self._advance()

    def note_full_disks(self, full: frozenset[NodeId]) -> None:
        """See ShardReplica."""
        self._full_disks = full
        self.raft.takes_entries = not self._is_full
        self._has_input = True

    def hold_writes(self, holds: bool) -> None:
        """See ShardReplica."""
        self.holds_writes = holds
        self._has_input = True

    @property
    def _is_full(self) -> bool:
        """Whether this node's own disk takes no further entries."""
        return self._config.node_id in self._full_disks

    def submit(self, batch: Batch) -> None:
        """See ShardReplica."""
        self._has_input = True
        self._wake()
        reads, logged = self._reads.waiting, self._proposals.waiting
        for position, unit in enumerate(batch.units):
            if position in batch.skipped:
                continue
            (reads if unit.path is Path.READ else logged).append((batch, position))

    def refuse_fenced(self, why: Callable[[Unit], str | None]) -> None:
        """See ShardReplica: what was submitted goes into the log ahead of the barrier that looks for it."""

    # Leadership

    def _leave_to_whoever_has_room(self) -> None:
        """Hand over where the own disk is full; reads go on here until then."""
        voters = [
            node
            for node in self.keyspace.replicas
            if node in self._up and node not in self._full_disks and node != self._config.node_id
        ]
        if voters:
            admission.transfer_to_best(self.raft, voters)

    def hand_over(self) -> bool:
        """See ShardReplica."""
        heirs = [node for node in self.keyspace.replicas if node in self._up]
        if not self.raft.is_leader or not heirs:
            return False
        admission.transfer_to_best(self.raft, heirs)
        return True

    def hand_to(self, node: NodeId) -> bool:
        """Begin to hand the leadership to a node; False where this replica does not lead or the node cannot."""
        self._has_input = True
        self._wake()
        if not self.raft.is_leader:
            return False
        return node == self._config.node_id or self.raft.transfer_leadership(node)

    # The outcome of a turn

    def collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        """See ShardReplica."""
        if self.is_idle:
            return (), False, ()
        self._has_input = False
        collected = self._collect(token)
        self._deadline_us = self._find_deadline_us()
        return collected

    def _collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        self._propose()
        self._reads.ask(self.keyspace)
        ready = self.raft.ready(token)
        self.behind = ready.needs_snapshot
        self._reads.take_rounds(ready)
        if not self._switch.holds_back(ready.committed) and ready.committed:
            self._apply_all(ready.committed, token if ready.records else token - 1)
        self.raft.note_applied(self._rows.applied.index, self._rows.applied.term)
        self._reads.serve()
        self._proposals.release(self.keyspace)
        return ready.records, ready.must_sync, ready.messages

    def _propose(self) -> None:
        proposals = self._proposals
        if not self.raft.is_leader:
            proposals.hand_back()
            return
        refused = self.why_not_written() if proposals.waiting else None
        if refused is not None:
            has_room = not self._is_full
            proposals.waiting = admission.without_writes(proposals.waiting, self.keyspace, refused, has_room=has_room)
        # A leader that takes nothing in for now may go on in its term. What it handed back meanwhile would be overtaken
        # by what its session sent later (PROTOCOLS §2.5), and would be refused by who may yet lead (§1.4). So it waits.
        if self.raft.holds_back or self.holds_writes:
            proposals.refuse_above(HELD_REQUESTS_MAX, self.keyspace)
        elif proposals.waiting:
            proposals.propose(proposals.next_waiters())

    def why_not_written(self) -> str | None:
        """Return why writes are refused now, by the admission rule (PROTOCOLS §3.7) or for a full disk, or None."""
        return admission.why_not_written(self._config, self.keyspace, self._up, self._full_disks)

    def why_down(self, up: frozenset[NodeId]) -> str | None:
        """See ShardReplica."""
        return admission.why_down(self._config, self.keyspace, up)

    @property
    def next_deadline_us(self) -> int:
        """See ShardReplica."""
        return self._deadline_us

    def _find_deadline_us(self) -> int:
        if self._reads.can_go_on or self._may_propose:
            return self._now.mono_us
        wait_us = self._upkeep.wait_us() if self.raft.is_leader and not self._is_full else None
        deadline_us = self.raft.next_deadline_us
        return deadline_us if wait_us is None else min(deadline_us, self._now.mono_us + wait_us)

    @property
    def _may_propose(self) -> bool:
        return bool(self._proposals.waiting) and not (self.raft.holds_back or self.holds_writes)

    # Entries

    def _apply_all(self, entries: Sequence[Entry], token: int) -> None:
        overlay = self._rows.overlay
        handled_max = overlay.handled_bytes + VALUE_BYTES_PER_TURN
        for entry in entries:
            if overlay.handled_bytes > handled_max:
                self.raft.hand_back(entry.index)
                break
            self._rows.must_follow(entry)
            self._apply(entry)
            self._rows.reached(entry)
        # Rows enter the engine only once this node's own log holds their entries (PROTOCOLS §6.5).
        self._rows.seal(0 if self.raft.durable_index >= self.applied_index else token)

    def _apply(self, entry: Entry) -> None:
        proposed = self._proposals.take(entry)
        if entry.kind is EntryKind.COMMANDS:
            self._apply_commands(entry, proposed)
        elif entry.kind is EntryKind.TICK:
            self._rows.tick(entry)

    def _apply_commands(self, entry: Entry, proposed: Proposed | None) -> None:
        """Run an entry's units; those that only read, where somebody waits for them here."""
        view = self._rows.view
        self._rows.begin(entry)
        if proposed is None:
            for unit in decode_units(entry.body):
                view.next_unit()
                if not unit.is_read:
                    self._run(entry, unit)
            return
        results: list[Result] = []
        receipts: list[Callable[[], None] | None] = []
        for unit in proposed.units:
            view.next_unit()
            is_again = unit.explain and is_once(unit) and is_known(self._rows.once, unit)
            result = self._run(entry, unit)
            results.append(result)
            told = partial(self._explain_logged, unit, result, entry, is_again=is_again) if unit.explain else None
            receipts.append(told)
        self._proposals.committed(entry.index, proposed, results, receipts)

    def _run(self, _entry: Entry, unit: Unit) -> Result:
        """Execute a unit of an entry, on every replica alike."""
        if is_once(unit):
            return run_once(self._rows.view, self._rows.once, unit, self.keyspace)
        return run_unit(self._rows.view, unit)

    # Reads

    def _read(self, unit: Unit) -> Result:
        if unit.argv and unit.argv[0] == internal.HELD:
            return [encode(self.held_by(self.applied_index), unit.protocol)]
        if unit.argv and unit.argv[0] == internal.LEAD:
            return self._lead(unit, int(unit.argv[1]))
        return self._run_read(unit, NEWEST)

    def _lead(self, unit: Unit, heir: NodeId) -> Result:
        """Carry out KEYSPACE LEAD, where this replica leads; elsewhere the one that does carries it out."""
        if not self.raft.is_leader:
            return NOT_EXECUTED
        reason = admission.why_no_heir(self._config, self.raft, heir, self._up, self._full_disks)
        if reason is None and not self.hand_to(heir):
            reason = "the hand-over could not begin"
        if reason is None:
            return [encode(OK, unit.protocol)]
        text = error("no_heir", name=self._config.member_name(heir), keyspace=self.keyspace.name, reason=reason).text
        return [encode(ErrorReply(text), unit.protocol)]

    def _run_read(self, unit: Unit, promise: str) -> Result:
        result = run_unit(self._rows.view, unit)
        if unit.explain:
            applied = self._rows.applied
            stale_ms_max = report.stale_ms_max(self.raft, applied, self._now) if promise == STALE else 0
            self._explain(unit, result, promise, stale_ms_max, applied)
        return result

    def run_stale(self, unit: Unit) -> Result:
        """See ShardReplica."""
        self._wake()
        self._rows.begin_read(self.raft.log_time_ms())
        return self._run_read(unit, STALE)

    def run_leased(self, unit: Unit) -> Result:
        """See ShardReplica: a clean key, under a live lease, with all applied that the lease names."""
        if not self.serves_leased_reads or self.raft.is_leader:
            return NOT_EXECUTED
        self._wake()
        index, rows = self.raft.local_read_index(), self._rows
        if index is None or rows.applied.index < index or not self._dirty.is_clean(unit, rows.applied.index):
            return NOT_EXECUTED
        rows.begin_read(self.raft.log_time_ms())
        if rows.is_overdue(unit):
            return NOT_EXECUTED
        return self._run_read(unit, NEWEST)

    @property
    def serves_leased_reads(self) -> bool:
        """Say whether followers of this shard may answer reads (`ca`, READ local)."""
        return self.keyspace.mode is Mode.CA or self.keyspace.read == "local"

    @property
    def allows_stale(self) -> bool:
        """See ShardReplica: `ca` never answers what may be stale."""
        return self.keyspace.mode is Mode.CP

    # Receipts of CAP EXPLAIN

    def _explain_logged(self, unit: Unit, result: Result, entry: Entry, *, is_again: bool) -> None:
        """Put beside a result the receipt of its own entry, as things stand when it is answered.

        Args:
            is_again: whether it is the first reply of a token that was known, of whatever time.
        """
        durable = f"durable on {self.keyspace.write}"
        if is_again:
            self._explain(unit, result, f"{AGAIN}, {durable}", UNBOUNDED, entry)
        else:
            self._explain(unit, result, NEWEST if unit.is_read else durable, 0, entry)

    def _explain(self, unit: Unit, result: Result, promise: str, stale_ms_max: int, at: Entry | Applied) -> None:
        if not isinstance(result, list):
            return
        if is_error(result):
            promise, stale_ms_max = NOTHING, UNBOUNDED

        def make() -> Reply:
            facts = report.of_entry(self.raft, at.index, at.term)
            return receipt(self._config, self.keyspace, unit, promise, stale_ms_max, facts)

        put_beside(result, unit, self.defects, make)

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

    def first_needed(self, stream: int) -> int:
        """See ShardReplica."""
        return self.raft.first_needed

    def let_go(self, stream: int, index: int) -> None:
        """See ShardReplica: what is in flushed rows."""
        self._has_input = True
        self.raft.let_go(index)

    # Rows that move between nodes (node/transfer.py)

    @property
    def generation(self) -> int:
        """The generation of rows in use."""
        return self._rows.overlay.generation

    def label_of(self, view: ReadView) -> bytes:
        """See Movable: the entry that the rows reflect, read from the rows themselves."""
        return self._switch.label_of(view)

    def accepts(self, label: bytes) -> bool:
        """See Movable."""
        return not self._is_full and self._switch.is_forward(label)

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

    # What others are told

    @property
    def position(self) -> int:
        """See ShardReplica: a log index."""
        return self.applied_index

    def held_by(self, position: int) -> int:
        """See ShardReplica."""
        return sum(node != self._config.node_id for node in self.raft.durable_on(position))

    def digest(self) -> tuple[str, str]:
        """See ShardReplica."""
        return f"index {self.applied_index}", self._rows.digest()

    def paged_digest(self, view: ReadView) -> Digest:
        """See ShardReplica."""
        return self._rows.paged_digest(f"index {decode_label(self.label_of(view)).base_index}", view)

    def facts(self) -> dict[str, object]:
        """See ShardReplica."""
        return report.facts(self._config, self.raft, self.applied_index, self._rows.progress.flushed.index)

    def lag(self) -> dict[NodeId, int | None]:
        """See ShardReplica: known to the leader."""
        return report.lag(self._config, self.keyspace, self.raft)

    def sizes(self) -> list[int]:
        """See ShardReplica."""
        return self._rows.sizes()

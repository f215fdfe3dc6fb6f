"""A `cp` or `ca` shard on this node: commands become entries, committed entries become rows and replies.

Writes, and reads that must keep their place among them, go into one entry a turn. Other reads wait for ReadIndex, or
are served under a lease. A unit's reply is made where the unit was handed in, when its entry is applied there: if the
entry at its index turns out to be another one, it did not happen and never will.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import invariant
from trilemma.base.time import Now
from trilemma.datatype.keyscan import DBS
from trilemma.datatype.once import OnceTable
from trilemma.datatype.plain import PlainView
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node import internal, refusal
from trilemma.node.batch import Batch
from trilemma.node.config import NodeConfig
from trilemma.node.digest import Digest
from trilemma.node.dirty import DirtyKeys
from trilemma.node.execute import run_unit, warnings_of
from trilemma.node.once import is_once, run_once
from trilemma.node.refusal import places_in
from trilemma.node.request import Target
from trilemma.node.unit import (
    NOT_EXECUTED,
    REPLY_BYTES_PER_TURN,
    Path,
    Result,
    Unit,
    decode_units,
    encode_units,
    result_bytes,
)
from trilemma.replication.port import Entry, EntryKind, Message, Outbound
from trilemma.replication.raft.configuration import Configuration
from trilemma.replication.raft.replica import Raft
from trilemma.replication.raft.settings import Settings, encode_settings
from trilemma.resp.reply import OK, ErrorReply, Reply, encode
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import Engine, LogRecord, ReadView, RecordKind, RowBatch
from trilemma.storage.rowkey import meta_key

register(
    "no_heir", "ERR {name} cannot take over: it has no vote, or no link to the leader is up", "choose another node"
)

APPLIED = b"applied"
"""The META row that says which entry the shard's rows reflect."""

REAP_KEYS_MAX = 1_000
"""Expired keys, and as many tokens too old to keep, that one TICK entry removes; more are due at the next."""


class Label(msgspec.Struct, frozen=True):
    """What a set of rows reflects; the fields are those of a SHARD_STATE's base."""

    base_index: int
    base_term: int
    stamp_ms: int
    configuration: Configuration
    leases: bool


encode_label = msgspec.msgpack.Encoder().encode
decode_label = msgspec.msgpack.Decoder(Label).decode

UNITS_MAX = 2_048
"""Units in one entry; what is over goes into the next turn's."""

Waiter = tuple[Batch, int]


class Applied(msgspec.Struct, frozen=True, array_like=True):
    """The APPLIED row: the last entry that the rows reflect."""

    index: int
    term: int
    stamp_ms: int


@dataclass(slots=True)
class _Proposed:
    """Units in an entry of this replica's making, and who waits for them."""

    term: int
    units: Sequence[Unit]
    waiters: Sequence[Waiter]


@dataclass(slots=True)
class _Committed:
    """Applied units whose replies still want more replicas to be durable."""

    index: int
    waiters: Sequence[Waiter]
    results: Sequence[Result]


class RaftShard:
    """See node/shard.py for the contract."""

    def __init__(self, config: NodeConfig, keyspace: Keyspace, shard: ShardId, raft: Raft, rows: ShardRows) -> None:
        self.keyspace = keyspace
        self.shard = shard
        self.raft = raft
        self._config = config
        self._rows = rows
        self._view = PlainView(rows)
        self._once = OnceTable(rows)
        self._dirty = DirtyKeys(raft)
        self._applied = self.read_applied(rows)
        self._sealed: deque[tuple[int, Applied]] = deque()
        """Per layer of rows that is not in the engine yet: the token it waits for, what it brings the rows to."""
        self._in_engine = self._flushing = self._flushed = self._applied
        self._now = Now(0, 0)
        self._up: frozenset[NodeId] = frozenset()
        self._logged: list[Waiter] = []
        self._reads: list[Waiter] = []
        self._proposed: dict[int, _Proposed] = {}
        self._asked: dict[int, list[Waiter]] = {}
        self._confirmed: list[tuple[int, list[Waiter]]] = []
        self._overdue: list[Waiter] = []
        """Reads of keys that are overdue: they wait for the tick (PROTOCOLS §4.2)."""
        self._overdue_at = 0
        """What was applied when they were last looked at."""
        self._may_be_overdue = False
        self._short: list[_Committed] = []
        self.behind: Sequence[NodeId] = ()
        """Peers whose next entry is gone: they need this shard's rows."""
        self._switched = rows.named_by
        """The record of the generation in use, or about to be."""
        self._held_back: list[Entry] | None = None
        """Committed entries that wait while a switch of generations becomes durable, None where none does."""
        self._next_context = 1
        self._full_disks: frozenset[NodeId] = frozenset()
        self._has_input = True
        self.is_idle = False
        self._deadline_us = 0
        self._ticked_index = 0
        self._settled_term = 0

    @staticmethod
    def read_applied(rows: ShardRows) -> Applied:
        """Return which entry the rows reflect."""
        row = rows.get(meta_key(rows.shard, rows.generation, APPLIED))
        return Applied(0, 0, 0) if row is None else msgspec.msgpack.decode(row, type=Applied)

    @property
    def applied_index(self) -> int:
        """The index of the last entry that the rows reflect."""
        return self._applied.index

    @property
    def defects(self) -> list[str]:
        """See ShardReplica."""
        return self._view.defects

    def target(self) -> Target | None:
        """See ShardReplica."""
        return (self._config.node_id, self.raft.term) if self.raft.is_leader else None

    def leader(self) -> Target | None:
        """See ShardReplica."""
        return None if self.raft.leader is None else (self.raft.leader, self.raft.term)

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
            self._tick()

    def _wake(self) -> None:
        """Bring a replica that was left alone up to this turn."""
        if self.is_idle:
            self._advance()

    def note_full_disks(self, full: frozenset[NodeId]) -> None:
        """See ShardReplica."""
        self._full_disks = full
        self.raft.takes_entries = self._config.node_id not in full
        self._has_input = True

    def _leave_to_whoever_has_room(self) -> None:
        """Hand over where the own disk is full; reads go on here until then."""
        voters = [
            node
            for node in self.keyspace.replicas
            if node in self._up and node not in self._full_disks and node != self._config.node_id
        ]
        if voters:
            self.raft.transfer_leadership(max(voters, key=lambda node: (self.raft.match_index(node), -node)))

    def _tick(self) -> None:
        """Have due keys removed on every replica at the same place in the log; have leases granted, or no more."""
        if self._config.node_id in self._full_disks:
            self._leave_to_whoever_has_room()
            return
        if self.raft.grants_leases != self.serves_leased_reads and self._settled_term != self.raft.term:
            self._settled_term = self.raft.term
            self.raft.propose(EntryKind.SETTINGS, encode_settings(Settings(self.serves_leased_reads)))
        due = self._next_due_ms()
        if due is not None and due <= self.raft.log_time_ms() and self._ticked_index <= self.applied_index:
            index = self.raft.propose(EntryKind.TICK, b"")
            self._ticked_index = index if index is not None else self._ticked_index

    def _next_due_ms(self) -> int | None:
        """Return the log time at which an entry has something to remove: an expired key, a token too old to keep."""
        key_ms, token_ms = self._view.next_deadline_ms(), self._once.next_due_ms()
        if key_ms is None or token_ms is None:
            return token_ms if key_ms is None else key_ms
        return min(key_ms, token_ms)

    def submit(self, batch: Batch) -> None:
        """See ShardReplica."""
        self._has_input = True
        self._wake()
        for position, unit in enumerate(batch.units):
            if position in batch.skipped:
                continue
            (self._reads if unit.path is Path.READ else self._logged).append((batch, position))

    def why_not_written(self) -> str | None:
        """Return why writes are refused now, by the admission rule (PROTOCOLS §3.7) or for a full disk, or None."""
        if self._config.node_id in self._full_disks:
            return refusal.disk_full([self._config.name])
        if self.keyspace.write != "all":
            return None
        full = [self._config.member_name(node) for node in self.keyspace.replicas if node in self._full_disks]
        if full:
            return refusal.disk_full(full)
        others = [node for node in self.keyspace.replicas if node != self._config.node_id]
        missing = [self._config.member_name(node) for node in others if node not in self._up]
        if not missing:
            return None
        total = len(self.keyspace.replicas)
        return f"{', '.join(missing)} cannot be reached from the leader, WRITE all needs {total} of {total} replicas"

    def why_down(self, up: frozenset[NodeId]) -> str | None:
        """See ShardReplica."""
        total = len(self.keyspace.replicas)
        needed = total // 2 + 1
        reached = sum(node == self._config.node_id or node in up for node in self.keyspace.replicas)
        if reached >= needed:
            return None
        return refusal.reaches(self._config.name, reached, total, needed)

    def refuse_fenced(self, why: Callable[[Unit], str | None]) -> None:
        """See ShardReplica: what was submitted goes into the log ahead of the barrier that looks for it."""

    def run_stale(self, unit: Unit) -> Result:
        """See ShardReplica."""
        self._wake()
        self._begin_read()
        return run_unit(self._view, unit, self._receipt)

    def run_leased(self, unit: Unit) -> Result:
        """See ShardReplica: a clean key, under a live lease, with all applied that the lease names."""
        if not self.serves_leased_reads or self.raft.is_leader:
            return NOT_EXECUTED
        self._wake()
        index = self.raft.local_read_index()
        if index is None or self._applied.index < index or not self._dirty.is_clean(unit, self._applied.index):
            return NOT_EXECUTED
        self._begin_read()
        if self._is_overdue(unit):
            return NOT_EXECUTED
        return run_unit(self._view, unit, self._receipt)

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
        self._ask()
        ready = self.raft.ready(token)
        self.behind = ready.needs_snapshot
        for context in ready.failed_reads:
            for batch, position in self._asked.pop(context, []):
                batch.complete(position, NOT_EXECUTED, 0)
        for context, index in ready.reads:
            self._confirmed.append((index, self._asked.pop(context, [])))
        if self._held_back is not None:
            self._held_back.extend(ready.committed)
        elif ready.committed:
            self._apply_all(ready.committed, token if ready.records else token - 1)
        self._serve_reads()
        self._release_short()
        return ready.records, ready.must_sync, ready.messages

    def _propose(self) -> None:
        waiters, self._logged = self._logged[:UNITS_MAX], self._logged[UNITS_MAX:]
        if not waiters:
            return
        refused = self.why_not_written()
        if refused is not None:
            waiters = self._refuse_writes(waiters, refused)
            if not waiters:
                return
        units = [batch.units[position] for batch, position in waiters]
        index = self.raft.propose(EntryKind.COMMANDS, encode_units(units))
        if index is None:
            for batch, position in waiters:
                batch.complete(position, NOT_EXECUTED, 0)
            return
        self._proposed[index] = _Proposed(self.raft.term, units, waiters)

    def _refuse_writes(self, waiters: Sequence[Waiter], reason: str) -> list[Waiter]:
        text = refusal.down(self.keyspace, reason)
        left = []
        has_room = self._config.node_id not in self._full_disks
        for batch, position in waiters:
            if has_room and batch.units[position].is_read:
                left.append((batch, position))
            else:
                batch.complete(position, text, 0)
        return left

    def _ask(self) -> None:
        """Begin to confirm this turn's reads, all in one round, or serve them under a lease."""
        reads, self._reads = self._reads, []
        if not reads:
            return
        if self.keyspace.read in ("lease", "local") and self.raft.lease_read_ok():
            self._confirmed.append((self.raft.commit_index, reads))
            return
        context = self._next_context
        self._next_context += 1
        if self.raft.read_index(context):
            self._asked[context] = reads
        else:
            for batch, position in reads:
                batch.complete(position, NOT_EXECUTED, 0)

    def _apply_all(self, entries: Sequence[Entry], token: int) -> None:
        for entry in entries:
            invariant(entry.index == self._applied.index + 1, "entries are applied in order, each once")
            self._apply(entry)
            self._applied = Applied(entry.index, entry.term, max(entry.stamp_ms, self._applied.stamp_ms))
        self._rows.put(
            meta_key(self._rows.shard, self._rows.generation, APPLIED), msgspec.msgpack.encode(self._applied)
        )
        # Rows enter the engine only once this node's own log holds their entries (PROTOCOLS §6.5).
        token = 0 if self.raft.durable_index >= entries[-1].index else token
        self._rows.seal(token)
        self._sealed.append((token, self._applied))

    def _apply(self, entry: Entry) -> None:
        proposed = self._proposed.pop(entry.index, None)
        if entry.kind is EntryKind.COMMANDS:
            self._apply_commands(entry, proposed)
            return
        if entry.kind is EntryKind.TICK:
            self._view.begin(entry.index, entry.stamp_ms, entry.stamp_ms, entry.seed)
            self._view.reap(REAP_KEYS_MAX)
            self._once.reap(entry.stamp_ms, REAP_KEYS_MAX)
        if proposed is not None:
            self._not_executed(proposed)

    def _apply_commands(self, entry: Entry, proposed: _Proposed | None) -> None:
        mine = proposed is not None and proposed.term == entry.term
        units = proposed.units if proposed is not None and mine else decode_units(entry.body)
        self._view.begin(entry.index, entry.stamp_ms, entry.stamp_ms, entry.seed)
        if proposed is None or not mine:
            for unit in units:
                self._view.next_unit()
                if not unit.is_read:
                    self._run(entry, unit)
            if proposed is not None:
                self._not_executed(proposed)
            return
        results = [self._run_next(entry, unit) for unit in units]
        self._short.append(_Committed(entry.index, proposed.waiters, results))

    def _run_next(self, entry: Entry, unit: Unit) -> Result:
        self._view.next_unit()
        return self._run(entry, unit)

    def _run(self, _entry: Entry, unit: Unit) -> Result:
        """Execute a unit of an entry, on every replica alike."""
        if is_once(unit):
            return run_once(self._view, self._once, unit, self.keyspace)
        return run_unit(self._view, unit, self._receipt)

    def _not_executed(self, proposed: _Proposed) -> None:
        """Another entry stands where these units were proposed: they did not happen and never will."""
        for batch, position in proposed.waiters:
            batch.complete(position, NOT_EXECUTED, 0)

    def _release_short(self) -> None:
        """Answer what enough replicas hold durably."""
        left = []
        for committed in self._short:
            if self._is_held_enough(committed.index):
                for (batch, position), result in zip(committed.waiters, committed.results, strict=True):
                    batch.complete(position, result, 0)
            elif not self.raft.is_leader:
                self._answer_short(committed)
            else:
                left.append(committed)
        self._short = left

    def _is_held_enough(self, index: int) -> bool:
        if self.keyspace.write != "all":
            return True
        return self.raft.is_leader and len(self.raft.durable_on(index)) >= len(self.keyspace.replicas)

    def _answer_short(self, committed: _Committed) -> None:
        """Answer units that were committed, but on fewer replicas than WRITE names, by a leader that was deposed."""
        text = refusal.uncertain(self.keyspace, "it was committed, but not confirmed by all replicas")
        for (batch, position), result in zip(committed.waiters, committed.results, strict=True):
            batch.complete(position, result if batch.units[position].is_read else text, 0)

    def _serve_reads(self) -> None:
        if self._overdue:
            self._look_at_overdue()
        if not self._confirmed:
            return
        left = []
        self._begin_read()
        budget = REPLY_BYTES_PER_TURN
        for index, waiters in self._confirmed:
            if index > self._applied.index:
                left.append((index, waiters))
                continue
            for served, (batch, position) in enumerate(waiters):
                if budget <= 0:
                    left.append((index, waiters[served:]))
                    break
                if self._is_overdue(batch.units[position]):
                    self._overdue.append((batch, position))
                    self._overdue_at = self._applied.index
                    continue
                result = self._read(batch.units[position])
                budget -= result_bytes(result)
                batch.complete(position, result, 0)
        self._confirmed = left

    def _look_at_overdue(self) -> None:
        """Serve what waited for a tick once something was applied; give it up where this replica leads no more."""
        if self.raft.is_leader and self._applied.index == self._overdue_at:
            return
        waiters, self._overdue = self._overdue, []
        if self.raft.is_leader:
            self._confirmed.append((self._applied.index, waiters))
            return
        for batch, position in waiters:
            batch.complete(position, NOT_EXECUTED, 0)

    def _is_overdue(self, unit: Unit) -> bool:
        """Say whether a unit reads a key whose deadline has passed by log time, but by no applied entry yet."""
        if not self._may_be_overdue or (unit.argv and unit.argv[0] in internal.WITHOUT_DATA):
            return False
        places = list(places_in(unit))
        return any(self._view.is_overdue(db, key) for db, key in places) if places else self._view.holds_overdue()

    def _read(self, unit: Unit) -> Result:
        if unit.argv and unit.argv[0] == internal.HELD:
            return [encode(self.held_by(self._applied.index), unit.protocol)]
        if unit.argv and unit.argv[0] == internal.LEAD:
            heir = int(unit.argv[1])
            done = self.hand_to(heir)
            name = self._config.member_name(heir)
            return [encode(OK if done else ErrorReply(error("no_heir", name=name).text), unit.protocol)]
        return run_unit(self._view, unit, self._receipt)

    def hand_to(self, node: NodeId) -> bool:
        """Begin to hand the leadership to a node; False where this replica does not lead or the node cannot."""
        self._has_input = True
        self._wake()
        if not self.raft.is_leader:
            return False
        return node == self._config.node_id or self.raft.transfer_leadership(node)

    def _begin_read(self) -> None:
        stamp_ms = self._applied.stamp_ms
        now_ms = max(stamp_ms, self.raft.log_time_ms())
        self._view.begin(self._applied.index, stamp_ms, now_ms, self._applied.index)
        due_ms = self._view.next_deadline_ms()
        self._may_be_overdue = due_ms is not None and due_ms <= now_ms

    def _receipt(self, unit: Unit) -> dict[bytes, Reply]:
        fresh = "stale: current at some time" if self.target() is None else "newest acknowledged"
        return {
            b"node": self._config.name.encode(),
            b"keyspace": self.keyspace.name.encode(),
            b"mode": self.keyspace.mode.value.encode(),
            b"promise": (fresh if unit.is_read else f"durable on {self.keyspace.write}").encode(),
            b"index": self._applied.index,
            b"term": self._applied.term,
            b"replicas": len(self.raft.durable_on(self._applied.index)),
            b"warnings": warnings_of(unit, self.keyspace),
        }

    def rows(self, durable_token: int) -> RowBatch | None:
        """See ShardReplica."""
        while self._sealed and self._sealed[0][0] <= durable_token:
            self._in_engine = self._sealed.popleft()[1]
        return self._rows.drain(durable_token)

    def flush_begins(self) -> None:
        """See ShardReplica."""
        self._flushing = self._in_engine

    def rows_flushed(self) -> None:
        """See ShardReplica."""
        self._flushed = self._flushing
        self.raft.compact(self._flushed.index, self._flushed.term)

    def restate(self) -> list[LogRecord]:
        """See ShardReplica."""
        return [*self.raft.restate(), *([self._switched] if self._switched is not None else [])]

    def first_needed(self, stream: int) -> int:
        """See ShardReplica."""
        return self.raft.first_needed

    @property
    def next_deadline_us(self) -> int:
        """See ShardReplica."""
        return self._deadline_us

    def _find_deadline_us(self) -> int:
        if self._logged or (self._confirmed and self._confirmed[0][0] <= self._applied.index):
            return self._now.mono_us
        deadline = self.raft.next_deadline_us
        can_tick = self.raft.is_leader and self._config.node_id not in self._full_disks
        due = self._next_due_ms() if can_tick and self._ticked_index <= self.applied_index else None
        if due is None:
            return deadline
        return min(deadline, self._now.mono_us + max(due - self.raft.log_time_ms(), 1) * 1_000)

    @property
    def allows_stale(self) -> bool:
        """See ShardReplica: `ca` never answers what may be stale."""
        return self.keyspace.mode is Mode.CP

    def hand_over(self) -> bool:
        """See ShardReplica."""
        heirs = [node for node in self.keyspace.replicas if node in self._up]
        if not self.raft.is_leader or not heirs:
            return False
        self.raft.transfer_leadership(max(heirs, key=lambda node: (self.raft.match_index(node), -node)))
        return True

    def digest(self) -> tuple[str, str]:
        """See ShardReplica."""
        return f"index {self._applied.index}", self._view.digest(self._content_ranges)

    @property
    def _content_ranges(self) -> list[tuple[bytes, bytes]]:
        """The rows that are the shard's content: keys, and the tokens of CAP ONCE."""
        return [self._view.key_range, self._once.key_range]

    def paged_digest(self, view: ReadView) -> Digest:
        """See ShardReplica."""
        reflects = f"index {decode_label(self.label_of(view)).base_index}"
        return Digest(reflects, view, self._content_ranges, self._view.row_hash)

    @property
    def serves_leased_reads(self) -> bool:
        """Say whether followers of this shard may answer reads (`ca`, READ local)."""
        return self.keyspace.mode is Mode.CA or self.keyspace.read == "local"

    # Rows that move between nodes (node/transfer.py)

    @property
    def generation(self) -> int:
        """The generation of rows in use."""
        return self._rows.generation

    def label_of(self, view: ReadView) -> bytes:
        """See Movable: the entry that the rows reflect, read from the rows themselves."""
        row = view.get(meta_key(self.shard, self.generation, APPLIED))
        applied = Applied(0, 0, 0) if row is None else msgspec.msgpack.decode(row, type=Applied)
        configuration, leases = self.raft.configuration, self.raft.grants_leases
        return encode_label(Label(applied.index, applied.term, applied.stamp_ms, configuration, leases))

    def accepts(self, label: bytes) -> bool:
        """See Movable."""
        if self._config.node_id in self._full_disks:
            return False
        return not self.raft.is_leader and decode_label(label).base_index > self._applied.index

    def prepare_switch(self, generation: int, label: bytes) -> LogRecord:
        """See Movable: nothing more is applied, so the rows that serve stay older than the ones to come."""
        found = decode_label(label)
        body = msgspec.to_builtins(found) | {"generation": generation, "term": self.raft.term}
        record = LogRecord(RecordKind.GENERATION, self.shard, 0, 0, found.base_term, msgspec.msgpack.encode(body))
        self._switched = record
        self._held_back = []
        return record

    def switch(self, generation: int, label: bytes, engine: Engine) -> None:
        """See Movable."""
        self._has_input = True
        self._wake()
        # What was held back comes again: the entries above the new rows are handed out anew.
        self._held_back = None
        self._rows = ShardRows(engine, self.shard, generation, self._switched)
        self._view = PlainView(self._rows)
        self._once = OnceTable(self._rows)
        self._applied = self.read_applied(self._rows)
        self._sealed.clear()
        self._in_engine = self._flushing = self._flushed = self._applied
        found = decode_label(label)
        self.raft.install(found.base_index, found.base_term, found.configuration, found.leases)
        self._lose_track(found.base_index)
        self._installed()

    def _lose_track(self, index: int) -> None:
        """Answer what was proposed here at entries that came as rows: whether it is among them nobody can tell."""
        text = refusal.uncertain(self.keyspace, "the entry came as part of a snapshot")
        for place in [place for place in self._proposed if place <= index]:
            proposed = self._proposed.pop(place)
            for (batch, position), unit in zip(proposed.waiters, proposed.units, strict=True):
                batch.complete(position, NOT_EXECUTED if unit.is_read else text, 0)

    def _installed(self) -> None:
        """New rows are in use."""

    def moved(self, peer: NodeId, label: bytes | None) -> None:
        """See Movable."""
        self._has_input = True
        self.raft.snapshot_sent(peer, 0 if label is None else decode_label(label).base_index)

    @property
    def position(self) -> int:
        """See ShardReplica: a log index."""
        return self._applied.index

    def held_by(self, position: int) -> int:
        """See ShardReplica."""
        return sum(node != self._config.node_id for node in self.raft.durable_on(position))

    def facts(self) -> dict[str, object]:
        """See ShardReplica."""
        raft = self.raft
        leader = None if raft.leader is None else self._config.member_name(raft.leader)
        return {
            "role": raft.role.value,
            "term": raft.term,
            "leader": leader or "none",
            "last_index": raft.last_index,
            "commit_index": raft.commit_index,
            "applied_index": self._applied.index,
            "flushed_index": self._flushed.index,
        }

    def lag(self) -> dict[NodeId, int]:
        """See ShardReplica: known to the leader."""
        if not self.raft.is_leader:
            return {}
        others = [node for node in self.keyspace.replicas if node != self._config.node_id]
        return {node: max(self.raft.last_index - self.raft.match_index(node), 0) for node in others}

    def sizes(self) -> list[int]:
        """See ShardReplica."""
        return [self._view.size(db) for db in range(DBS)]

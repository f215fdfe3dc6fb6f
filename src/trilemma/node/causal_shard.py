"""An `ap` shard on this node: commands are executed at once, what they did is one batch a turn.

Replies wait until the batch is durable here (or on as many replicas as WRITE names), and so do replies that show what
is not durable yet: nobody is shown what a crash could take back. `everysec` does not wait.
"""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import InvariantViolated
from trilemma.base.limits import GIB, MIB, limit
from trilemma.base.prng import SplitMix64
from trilemma.base.time import Now
from trilemma.crdt.vector import covers, join, text
from trilemma.datatype.operations import encode_operations
from trilemma.keyspace.settings import Keyspace
from trilemma.node import causal_report as report
from trilemma.node import internal, refusal
from trilemma.node.allowance import Allowance, why_not_executed
from trilemma.node.batch import Batch as UnitBatch
from trilemma.node.batch import Waiter
from trilemma.node.causal_rows import CausalRows, decode_vector, encode_vector, label_of
from trilemma.node.config import NodeConfig
from trilemma.node.digest import Digest
from trilemma.node.execute import run_unit
from trilemma.node.questions import Questions, asks_others
from trilemma.node.reaper import Reaper
from trilemma.node.receipt import put_beside
from trilemma.node.request import Target
from trilemma.node.spreading import Spreading, until_us
from trilemma.node.undurable import Undurable
from trilemma.node.unit import NOT_EXECUTED, VALUE_BYTES_PER_TURN, Path, Result, Unit
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.replication.port import Message, Outbound
from trilemma.resp.reply import Reply, encode
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import Engine, LogRecord, ReadView, RecordKind, RowBatch

UNDURABLE_BYTES_MAX = limit(
    "undurable_bytes_max",
    32 * MIB,
    "bytes per shard",
    "a small APPEND writes a whole value: batches are made faster than the disk takes them",
    "commands wait until the disk has caught up, and peers' batches are asked for again",
)
UNSHARED_BYTES_MAX = limit(
    "unshared_bytes_max",
    GIB,
    "bytes per shard",
    "what no majority of the replicas holds is never dropped from the log",
    "writes are refused: CLUSTERDOWN ... no majority of the replicas holds yet",
)


class CausalShard:
    """See node/shard.py for the contract."""

    def __init__(
        self, config: NodeConfig, keyspace: Keyspace, shard: ShardId, replica: Leaderless, rows: ShardRows, entropy: int
    ) -> None:
        self.keyspace = keyspace
        self.shard = shard
        self.replica = replica
        self._config = config
        self._rows = CausalRows(rows, config.node_id)
        self._random = SplitMix64(entropy)
        self._now = Now(0, 0)
        self._up: frozenset[NodeId] = frozenset()
        self._offsets_ms: dict[NodeId, int] | None = None
        self._has_input = True
        self._deadline_us = 0
        self._is_full = False
        self.holds_writes = False
        self.is_idle = False
        """Whether nothing concerns this replica in this turn."""
        self._units: list[Waiter] = []
        """Units to execute at the end of the turn."""
        self._undurable = Undurable()
        """Records of this shard."""
        self._questions = Questions(config.name, replica, keyspace)
        self._spreading = Spreading(replica)
        self._reaper = Reaper(config.node_id, replica, 0)
        self.behind: Sequence[NodeId] = ()
        """Nobody is sent rows unasked."""
        self.donors: Sequence[NodeId] = ()
        """Peers whose rows this replica needs, because their log no longer has what it lacks."""
        self._switched = rows.named_by
        """The record of the generation in use, or about to be."""

    @property
    def defects(self) -> list[str]:
        """See ShardReplica."""
        return self._rows.view.defects

    def target(self) -> Target | None:
        """See ShardReplica: every replica executes, from its first turn to its last."""
        return self._config.node_id, self._config.starts

    def leader(self) -> Target | None:
        """See ShardReplica: there is none."""
        return None

    def receive(self, sender: NodeId, message: Message) -> None:
        """See ShardReplica."""
        self._has_input = True
        self.replica.receive(sender, message)

    def persisted(self, token: int) -> None:
        """See ShardReplica."""
        if self.replica.persisted(token):
            self._has_input = True
        if self._undurable.persisted(token):
            self._has_input = True

    def advance(self, now: Now, up: frozenset[NodeId], offsets_ms: dict[NodeId, int] | None = None) -> None:
        """See ShardReplica. A replica with nothing to do this turn is left alone."""
        self.is_idle = not self._has_input and up == self._up and now.mono_us < self._deadline_us
        self._now, self._up, self._offsets_ms = now, up, offsets_ms
        if not self.is_idle:
            self._advance()

    def _advance(self) -> None:
        self.is_idle = False
        self.replica.takes_batches = not self._is_full and not self._is_behind
        self.replica.acknowledges = self.keyspace.write_count > 1
        self.replica.advance(self._now, self._up, self._offsets_ms)

    def _wake(self) -> None:
        """Bring a replica that was left alone up to this turn."""
        self._has_input = True
        if self.is_idle:
            self._advance()

    def note_full_disks(self, full: frozenset[NodeId]) -> None:
        """See ShardReplica."""
        self._is_full = self._config.node_id in full
        self._has_input = True

    def hold_writes(self, holds: bool) -> None:
        """See ShardReplica."""
        self.holds_writes = holds
        self._has_input = True

    @property
    def _is_behind(self) -> bool:
        """Whether the disk has to catch up before anything more is written."""
        return self.holds_writes or self._undurable.bytes > UNDURABLE_BYTES_MAX

    def why_not_written(self) -> str | None:
        """Return why writes are refused now, or None: a full disk, or too much that nobody else holds."""
        if self._is_full:
            return refusal.disk_full([self._config.name])
        if self.replica.retained_bytes > UNSHARED_BYTES_MAX:
            return "too much was written that no majority of the replicas holds yet"
        return None

    def submit(self, batch: UnitBatch) -> None:
        """See ShardReplica."""
        self._wake()
        count = self.keyspace.read_count
        ahead = self._questions.lines() if count == 1 else ()
        refused = self.why_not_written()
        units, reads, barriers = self._units, self._questions.reads, self._questions.barriers
        for place, unit in enumerate(batch.units):
            if place in batch.skipped:
                continue
            if refused is not None and not unit.is_read:
                batch.complete(place, refusal.down(self.keyspace, refused), 0)
                continue
            asks = asks_others(unit) if count > 1 else bool(ahead) and batch.line(place) in ahead
            is_barrier = bool(unit.argv) and unit.argv[0] == internal.HOLDS_PREFIX
            (barriers if is_barrier else reads if asks else units).append((batch, place))

    def refuse_fenced(self, why: Callable[[Unit], str | None]) -> None:
        """See ShardReplica: behind a fence no replica makes a batch that touches what it fences."""

        def passes(waiter: Waiter) -> bool:
            batch, place = waiter
            reason = why(batch.units[place])
            if reason is not None:
                batch.complete(place, refusal.down(self.keyspace, reason, batch.units[place]), 0)
            return reason is None

        self._units = [waiter for waiter in self._units if passes(waiter)]
        self._questions.keep(passes)

    def run_stale(self, unit: Unit) -> Result:
        """See ShardReplica: not asked, since every read is current here."""
        return NOT_EXECUTED

    def run_leased(self, unit: Unit) -> Result:
        """See ShardReplica: nothing is leased."""
        return NOT_EXECUTED

    @property
    def allows_stale(self) -> bool:
        """See ShardReplica: READONLY changes nothing here."""
        return False

    def collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        """See ShardReplica."""
        if self.is_idle:
            return (), False, ()
        self._has_input = False
        collected = self._collect(token)
        self._deadline_us = self._find_deadline_us()
        return collected

    def _collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        self._rows.expect(token)
        delivered = self.replica.take_delivered()
        self._rows.apply([batch for batch, _ in delivered])
        self._take_answered()
        is_reaping = self._reaper.is_due(self._now.mono_us) and not self._is_full and not self._is_behind
        wrote = self._execute(token, is_reaping)
        swept = is_reaping and self._reaper.sweep(self._rows.view)
        if delivered or wrote:
            self._rows.seal(token, self.replica.vector)
        elif swept:
            self._rows.seal(token - 1, self.replica.vector)
        ready = self.replica.ready(token)
        self.donors = ready.needs_transfer
        self._spreading.release(self.keyspace, self._now.mono_us)
        self._note_undurable(token, ready.records)
        return ready.records, ready.must_sync, ready.messages

    def _note_undurable(self, token: int, records: Sequence[LogRecord]) -> None:
        size = sum(len(record.body) for record in records)
        if size:
            self._undurable.add(token, size)

    def _take_answered(self) -> None:
        """Have executed what enough replicas have answered about; meanwhile the disk may have become full."""
        refused = self.why_not_written()
        for batch, place in self._questions.take_answered(self.keyspace, self._now.mono_us, self._up):
            if refused is None or batch.units[place].is_read:
                self._units.append((batch, place))
            else:
                batch.complete(place, refusal.down(self.keyspace, refused), 0)

    def _execute(self, token: int, is_reaping: bool) -> bool:
        """Execute the turn's units as one batch, with removals of what has expired; return whether it holds any."""
        view = self._rows.view
        expired = self._reaper.expired(view) if is_reaping else []
        if not (self._can_execute or expired):
            return False
        header = self.replica.next_header()
        view.begin(header, self.replica.expiry.now_ms, self._random.next())
        for db, key in expired:
            view.remove_expired(db, key)
        results = self._run_within(Allowance(view))
        wrote = bool(view.operations)
        if wrote:
            self.replica.append(header._replace(body=encode_operations(view.operations)))
        for waiter, result, shown, has_written in results:
            self._answer(waiter, result, token if has_written else shown, header.seq if has_written else 0)
        return wrote

    @property
    def _can_execute(self) -> bool:
        """Whether the first unit can be executed now; while the disk is behind, those that come first and only read."""
        if not self._units:
            return False
        batch, place = self._units[0]
        return batch.units[place].path is Path.READ or not self._is_behind

    def _run_within(self, allowance: Allowance) -> list[tuple[Waiter, Result, int, bool]]:
        """Execute units as far as a turn's bounds allow; the rest has the next turn."""
        results: list[tuple[Waiter, Result, int, bool]] = []
        overlay = self._rows.overlay
        handled_max = overlay.handled_bytes + VALUE_BYTES_PER_TURN
        taken = 0
        is_behind = self._is_behind
        for batch, place in self._units:
            unit = batch.units[place]
            if overlay.handled_bytes > handled_max or not allowance.has_room_for(unit):
                break
            if is_behind and unit.path is not Path.READ:
                break
            taken += 1
            if batch.is_answered(place):
                continue
            result, shown, has_written = self._run(unit)
            allowance.spend(result)
            results.append(((batch, place), result, shown, has_written))
        del self._units[:taken]
        return results

    def _run(self, unit: Unit) -> tuple[Result, int, bool]:
        """Execute a unit; return its result, the token its replies wait for by what they show, whether it wrote."""
        if unit.argv and unit.argv[0] == internal.HELD:
            return [encode(self.held_by(int(unit.argv[1])), unit.protocol)], 0, False
        if unit.argv and unit.argv[0] == internal.POSITION:
            # What it names must not be lost any more: the reply waits until all of it is durable.
            return [encode(encode_vector(self._position()), unit.protocol)], self._rows.shown_token(), False
        if unit.argv and unit.argv[0] == internal.CONFLICTS:
            told = report.conflicts(self._config, self._rows.view, int(unit.argv[1]))
            return [encode(told, unit.protocol)], self._rows.shown_token(), False
        if unit.parts and (refused := why_not_executed(unit)) is not None:
            return refused, 0, False
        view = self._rows.view
        before = len(view.operations)
        view.next_unit()
        result = run_unit(view, unit)
        shown = self._rows.shown_token() if view.looks_at_all else view.touched_token
        return result, shown, len(view.operations) > before

    def _position(self) -> dict[NodeId, int]:
        """Return what is applied up to here, this turn's own batch included."""
        header = self.replica.next_seq if self._rows.view.operations else 0
        return join((self.replica.vector, {self._config.node_id: header}))

    def _answer(self, waiter: Waiter, result: Result, token: int, seq: int) -> None:
        batch, place = waiter
        unit = batch.units[place]
        if seq and self.keyspace.write_count > 1:
            receipt = partial(self._explain, unit, result, seq) if unit.explain else None
            deadline_us = until_us(batch.deadline_us(place), self.keyspace, self._now.mono_us)
            self._spreading.add(waiter, result, seq, deadline_us, receipt)
            return
        argv = unit.argv
        waits = self.keyspace.durability != "everysec" or (argv and argv[0] == internal.POSITION)
        if unit.explain:
            # What a receipt names must not be lost any more, as that which its reply shows.
            token = max(token, self._rows.shown_token())
            self._explain(unit, result, seq, self._held(seq, token if waits else 0))
        batch.complete(place, result, token if waits else 0)

    def _held(self, seq: int, token: int) -> int:
        """Return how many replicas will be known to hold a batch, 0: all that is here, once a token is durable."""
        holders = self.replica.holders(seq) if seq else self.replica.holders_of(self.replica.vector)
        return len({*holders, self._config.node_id} if token else holders)

    def _explain(self, unit: Unit, result: Result, seq: int, held: int) -> None:
        """Put its receipt beside a result."""
        if isinstance(result, list):

            def make() -> Reply:
                return report.receipt(self._config, self.keyspace, self.replica, self._now, unit, result, seq, held)

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

    def restate(self) -> list[LogRecord]:
        """See ShardReplica."""
        return [*self.replica.restate(), *([self._switched] if self._switched is not None else [])]

    def first_needed(self, stream: int) -> int:
        """See ShardReplica: what rows on disk lack, and what a peer may still ask for."""
        return min(self._rows.progress.flushed.get(stream, 0) + 1, self.replica.first_retained(stream))

    def let_go(self, stream: int, index: int) -> None:
        """See ShardReplica: what a majority holds."""
        self.replica.let_go(stream, index)

    @property
    def next_deadline_us(self) -> int:
        """See ShardReplica."""
        return self._deadline_us

    def _find_deadline_us(self) -> int:
        if self._can_execute or self._questions.reads:
            return self._now.mono_us
        waits_us = [*self._spreading.deadlines_us(), *self._questions.deadlines_us()]
        return min([self.replica.next_deadline_us, self._reaper.next_us, *waits_us])

    def why_down(self, up: frozenset[NodeId]) -> str | None:
        """See ShardReplica: a replica always serves."""
        return None

    def hand_over(self) -> bool:
        """See ShardReplica: there is nothing to hand over."""
        return False

    def hand_to(self, node: NodeId) -> bool:
        """See ShardReplica: nobody leads."""
        return False

    def digest(self) -> tuple[str, str]:
        """See ShardReplica."""
        return f"vector {text(self.replica.vector)}", self._rows.view.digest()

    def paged_digest(self, view: ReadView) -> Digest:
        """See ShardReplica."""
        reflects = f"vector {text(decode_vector(self.label_of(view)))}"
        return Digest(reflects, view, [self._rows.view.key_range], self._rows.view.row_hash)

    # Rows that move between nodes (node/transfer.py)

    @property
    def generation(self) -> int:
        """The generation of rows in use."""
        return self._rows.overlay.generation

    def label_of(self, view: ReadView) -> bytes:
        """See Movable: the vector that the rows reflect, read from the rows themselves."""
        return label_of(view, self.shard, self.generation)

    def accepts(self, label: bytes) -> bool:
        """See Movable: rows that have something new, on top of which all that is held here can be put again."""
        vector = decode_vector(label)
        if self._is_full:
            return False
        return not covers(self.replica.vector, vector) and self.replica.held_above(vector) is not None

    def prepare_switch(self, generation: int, label: bytes) -> LogRecord:
        """See Movable: no batch is let go, so what the rows lack can be put on top of them."""
        body = msgspec.msgpack.encode({"generation": generation, "vector": decode_vector(label)})
        record = LogRecord(RecordKind.GENERATION, self.shard, 0, 0, 0, body)
        self._switched = record
        self.replica.keeps_all = True
        return record

    def switch(self, generation: int, label: bytes, engine: Engine) -> None:
        """See Movable: what is held here and the rows lack, whoever wrote it, is applied on top (PROTOCOLS §5.8)."""
        self._has_input = True
        vector = decode_vector(label)
        above = self.replica.held_above(vector)
        if above is None:
            raise InvariantViolated("batches that the new rows lack are kept until the switch")
        self.replica.keeps_all = False
        self._rows.use(ShardRows(engine, self.shard, generation, self._switched), vector)
        for batch in above:
            self._rows.view.apply(batch)
        self._reaper.forget()
        self.replica.install(vector)
        # Sealed before anything else is delivered: a vector ahead of its rows would be handed on with them.
        # All of it was handed to the log before this turn; the turn's own token may never have a write.
        self._rows.seal(self.replica.undurable_token, self.replica.vector)
        self.replica.deliver_early()

    def moved(self, peer: NodeId, label: bytes | None) -> None:
        """See Movable: the peer's own gossip will tell what it holds."""

    @property
    def position(self) -> int:
        """See ShardReplica: the sequence of the newest own batch."""
        return self.replica.vector.get(self._config.node_id, 0)

    def held_by(self, position: int) -> int:
        """See ShardReplica."""
        return sum(node != self._config.node_id for node in self.replica.holders(position))

    def facts(self) -> dict[str, object]:
        """See ShardReplica."""
        return report.facts(self.replica)

    def lag(self) -> dict[NodeId, int | None]:
        """See ShardReplica."""
        return report.lag(self.replica)

    def sizes(self) -> list[int]:
        """See ShardReplica."""
        return self._rows.sizes()

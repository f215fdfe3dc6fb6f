"""An `ap` shard on this node: commands are executed at once, what they did is one batch a turn.

Replies wait until the batch is durable here (or on as many replicas as WRITE names), and so do replies that show what
is not durable yet: nobody is shown what a crash could take back. `everysec` does not wait.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from trilemma.base.hlc import stamp_ms
from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import InvariantViolated
from trilemma.base.limits import GIB, limit
from trilemma.base.prng import SplitMix64
from trilemma.base.time import US_PER_MS, Now
from trilemma.crdt.entry import Written
from trilemma.crdt.vector import covers, join, text
from trilemma.datatype.causal import CausalView, encode_operations
from trilemma.datatype.keyscan import DBS
from trilemma.keyspace.settings import Keyspace
from trilemma.node import internal, refusal
from trilemma.node.batch import Batch as UnitBatch
from trilemma.node.config import NodeConfig
from trilemma.node.digest import Digest
from trilemma.node.execute import run_unit, warnings_of
from trilemma.node.reaper import Reaper
from trilemma.node.request import Target
from trilemma.node.unit import NOT_EXECUTED, REPLY_BYTES_PER_TURN, Path, Result, Unit, result_bytes
from trilemma.replication.leaderless.replica import Answer, Leaderless
from trilemma.replication.port import Message, Outbound
from trilemma.resp.reply import Reply, encode
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import Engine, LogRecord, ReadView, RecordKind, RowBatch
from trilemma.storage.rowkey import meta_key

VECTOR = b"applied"
"""The META row that says which batches the shard's rows reflect."""

UNITS_MAX = 2_048
"""Units executed in one turn, and in one batch; what is over has the next turn."""

UNSHARED_BYTES_MAX = limit(
    "unshared_bytes_max",
    GIB,
    "bytes per shard",
    "what no majority of the replicas holds is never dropped from the log",
    "writes are refused: CLUSTERDOWN ... no majority of the replicas holds yet",
)

Waiter = tuple[UnitBatch, int]

_encode_vector = msgspec.msgpack.Encoder().encode
_decode_vector = msgspec.msgpack.Decoder(dict[NodeId, int]).decode


@dataclass(slots=True)
class _Short:
    """A write that fewer replicas hold than WRITE names."""

    seq: int
    deadline_us: int
    waiter: Waiter
    result: Result


@dataclass(slots=True)
class _Asked:
    """What waits until enough replicas have said what they hold, and it is here."""

    question: int
    wanted: int
    """How many others must have answered."""
    is_barrier: bool
    """Whether what they had made, but did not hold durably yet, must be here as well."""
    deadline_us: int
    waiters: list[Waiter]


class CausalShard:
    """See node/shard.py for the contract."""

    def __init__(
        self, config: NodeConfig, keyspace: Keyspace, shard: ShardId, replica: Leaderless, rows: ShardRows, entropy: int
    ) -> None:
        self.keyspace = keyspace
        self.shard = shard
        self.replica = replica
        self._config = config
        self._rows = rows
        self._view = CausalView(rows, config.node_id)
        self._random = SplitMix64(entropy)
        self._now = Now(0, 0)
        self._up: frozenset[NodeId] = frozenset()
        self._offsets_ms: dict[NodeId, int] | None = None
        self._has_input = True
        self._deadline_us = 0
        self._is_full = False
        self.is_idle = False
        """Whether nothing concerns this replica in this turn."""
        self._units: list[Waiter] = []
        self._last_token = 0
        self._written_token = 0
        """The token by which all that the rows show is durable."""
        self._short: list[_Short] = []
        self._reads: list[Waiter] = []
        self._barriers: list[Waiter] = []
        """Units that are to see whatever any replica has taken by now."""
        self._asked: list[_Asked] = []
        self._reaper = Reaper(config.node_id, replica, 0)
        self.behind: Sequence[NodeId] = ()
        """Nobody is sent rows unasked."""
        self.donors: Sequence[NodeId] = ()
        """Peers whose rows this replica needs, because their log no longer has what it lacks."""
        self._switched = rows.named_by
        self._sealed: deque[tuple[int, dict[NodeId, int]]] = deque()
        self._in_engine = self._flushing = self._flushed = self.read_vector(rows)

    @staticmethod
    def read_vector(rows: ShardRows) -> dict[NodeId, int]:
        """Return which batches the rows reflect."""
        row = rows.get(meta_key(rows.shard, rows.generation, VECTOR))
        return {} if row is None else _decode_vector(row)

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

    def advance(self, now: Now, up: frozenset[NodeId], offsets_ms: dict[NodeId, int] | None = None) -> None:
        """See ShardReplica. A replica with nothing to do this turn is left alone."""
        self.is_idle = not self._has_input and up == self._up and now.mono_us < self._deadline_us
        self._now, self._up, self._offsets_ms = now, up, offsets_ms
        if not self.is_idle:
            self._advance()

    def _advance(self) -> None:
        self.is_idle = False
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
        self.replica.takes_batches = not self._is_full
        self._has_input = True

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
        refused = self.why_not_written()
        for place, unit in enumerate(batch.units):
            if place in batch.skipped:
                continue
            if refused is not None and not unit.is_read:
                batch.complete(place, refusal.down(self.keyspace, refused), 0)
                continue
            asks = count > 1 and unit.path is Path.READ and not (unit.argv and unit.argv[0][:1] == b"\x00")
            is_barrier = bool(unit.argv) and unit.argv[0] == internal.HOLDS_PREFIX
            (self._barriers if is_barrier else self._reads if asks else self._units).append((batch, place))

    def refuse_fenced(self, why: Callable[[Unit], str | None]) -> None:
        """See ShardReplica: behind a fence no replica makes a batch that touches what it fences."""
        left: list[Waiter] = []
        for batch, place in self._units:
            reason = why(batch.units[place])
            if reason is None:
                left.append((batch, place))
            else:
                batch.complete(place, refusal.down(self.keyspace, reason), 0)
        self._units = left

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

    @property
    def _undurable_token(self) -> int:
        """The token by which all that was handed to the log so far is durable."""
        return self._last_token

    def collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        """See ShardReplica."""
        if self.is_idle:
            return (), False, ()
        self._has_input = False
        collected = self._collect(token)
        self._deadline_us = self._find_deadline_us()
        return collected

    def _collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        self._last_token = token
        self._rows.expect(token)
        delivered = self.replica.take_delivered()
        if delivered:
            self._written_token = token
        for batch, _ in delivered:
            self._view.apply(batch)
        self._read_answered()
        is_reaping = self._reaper.is_due(self._now.mono_us) and not self._is_full
        wrote = self._execute(token, is_reaping)
        swept = is_reaping and self._reaper.sweep(self._view)
        if delivered or wrote:
            self._seal(token)
        elif swept:
            self._seal(token - 1)
        ready = self.replica.ready(token)
        self.donors = ready.needs_transfer
        self._release_short()
        return ready.records, ready.must_sync, ready.messages

    def _execute(self, token: int, is_reaping: bool) -> bool:
        """Execute the turn's units as one batch, with removals of what has expired; return whether it holds any."""
        expired = self._reaper.expired(self._view) if is_reaping else []
        if not self._units and not expired:
            return False
        header = self.replica.next_header()
        self._view.begin(header, self.replica.expiry.now_ms, self._random.next())
        for db, key in expired:
            self._view.remove_expired(db, key)
        results = self._run_within(REPLY_BYTES_PER_TURN)
        wrote = bool(self._view.operations)
        if wrote:
            self.replica.append(header._replace(body=encode_operations(self._view.operations)))
        for waiter, result, shown, has_written in results:
            self._answer(waiter, result, token if has_written else shown, header.seq if has_written else 0)
        return wrote

    def _read_answered(self) -> None:
        """Ask for this turn's reads and barriers; execute those of which enough replicas have answered (READ n)."""
        if not self._reads and not self._barriers and not self._asked:
            return
        reads, self._reads = self._reads, []
        barriers, self._barriers = self._barriers, []
        self._ask(reads, self.keyspace.read_count - 1, is_barrier=False)
        self._ask(barriers, len(self.replica.peers), is_barrier=True)
        self._asked = [asked for asked in self._asked if not self._is_read(asked)]

    def _ask(self, waiters: list[Waiter], wanted: int, *, is_barrier: bool) -> None:
        if not waiters:
            return
        reached = sum(peer in self._up for peer in self.replica.peers)
        if reached < wanted:
            total = len(self.keyspace.replicas)
            text = refusal.down(self.keyspace, refusal.reaches(self._config.name, reached + 1, total, wanted + 1))
            self._refuse(waiters, text)
            return
        deadline_us = self._now.mono_us + self.keyspace.timeout_ms * US_PER_MS
        self._asked.append(_Asked(self.replica.ask(), wanted, is_barrier, deadline_us, waiters))

    def _is_read(self, asked: _Asked) -> bool:
        """Deal with what was asked for if the answers have come, or did not in time; say whether that is done."""
        answers = self.replica.answers[asked.question]
        if sum(self._has_come(asked, peer, answer) for peer, answer in answers.items()) >= asked.wanted:
            self._units.extend(asked.waiters)
        elif self._now.mono_us >= asked.deadline_us:
            text = f"{1 + len(answers)} of {1 + asked.wanted} replicas answered in time"
            self._refuse(asked.waiters, refusal.down(self.keyspace, text))
        else:
            return False
        self.replica.forget(asked.question)
        return True

    def _has_come(self, asked: _Asked, peer: NodeId, answer: Answer) -> bool:
        vector = self.replica.vector
        is_made_here = not asked.is_barrier or vector.get(peer, 0) >= answer.made
        return is_made_here and covers(vector, answer.durable)

    def _refuse(self, waiters: list[Waiter], text: bytes) -> None:
        for batch, place in waiters:
            batch.complete(place, text, 0)

    def _run_within(self, budget: int) -> list[tuple[Waiter, Result, int, bool]]:
        """Execute units until their replies fill the budget; the rest has the next turn."""
        results: list[tuple[Waiter, Result, int, bool]] = []
        for batch, place in self._units:
            if budget <= 0 or len(results) >= UNITS_MAX:
                break
            result, shown, has_written = self._run(batch.units[place])
            budget -= result_bytes(result)
            results.append(((batch, place), result, shown, has_written))
        del self._units[: len(results)]
        return results

    def _run(self, unit: Unit) -> tuple[Result, int, bool]:
        """Execute a unit; return its result, the token its replies wait for by what they show, whether it wrote."""
        if unit.argv and unit.argv[0] == internal.HELD:
            return [encode(self.held_by(self.position), unit.protocol)], 0, False
        if unit.argv and unit.argv[0] == internal.POSITION:
            # What it names must not be lost any more: the reply waits until all of it is durable.
            return [encode(_encode_vector(self._position()), unit.protocol)], self._shown_token(), False
        if unit.argv and unit.argv[0] == internal.CONFLICTS:
            return [encode(self._conflicts(int(unit.argv[1])), unit.protocol)], self._shown_token(), False
        before = len(self._view.operations)
        self._view.next_unit()
        result = run_unit(self._view, unit, self._receipt)
        return result, self._view.touched_token, len(self._view.operations) > before

    def _shown_token(self) -> int:
        """Return the token by which all that is applied up to here, in this turn too, is durable."""
        return self._last_token if self._view.operations else self._written_token

    def _position(self) -> dict[NodeId, int]:
        """Return what is applied up to here, this turn's own batch included."""
        header = self.replica.next_seq if self._view.operations else 0
        return join((self.replica.vector, {self._config.node_id: header}))

    def _conflicts(self, keys_max: int) -> Reply:
        rows: list[Reply] = []
        for conflict in self._view.conflicts(keys_max):
            hidden: list[Reply] = [self._told(written) for written in conflict.hidden]
            row: list[Reply] = [conflict.db, conflict.key, self._told(conflict.shown), hidden]
            rows.append(row)
        return rows

    def _told(self, written: Written) -> Reply:
        """Return a SET as CAP CONFLICTS shows it: value, who wrote it, when by its stamp in ms."""
        told: list[Reply] = [written.value, self._config.member_name(written.dot.node).encode()]
        told.append(stamp_ms(written.stamp))
        return told

    def _answer(self, waiter: Waiter, result: Result, token: int, seq: int) -> None:
        batch, place = waiter
        if seq and self.keyspace.write_count > 1:
            deadline_us = self._now.mono_us + self.keyspace.timeout_ms * US_PER_MS
            self._short.append(_Short(seq, deadline_us, waiter, result))
            return
        argv = batch.units[place].argv
        waits = self.keyspace.durability != "everysec" or (argv and argv[0] == internal.POSITION)
        batch.complete(place, result, token if waits else 0)

    def _release_short(self) -> None:
        """Answer what as many replicas hold as WRITE names; say how many do where that takes too long."""
        left = []
        for short in self._short:
            held = len(self.replica.holders(short.seq))
            batch, place = short.waiter
            if held >= self.keyspace.write_count:
                batch.complete(place, short.result, 0)
            elif self._now.mono_us >= short.deadline_us:
                reason = f"it is on {held} of {self.keyspace.write_count} and will spread"
                batch.complete(place, refusal.uncertain(self.keyspace, reason), 0)
            else:
                left.append(short)
        self._short = left

    def _seal(self, token: int) -> None:
        self._written_token = max(self._written_token, token)
        vector = self.replica.vector
        self._rows.put(meta_key(self._rows.shard, self._rows.generation, VECTOR), _encode_vector(vector))
        self._rows.seal(token)
        self._sealed.append((token, vector))

    def _receipt(self, unit: Unit) -> dict[bytes, Reply]:
        promise = f"durable on {self.keyspace.write}, spreads to all" if not unit.is_read else "own side's newest"
        return {
            b"node": self._config.name.encode(),
            b"keyspace": self.keyspace.name.encode(),
            b"mode": self.keyspace.mode.value.encode(),
            b"promise": promise.encode(),
            b"vector": text(self.replica.vector).encode(),
            b"replicas": 1 + sum(peer in self._up for peer in self.replica.peers),
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

    def restate(self) -> list[LogRecord]:
        """See ShardReplica."""
        return [*self.replica.restate(), *([self._switched] if self._switched is not None else [])]

    def first_needed(self, stream: int) -> int:
        """See ShardReplica: what rows on disk lack, and what a peer may still ask for."""
        return min(self._flushed.get(stream, 0) + 1, self.replica.first_retained(stream))

    @property
    def next_deadline_us(self) -> int:
        """See ShardReplica."""
        return self._deadline_us

    def _find_deadline_us(self) -> int:
        if self._units or self._reads:
            return self._now.mono_us
        waits_us = [*(short.deadline_us for short in self._short), *(asked.deadline_us for asked in self._asked)]
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
        return f"vector {text(self.replica.vector)}", self._view.digest()

    def paged_digest(self, view: ReadView) -> Digest:
        """See ShardReplica."""
        reflects = f"vector {text(_decode_vector(self.label_of(view)))}"
        return Digest(reflects, view, [self._view.key_range], self._view.row_hash)

    # Rows that move between nodes (node/transfer.py)

    @property
    def generation(self) -> int:
        """The generation of rows in use."""
        return self._rows.generation

    def label_of(self, view: ReadView) -> bytes:
        """See Movable: the vector that the rows reflect, read from the rows themselves."""
        return view.get(meta_key(self.shard, self.generation, VECTOR)) or _encode_vector({})

    def accepts(self, label: bytes) -> bool:
        """See Movable: rows that have something new, on top of which all that is held here can be put again."""
        vector = _decode_vector(label)
        if self._is_full:
            return False
        return not covers(self.replica.vector, vector) and self.replica.held_above(vector) is not None

    def prepare_switch(self, generation: int, label: bytes) -> LogRecord:
        """See Movable: no batch is let go, so what the rows lack can be put on top of them."""
        body = msgspec.msgpack.encode({"generation": generation, "vector": _decode_vector(label)})
        record = LogRecord(RecordKind.GENERATION, self.shard, 0, 0, 0, body)
        self._switched = record
        self.replica.keeps_all = True
        return record

    def switch(self, generation: int, label: bytes, engine: Engine) -> None:
        """See Movable: what is held here and the rows lack, whoever wrote it, is applied on top (PROTOCOLS §5.8)."""
        self._has_input = True
        vector = _decode_vector(label)
        above = self.replica.held_above(vector)
        if above is None:
            raise InvariantViolated("batches that the new rows lack are kept until the switch")
        self.replica.keeps_all = False
        self._rows = ShardRows(engine, self.shard, generation, self._switched)
        self._view = CausalView(self._rows, self._config.node_id)
        for batch in above:
            self._view.apply(batch)
        self._sealed.clear()
        self._reaper.forget()
        self.replica.install(vector)
        self._in_engine = self._flushing = self._flushed = vector
        # Sealed before anything else is delivered: a vector ahead of its rows would be handed on with them.
        self._seal(self._undurable_token)
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
        return {
            "role": "replica",
            "vector": text(self.replica.vector),
            "durable": text(self.replica.durable),
            "clock_trusted": "yes" if self.replica.expiry.is_trusted else "no",
        }

    def lag(self) -> dict[NodeId, int]:
        """See ShardReplica."""
        own = self.replica.vector
        held = self.replica.held
        return {
            peer: sum(max(seq - held.get(peer, {}).get(node, 0), 0) for node, seq in own.items())
            for peer in self.replica.peers
        }

    def sizes(self) -> list[int]:
        """See ShardReplica."""
        return [self._view.size(db) for db in range(DBS)]

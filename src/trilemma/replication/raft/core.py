"""What a replica keeps whatever its role: log, term and vote, configuration, commit index, time, what goes out.

Owns the changes that concern several of them at once. Decides nothing about leadership: that is the roles' part.
Paper figure 2 (state), §5.1 (terms), §6 (a configuration is in force from when it is in the log).
"""

from collections.abc import Sequence

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import invariant
from trilemma.base.prng import SplitMix64
from trilemma.base.time import Now
from trilemma.replication.port import Entry, EntryKind, Message
from trilemma.replication.raft.bounds import Bounds
from trilemma.replication.raft.configuration import Configuration, decode_configuration
from trilemma.replication.raft.currency import Currency
from trilemma.replication.raft.election import Refusal
from trilemma.replication.raft.entry import Header, body_of, decode_entry, encode_payload, kind_of
from trilemma.replication.raft.leases import HeldLease
from trilemma.replication.raft.log_time import LogTime
from trilemma.replication.raft.recovery import Recovery
from trilemma.replication.raft.settings import leases_set_by
from trilemma.replication.raft.state import HardState, ShardState, state_record
from trilemma.replication.raft.timing import ElectionTimer, Timing, refusal_us
from trilemma.storage.port import LogRecord


class Core:
    """One replica's state, shared by its roles."""

    def __init__(
        self,
        shard: ShardId,
        node: NodeId,
        timing: Timing,
        seed: int,
        found: Recovery,
        now: Now,
        applied_index: int,
        bounds: Bounds,
    ) -> None:
        self.shard = shard
        self.node = node
        self.timing = timing
        self.bounds = bounds
        self.random = SplitMix64(seed)
        self.timer = ElectionTimer(timing, self.random)
        self.now = now
        self.up: frozenset[NodeId] = frozenset()
        self.since_us: int | None = None
        """Since when the message that is judged may have been made, by the own clock; None where that is not known."""
        self.log = found.log
        self.state = HardState(found.term, found.voted_for)
        self.configurations = found.configurations
        self.leases = found.leases
        self.log_time = LogTime(found.stamp_ms, now)
        self.refusal = Refusal(refusal_us(timing), now.mono_us, found.term > 0)
        self.held = HeldLease(timing.margin_us, self.random.next() >> 2)
        self.commit_index = max(found.commit_index, applied_index)
        self.handed_index = applied_index
        self.replicated_index = 0
        self.currency = Currency()
        self.truncations = 0
        """Counts the times that entries were replaced: whoever remembers what they held must look again."""
        self.flushed_index = found.log.base_index
        self.outbox: list[tuple[NodeId, Message]] = []
        self._reach: tuple[frozenset[NodeId], Configuration, bool] | None = None
        self._base_changed = False
        self.remembers_commit = False
        """Whether the commit index is to be made durable as it stands, with the next records."""
        self._base_in_force = found.log.base_index
        invariant(
            self.log.base_index <= applied_index <= self.log.last_index, "rows lie between the log's base and end"
        )

    @property
    def term(self) -> int:
        """The current term."""
        return self.state.term

    @property
    def configuration(self) -> Configuration:
        """The configuration in force: the newest in the log, committed or not."""
        return self.configurations.newest

    @property
    def is_voter(self) -> bool:
        """Say whether this replica has a vote."""
        return self.node in self.configuration.voters

    def quorum_reachable(self, up: frozenset[NodeId]) -> bool:
        """Say whether this node and those in `up` are a majority of the voters."""
        configuration = self.configuration
        if self._reach is None or self._reach[0] is not up or self._reach[1] is not configuration:
            self._reach = (up, configuration, self._reaches_quorum(up))
        return self._reach[2]

    def _reaches_quorum(self, up: frozenset[NodeId]) -> bool:
        voters = self.configuration.voters
        return sum(voter == self.node or voter in up for voter in voters) >= self.configuration.quorum

    def send(self, peer: NodeId, message: Message) -> None:
        """Put a message into this turn's outcome."""
        self.outbox.append((peer, message))

    def adopt_term(self, term: int) -> None:
        """Move to a higher term; what was lent in an earlier one is void."""
        self.state.adopt(term)
        self.held.drop()

    def make_entry(self, kind: EntryKind, body: bytes) -> int:
        """Append an entry of one's own making, stamped with log time; return its index."""
        header = Header(kind, self.log_time.now_ms, self.random.next(), self.commit_index)
        return self.append(self.term, encode_payload(header, body))

    def append(self, term: int, payload: bytes) -> int:
        """Append an entry; a configuration or setting in it is in force from now on."""
        index = self.log.append(term, payload)
        kind = kind_of(payload)
        if kind is EntryKind.CONFIGURATION:
            self._put_in_force(index, decode_configuration(body_of(payload)))
        elif kind is EntryKind.SETTINGS:
            leases = leases_set_by(body_of(payload))
            if leases is not None:
                self._set_leases(index, leases)
        return index

    def _put_in_force(self, index: int, configuration: Configuration) -> None:
        self.configurations.append(index, configuration)
        if self.node not in configuration.voters:
            self.held.drop()

    def _set_leases(self, index: int, leases: bool) -> None:
        self.leases.append(index, leases)
        if not leases:
            self.held.drop()

    def truncate(self, first: int) -> None:
        """Drop the entries from `first` on, which another leader's replace."""
        self._must_not_be_committed(first)
        self.truncations += 1
        self.log.truncate(first)
        self.configurations.truncate(first - 1)
        self.leases.truncate(first - 1)
        self.held.drop()

    def _must_not_be_committed(self, first: int) -> None:
        invariant(first > self.commit_index, "a committed entry is never replaced")

    def commit_to(self, index: int) -> None:
        """Raise the commit index."""
        if index > self.commit_index:
            invariant(index <= self.log.last_index, "what is committed is in the log")
            self.commit_index = index

    def take_committed(self) -> Sequence[Entry]:
        """Return the next committed entries, in order, each once."""
        first, last = self.handed_index + 1, self.commit_index
        if first > last:
            return ()
        entries = self.entries(first, last)
        invariant(bool(entries) and entries[0].index == first, "committed entries that are not applied are kept")
        self.handed_index = entries[-1].index
        self.log.evict(self.handed_index)
        return entries

    def hand_back(self, first: int) -> None:
        """Have committed entries from `first` on, of those handed out last, handed out again: there was no time."""
        invariant(first <= self.handed_index, "what is handed back was handed out")
        self.handed_index = first - 1

    @property
    def has_more_committed(self) -> bool:
        """Say whether `take_committed` left some for the next turn."""
        return self.handed_index < self.commit_index

    def entries(self, first: int, last: int) -> list[Entry]:
        """Return entries first..last, fewer where they are many bytes; committed or not."""
        stored = self.log.slice(first, min(last, self.log.last_index), self.bounds.apply_bytes)
        return [decode_entry(index, term, payload) for index, (term, payload) in enumerate(stored, first)]

    def take_records(self, token: int) -> tuple[list[LogRecord], bool]:
        """Return what the node's log must hold before this turn's promises, and whether somebody waits for it."""
        state_changed = self.state.take_change(token)
        entries = self.log.take_records(token, self.now.mono_us)
        restated = state_changed or self._base_changed or self.remembers_commit
        records: list[LogRecord] = [*self.restate()] if restated else []
        records.extend(entries)
        must_sync = state_changed or bool(entries) or self.remembers_commit
        self._base_changed = self.remembers_commit = False
        return records, must_sync

    def restate(self) -> list[LogRecord]:
        """Return the record of term, vote, commit index and base."""
        base_index = self.log.base_index
        self._base_in_force = base_index
        state = ShardState(
            self.term,
            self.state.voted_for,
            min(self.commit_index, self.log.last_index),
            base_index,
            self.log.terms.at(base_index) or 0,
            self.log_time.now_ms,
            self.leases.at(base_index),
            self.configurations.at(base_index),
        )
        return [state_record(self.shard, state)]

    @property
    def first_needed(self) -> int:
        """The lowest index that a restart or a lagging peer needs; a record already handed out names the base below."""
        return self._base_in_force + 1

    def compact(self, flushed_index: int) -> None:
        """Let go what is in flushed rows, but keep what some member still lacks, within the bound."""
        invariant(flushed_index <= self.commit_index, "only committed entries are in flushed rows")
        self.flushed_index = max(self.flushed_index, flushed_index)
        keep = min(self.flushed_index, self.replicated_index)
        if self.log.retention.bytes_above(keep) > self.bounds.retained_bytes:
            keep = self.flushed_index
        self._cut(keep)

    def let_go(self, index: int) -> None:
        """Let go what is in flushed rows up to an index, whoever lacks it: it gets the rows."""
        self._cut(min(self.flushed_index, index))

    def _cut(self, keep: int) -> None:
        if keep > self.log.base_index:
            self.log.compact(keep)
            self.configurations.compact(keep)
            self.leases.compact(keep)
            self._base_changed = True

    def install(self, base_index: int, base_term: int, configuration: Configuration, leases: bool) -> None:
        """Take over the state of a snapshot whose rows are loaded and durable."""
        self.log.rebase(base_index, base_term)
        self.truncations += 1
        self.configurations.rebase(base_index, configuration, self.log.last_index)
        self.leases.rebase(base_index, leases, self.log.last_index)
        self.commit_index = max(self.commit_index, base_index)
        self.handed_index = self.flushed_index = base_index
        self.held.drop()
        self._base_changed = True

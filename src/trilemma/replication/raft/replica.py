"""The door to Raft: one replica of one shard, as `replication.port.Replica` asks for it.

Owns the order of a turn (replication/port.py), and who gets which message: messages are taken in at once and judged in
`advance`, by a clock that was read after they came. The change of roles is in `roles`, elections in `votes`,
replication in `appends`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import invariant
from trilemma.base.time import Now
from trilemma.replication.port import Entry, EntryKind, Message, Outbound, RaftReady
from trilemma.replication.raft import messages as m
from trilemma.replication.raft.appends import Appends
from trilemma.replication.raft.bounds import Bounds
from trilemma.replication.raft.configuration import Configuration
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.follower import Follower
from trilemma.replication.raft.leader import Leader
from trilemma.replication.raft.recovery import Recovery
from trilemma.replication.raft.roles import Role, Roles
from trilemma.replication.raft.timing import LONG_AGO_US, Timing
from trilemma.replication.raft.votes import Votes
from trilemma.storage.port import LogReader, LogRecord


class Raft:
    """One replica.

    Args:
        voters: the first configuration; the log's own counts once there is one.
        seed: for timeouts and the entries' randomness; must differ from start to start.
        records: what the node's log kept of this shard, in write order.
        leases: whether the shard's first setting is to grant read leases.
        applied_index: the entry that the rows reflect.
        retained_bytes: how much log is kept for a replica that is away.
    """

    def __init__(
        self,
        shard: ShardId,
        node_id: NodeId,
        voters: Sequence[NodeId],
        timing: Timing,
        seed: int,
        records: Sequence[LogRecord],
        log: LogReader,
        now: Now,
        *,
        leases: bool = False,
        applied_index: int = 0,
        bounds: Bounds = Bounds(),  # noqa: B008 - immutable
    ) -> None:
        found = Recovery(shard, voters, leases, log)
        found.replay(records)
        self._core = core = Core(shard, node_id, timing, seed, found, now, applied_index, bounds)
        self._roles = Roles(core)
        self._inbox: list[tuple[NodeId, Message]] = []
        self._vote_became_durable = False
        self._appends = appends = Appends(core, self._roles)
        votes = Votes(core, self._roles)
        self._handlers: dict[type, Callable[[NodeId, Any], None]] = {
            m.PreVote: votes.pre_vote,
            m.PreVoteReply: votes.pre_vote_reply,
            m.RequestVote: votes.request_vote,
            m.VoteReply: votes.vote_reply,
            m.TimeoutNow: votes.timeout_now,
            m.AppendEntries: appends.append_entries,
            m.AppendAccepted: appends.accepted,
            m.AppendRejected: appends.rejected,
        }

    # --- the turn ---

    def receive(self, sender: NodeId, message: Message) -> None:
        """Take in a message; it is judged by the next `advance`."""
        self._inbox.append((sender, message))

    def persisted(self, token: int) -> bool:
        """Take note that everything handed out with tokens up to `token` is durable; say whether anything was."""
        state_is = self._core.state.persisted(token)
        self._vote_became_durable |= state_is
        return self._core.log.durability.persisted(token) or state_is

    def note_room(self, *, takes_entries: bool) -> None:
        """Take note whether the disk has room for others' entries; without it they count as lost on the way."""
        self._appends.takes_entries = takes_entries

    def advance(self, now: Now, up: frozenset[NodeId]) -> None:
        """Judge this turn's messages, then do what time demands."""
        core = self._core
        core.now, core.up = now, up
        core.log_time.advance(now)
        if self._vote_became_durable:
            self._vote_became_durable = False
            self._roles.vote_is_durable()
        inbox, self._inbox = self._inbox, []
        for sender, message in inbox:
            handler = self._handlers.get(type(message))
            if handler is not None and sender != core.node:
                handler(sender, message)
        self._roles.tick()

    def ready(self, token: int) -> RaftReady:
        """Return this turn's outcome; its records become durable under `token`."""
        core, role = self._core, self._roles.current
        role.flush()
        reads, failed = self._roles.take_reads()
        committed = core.take_committed()
        records, must_sync = core.take_records(token)
        outbox, core.outbox = core.outbox, []
        waits = self._waits_for_sync()
        sent = [Outbound(peer, message, waits) for peer, message in outbox]
        needs = role.needs_snapshot() if isinstance(role, Leader) else ()
        return RaftReady(records, must_sync, sent, committed, reads, failed, needs)

    def _waits_for_sync(self) -> bool:
        """Say whether messages must wait: they speak of the current term, or give its vote, and a crash takes neither.

        Entries need no such wait: a leader's may leave before its own disk has them, and a follower speaks only of
        those that are durable.
        """
        return not self._core.state.is_durable

    # --- what the node asks for ---

    def propose(self, kind: EntryKind, body: bytes) -> int | None:
        """Append an entry; return its index, or None: this is no leader, or hands over, or too much is uncommitted."""
        return self._roles.current.propose(kind, body) if isinstance(self._roles.current, Leader) else None

    def propose_configuration(self, configuration: Configuration) -> int | None:
        """Append a change of members; return its index, or None where it is not allowed now."""
        return self._roles.current.change(configuration) if isinstance(self._roles.current, Leader) else None

    def read_index(self, context: int) -> bool:
        """Begin to confirm a read; its context comes back by `ready`. False: not here, or too many wait."""
        return isinstance(self._roles.current, Leader) and self._roles.current.read_index(context)

    def note_applied(self, index: int, term: int) -> None:
        """Take note of the last entry that the rows reflect."""
        self._core.currency.applied(index, term)

    def current_as_of_us(self, applied_term: int) -> int | None:
        """Return the time, by the own clock, before which all that was acknowledged is in rows whose last entry is of a
        term; None where no leader's word is known to be in them. See `currency`."""
        as_of_us, role = self._core.currency.as_of_us, self._roles.current
        if isinstance(role, Leader) and applied_term == self._core.term:
            as_of_us = max(as_of_us, role.authority.majority_us)
        return None if as_of_us == LONG_AGO_US else as_of_us

    def lease_read_ok(self) -> bool:
        """Say whether a read may be served at `commit_index` now, by the leader's own lease."""
        return isinstance(self._roles.current, Leader) and self._roles.current.authority.lease_lives()

    def local_read_index(self) -> int | None:
        """Return the commit index that this follower's live lease names, None without one.

        A key that no entry above the applied index touches may be read once applied_index has reached it.
        """
        return self._roles.current.local_read_index() if isinstance(self._roles.current, Follower) else None

    def transfer_leadership(self, to: NodeId | None = None) -> bool:
        """Begin to hand over to a voter, the best one by default. False: not the leader, or nobody to hand over to."""
        role = self._roles.current
        return isinstance(role, Leader) and role.hand_over(role.best_successor() if to is None else to)

    @property
    def heir(self) -> NodeId | None:
        """To whom this leader hands over now, None while it does not."""
        role = self._roles.current
        return role.transfer.target if isinstance(role, Leader) and role.transfer is not None else None

    def compact(self, index: int, term: int) -> None:
        """Let the log go up to an index whose rows are flushed, but for what a peer still lacks."""
        known = self._core.log.terms.at(index)
        invariant(known in (None, term), "the flushed rows come from this log")
        self._core.compact(index)

    def let_go(self, index: int) -> None:
        """Let the log go up to an index as far as its rows are flushed, whoever still lacks it."""
        self._core.let_go(index)

    def install(self, base_index: int, base_term: int, configuration: Configuration, leases: bool = False) -> None:
        """Go on from a snapshot whose rows are loaded and whose switch is durable: committed entries, newer than the
        applied ones. A leader has them all in its log; entries above the snapshot are handed out again."""
        self._core.install(base_index, base_term, configuration, leases)
        if isinstance(self._roles.current, Follower):
            self._roles.current.installed(base_index)

    def remember_commit(self) -> None:
        """Make the commit index durable with the next records, so that a start applies all that is applied now."""
        self._core.remembers_commit = True

    def snapshot_sent(self, peer: NodeId, index: int) -> None:
        """Take note that a peer has a snapshot up to an index (0: it failed)."""
        if isinstance(self._roles.current, Leader):
            self._roles.current.snapshot_sent(peer, index)

    def restate(self) -> list[LogRecord]:
        """Return the record that a fresh log segment must hold of this shard."""
        return self._core.restate()

    def entries(self, first: int, last: int) -> list[Entry]:
        """Return entries of the log, committed or not; fewer where they are many bytes."""
        return self._core.entries(first, last)

    # --- what the node sees ---

    @property
    def role(self) -> Role:
        """The current role."""
        return self._roles.name

    @property
    def is_leader(self) -> bool:
        """Say whether this replica leads in its term."""
        return isinstance(self._roles.current, Leader)

    def has_led(self, term: int) -> bool:
        """Say whether this replica has led in a term since its start, does no more, and so never will again."""
        return term in self._roles.led_terms and not (self.is_leader and term == self.term)

    @property
    def holds_back(self) -> bool:
        """Say whether this replica leads and takes no proposal in now: it hands over, or too much is uncommitted."""
        return isinstance(self._roles.current, Leader) and self._roles.current.holds_back

    @property
    def leader(self) -> NodeId | None:
        """The leader of the current term, None while it is not known."""
        return self._roles.current.leader

    @property
    def term(self) -> int:
        """The current term."""
        return self._core.term

    @property
    def configuration(self) -> Configuration:
        """The configuration in force."""
        return self._core.configuration

    def in_force_at(self, index: int) -> tuple[Configuration, bool]:
        """Return the configuration, and whether leases may be granted, as entries up to an index of the log say."""
        return self._core.configurations.at(index), self._core.leases.at(index)

    @property
    def commit_index(self) -> int:
        """Up to where entries are known to be committed."""
        return self._core.commit_index

    @property
    def replicated_index(self) -> int:
        """Up to where every member is known to hold the log durably."""
        return self._core.replicated_index

    @property
    def last_index(self) -> int:
        """The index of the last entry."""
        return self._core.log.last_index

    @property
    def durable_index(self) -> int:
        """Up to where this node's disk holds the log."""
        return self._core.log.durable_index

    @property
    def first_needed(self) -> int:
        """The lowest index that the node's log must keep."""
        return self._core.first_needed

    def hand_back(self, first: int) -> None:
        """Take back committed entries from `first` on, of those that `ready` gave last: they come again next turn."""
        self._core.hand_back(first)

    def match_index(self, peer: NodeId) -> int:
        """Return up to where a peer's log is known to agree durably, 0 where this replica does not lead."""
        return self._roles.current.match_index(peer) if isinstance(self._roles.current, Leader) else 0

    def entries_behind(self, peer: NodeId) -> int | None:
        """Return how many entries a peer's log is behind; None where it has not yet said, or this one does not lead."""
        leader = self._roles.current
        if not isinstance(leader, Leader) or not leader.has_agreed(peer):
            return None
        return max(self.last_index - leader.match_index(peer), 0)

    def durable_on(self, index: int) -> list[NodeId]:
        """Return the voters known here to hold the log durably up to an index; a follower knows of itself only."""
        if isinstance(self._roles.current, Leader):
            return self._roles.current.durable_on(index)
        return [self._core.node] if self.durable_index >= index and self._core.is_voter else []

    @property
    def truncations(self) -> int:
        """How often entries of the log were replaced since the start."""
        return self._core.truncations

    @property
    def grants_leases(self) -> bool:
        """Whether the newest setting in the log lets the leader grant read leases."""
        return self._core.leases.newest

    def quorum_reachable(self, up: frozenset[NodeId]) -> bool:
        """Say whether this node and those in `up` are a majority of the voters."""
        return self._core.quorum_reachable(up)

    def log_time_ms(self) -> int:
        """Return log time as of the last `advance`."""
        return self._core.log_time.now_ms

    @property
    def next_deadline_us(self) -> int:
        """When `advance` has something to do though nothing comes in."""
        if self._core.has_more_committed:
            return self._core.now.mono_us
        return self._roles.current.deadline_us

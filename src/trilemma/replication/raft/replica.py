"""The door to Raft: one replica of one shard, as `replication.port.Replica` asks for it.

Owns the order of a turn (replication/port.py), and who gets which message: messages are taken in at once and judged in
`advance`, by a clock that was read after they came. What is read of a replica is in `standing`, the change of roles in
`roles`, elections in `votes`, replication in `appends`. Paper figure 2 (rules for servers), §5.1 (messages of stale
terms). That a turn has one order and time comes last is not in the paper: ARCHITECTURE §1.
"""

from collections.abc import Callable, Sequence
from typing import Any

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import invariant
from trilemma.base.time import Now
from trilemma.replication.port import EntryKind, Message, Outbound, RaftReady
from trilemma.replication.raft import messages as m
from trilemma.replication.raft.appends import Appends
from trilemma.replication.raft.bounds import Bounds
from trilemma.replication.raft.configuration import Configuration
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.follower import Follower
from trilemma.replication.raft.leader import Leader
from trilemma.replication.raft.recovery import Recovery
from trilemma.replication.raft.roles import Roles
from trilemma.replication.raft.standing import Standing
from trilemma.replication.raft.timing import Timing
from trilemma.replication.raft.votes import Votes
from trilemma.storage.port import LogReader, LogRecord


class Raft(Standing):
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
        core = Core(shard, node_id, timing, seed, found, now, applied_index, bounds)
        super().__init__(core, Roles(core))
        self._inbox: list[tuple[NodeId, Message, int | None]] = []
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

    def receive(self, sender: NodeId, message: Message, since_us: int | None = None) -> None:
        """Take in a message; it is judged by the next `advance`."""
        self._inbox.append((sender, message, since_us))

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
        for sender, message, core.since_us in inbox:
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

    def transfer_leadership(self, to: NodeId | None = None) -> bool:
        """Begin to hand over to a voter, the best one by default. False: not the leader, or nobody to hand over to."""
        role = self._roles.current
        return isinstance(role, Leader) and role.hand_over(role.best_successor() if to is None else to)

    def compact(self, index: int, term: int) -> None:
        """Let the log go up to an index whose rows are flushed, but for what a peer still lacks."""
        known = self._core.log.terms.at(index)
        invariant(known in (None, term), "the flushed rows come from this log")
        self._core.compact(index)

    def let_go(self, index: int) -> None:
        """Let the log go up to an index as far as its rows are flushed, whoever still lacks it."""
        self._core.let_go(index)

    def await_install(self) -> None:
        """Take no entries in until `install`: the record that switches to its rows goes into the log now."""
        self._appends.awaits_rows = True

    def install(self, base_index: int, base_term: int, configuration: Configuration, leases: bool = False) -> None:
        """Go on from a snapshot whose rows are loaded and whose switch is durable: committed entries, newer than the
        applied ones. A leader has them all in its log; entries above the snapshot are handed out again."""
        self._core.install(base_index, base_term, configuration, leases)
        self._appends.awaits_rows = False
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

    def hand_back(self, first: int) -> None:
        """Take back committed entries from `first` on, of those that `ready` gave last: they come again next turn."""
        self._core.hand_back(first)

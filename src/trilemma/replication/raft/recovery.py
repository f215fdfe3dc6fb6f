"""What a replica knows when it starts: log, term, vote, commit index, base, out of the records the disk kept.

The kept records begin with the oldest segment, so the first entries may lie above the base that this segment restates:
a later state record then names the true base (PROTOCOLS §6.2). Paper figure 2 (persistent state), §7 (index and term
of the log's base); thesis §3.8 (restarts). That the commit index is found again is not in the paper: PROTOCOLS §2.4.
"""

from collections.abc import Sequence

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.invariant import invariant
from trilemma.replication.port import EntryKind
from trilemma.replication.raft.configuration import Configuration, decode_configuration
from trilemma.replication.raft.entry import body_of, header_of, kind_of
from trilemma.replication.raft.log import Log
from trilemma.replication.raft.settings import leases_set_by
from trilemma.replication.raft.state import ShardState, decode_state
from trilemma.replication.raft.versions import Versions
from trilemma.storage.port import LogReader, LogRecord, RecordKind

UNKNOWN_TERM = 0
"""The term of a base that no record has named yet; real entries have terms from 1."""


class Recovery:
    """Replay one shard's records in write order."""

    def __init__(self, shard: ShardId, voters: Sequence[NodeId], leases: bool, reader: LogReader) -> None:
        self.log = Log(shard, reader)
        self.term = 0
        self.voted_for: NodeId | None = None
        self.commit_index = 0
        self.stamp_ms = 0
        self.configurations = Versions(0, Configuration(tuple(sorted(voters))))
        self.leases = Versions(0, leases)
        self._base_is_known = True

    def replay(self, records: Sequence[LogRecord]) -> None:
        """Take in all records of the shard.

        Raises:
            InvariantViolated: they do not make a log.
        """
        for record in records:
            if record.kind == RecordKind.ENTRY:
                self._entry(record)
            elif record.kind == RecordKind.SHARD_STATE:
                self._state(decode_state(record.body))
            elif record.kind == RecordKind.GENERATION:
                self._base(decode_state(record.body))
        invariant(self._base_is_known, "a record names the term of the log's base")
        self.commit_index = min(max(self.commit_index, self.log.base_index), self.log.last_index)
        self.log.recovered()

    def _entry(self, record: LogRecord) -> None:
        log = self.log
        if record.index > log.last_index + 1 or record.index <= log.base_index:
            log.reset(record.index - 1, UNKNOWN_TERM)
            self._base_is_known = False
        elif record.index <= log.last_index:
            log.truncate(record.index)
        self.configurations.truncate(record.index - 1)
        self.leases.truncate(record.index - 1)
        log.append(record.term, record.body)
        if record.term > self.term:
            self.term, self.voted_for = record.term, None
        self._note(record)

    def _note(self, record: LogRecord) -> None:
        header = header_of(record.body)
        self.commit_index = max(self.commit_index, header.commit_index)
        self.stamp_ms = max(self.stamp_ms, header.stamp_ms)
        kind = kind_of(record.body)
        if kind is EntryKind.CONFIGURATION:
            self.configurations.append(record.index, decode_configuration(body_of(record.body)))
        elif kind is EntryKind.SETTINGS:
            leases = leases_set_by(body_of(record.body))
            if leases is not None:
                self.leases.append(record.index, leases)

    def _state(self, state: ShardState) -> None:
        if state.term >= self.term:
            self.term, self.voted_for = state.term, state.voted_for
        self.commit_index = max(self.commit_index, state.commit_index)
        self._base(state)

    def _base(self, state: ShardState) -> None:
        """Move the base up to what a record says; entries above it stay if they follow from it."""
        self.stamp_ms = max(self.stamp_ms, state.stamp_ms)
        base_index, log = state.base_index, self.log
        if base_index < log.base_index:
            return
        if base_index == log.base_index and not self._base_is_known:
            log.terms.name_base(state.base_term)
        log.rebase(base_index, state.base_term)
        self._base_is_known = True
        if state.configuration is not None:
            self.configurations.rebase(base_index, state.configuration, log.last_index)
            self.leases.rebase(base_index, state.leases, log.last_index)

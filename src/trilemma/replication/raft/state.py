"""Term and vote, and the record in which they and the log's base outlive a crash (paper figure 2, persistent state).

Knows when a change is durable, so that no message speaks of a term or a vote that a crash could take back.
"""

import msgspec

from trilemma.base.ids import NodeId, ShardId
from trilemma.replication.raft.configuration import Configuration
from trilemma.storage.port import LogRecord, RecordKind


class ShardState(msgspec.Struct, frozen=True):
    """The body of a SHARD_STATE record, a msgpack map; a GENERATION record's map holds its base_... keys as well.

    `commit_index` is what was known then; `configuration`, `leases` and `stamp_ms` are those at the base.
    """

    term: int = 0
    voted_for: NodeId | None = None
    commit_index: int = 0
    base_index: int = 0
    base_term: int = 0
    stamp_ms: int = 0
    leases: bool = False
    configuration: Configuration | None = None


_encode = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(ShardState).decode


def state_record(shard: ShardId, state: ShardState) -> LogRecord:
    """Return the record that restates a shard."""
    return LogRecord(RecordKind.SHARD_STATE, shard, 0, 0, state.term, _encode(state))


class HardState:
    """The current term and the vote in it."""

    __slots__ = ("_changed", "_pending_token", "term", "voted_for")

    def __init__(self, term: int, voted_for: NodeId | None) -> None:
        self.term = term
        self.voted_for = voted_for
        self._changed = False
        self._pending_token: int | None = None

    def adopt(self, term: int) -> None:
        """Move to a higher term, in which no vote is given yet."""
        if term > self.term:
            self.term = term
            self.voted_for = None
            self._changed = True

    def vote(self, candidate: NodeId) -> None:
        """Give the vote of this term."""
        self._changed |= self.voted_for != candidate
        self.voted_for = candidate

    def may_vote_for(self, candidate: NodeId) -> bool:
        """Say whether the vote of this term is free, or given to this candidate already."""
        return self.voted_for is None or self.voted_for == candidate

    def take_change(self, token: int) -> bool:
        """Say whether term or vote changed since the last call; `token` will make the change durable."""
        changed, self._changed = self._changed, False
        if changed:
            self._pending_token = token
        return changed

    def persisted(self, token: int) -> bool:
        """Take note of durability; say whether term and vote waited for it."""
        if self._pending_token is None or token < self._pending_token:
            return False
        self._pending_token = None
        return True

    @property
    def is_durable(self) -> bool:
        """Say whether term and vote are on the disk as they stand."""
        return self._pending_token is None and not self._changed

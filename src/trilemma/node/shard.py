"""What the node asks of its replica of one shard, whichever protocol keeps it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from trilemma.base.ids import NodeId
from trilemma.base.time import Now
from trilemma.keyspace.settings import Keyspace
from trilemma.node.batch import Batch
from trilemma.node.digest import Digest
from trilemma.node.movable import Movable
from trilemma.node.progress import RowsMark
from trilemma.node.request import Target
from trilemma.node.unit import Result, Unit
from trilemma.replication.port import Message, Outbound
from trilemma.storage.port import LogRecord, ReadView, RowBatch


class ShardReplica(Movable, Protocol):
    """One shard's replica on this node: protocol, rows and execution together.

    One turn: `receive`, `persisted`, `advance`, then `submit` of batches, then one `collect`, which may be followed by
    `rows` to be written to the engine.
    """

    keyspace: Keyspace
    behind: Sequence[NodeId]
    """Peers that need this shard's rows from here."""

    @property
    def defects(self) -> list[str]:
        """What broke while commands ran; whoever tells people empties it."""
        ...

    def target(self) -> Target | None:
        """Return (this node, epoch) where this replica executes commands now."""
        ...

    def has_executed(self, epoch: int) -> bool:
        """Say whether this replica was the executor of an epoch in this very start of the node, and never will be
        again."""
        ...

    def leader(self) -> Target | None:
        """Return the executor as this replica knows it."""
        ...

    def receive(self, sender: NodeId, message: Message, since_us: int | None = None) -> None:
        """Take in a message from another replica. `since_us`: see replication.port.Replica."""
        ...

    def persisted(self, token: int) -> None:
        """Take note that the log is durable up to a token."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether nothing concerns this replica in this turn, so that it need not be looked at."""
        ...

    @property
    def next_deadline_us(self) -> int:
        """When `advance` next has something to do. An attribute, as `is_idle`: both are asked for in every turn."""
        ...

    def advance(self, now: Now, up: frozenset[NodeId], offsets_ms: dict[NodeId, int] | None = None) -> None:
        """Move time on. `offsets_ms`: how far wall clocks of peers are from the own one."""
        ...

    def note_full_disks(self, full: frozenset[NodeId]) -> None:
        """Take note of the nodes, this one perhaps among them, whose disks take no further entries."""
        ...

    def note_leaving(self, leaving: frozenset[NodeId]) -> None:
        """Take note of the peers that are about to stop."""
        ...

    def hold_writes(self, holds: bool) -> None:
        """Take no unit that goes into the log further for now, as this node's disk has to catch up; or do again."""
        ...

    @property
    def holds_writes(self) -> bool:
        """Whether no unit that goes into the log is taken further for now."""
        ...

    def why_not_written(self) -> str | None:
        """Return why this replica, as an executor, refuses writes now, or None."""
        ...

    def submit(self, batch: Batch) -> None:
        """Execute a batch; results come by its `complete`."""
        ...

    def drop_answered(self) -> None:
        """Let go units that were not begun and for which nobody waits any more: they hold memory as long as they are
        here, and may be in the way of others."""
        ...

    def refuse_fenced(self, why: Callable[[Unit], str | None]) -> None:
        """Refuse units that were submitted before a fence, would be executed behind it, and that no barrier awaits.

        `why` returns the reason for those that are fenced.
        """
        ...

    def run_stale(self, unit: Unit) -> Result:
        """Execute a read against what is applied here, current at some time."""
        ...

    def run_leased(self, unit: Unit) -> Result:
        """Execute a read here though this replica does not lead, if a lease allows it; else NOT_EXECUTED."""
        ...

    def collect(self, token: int) -> tuple[Sequence[LogRecord], bool, Sequence[Outbound]]:
        """End the turn: return records, whether they must be synced, and messages. `token`: the turn's log token."""
        ...

    def rows(self, durable_token: int) -> RowBatch | None:
        """Return the rows that may go to the engine now."""
        ...

    def rows_flushed(self) -> None:
        """Take note that all rows handed out before the flush was asked for are durable."""
        ...

    def flush_begins(self) -> None:
        """Note what is applied now, for `rows_flushed`."""
        ...

    def restate(self) -> list[LogRecord]:
        """Return what a fresh log segment must say of this shard."""
        ...

    def first_needed(self, stream: int) -> int:
        """Return the lowest index or sequence of a stream that the log must keep."""
        ...

    def let_go(self, stream: int, index: int) -> None:
        """Need nothing of a stream up to an index any more, where its rows are flushed and no promise is broken: it
        pins more of the node's log than is kept for who is away. Who lacks it gets the rows."""
        ...

    def why_down(self, up: frozenset[NodeId]) -> str | None:
        """Return why this shard cannot be served from this node, or None."""
        ...

    @property
    def allows_stale(self) -> bool:
        """Say whether a READONLY session may read what is applied here, without a word to anybody."""
        ...

    def hand_over(self, *, may_wait: bool) -> bool:
        """Give up leading, if it leads and somebody can take over, `may_wait`: once what entries hold is answered.

        Returns: whether to ask again: it still leads, or nobody is known to who soon may.
        """
        ...

    def stay(self) -> None:
        """Go on as before `hand_over`; a hand-over that has begun goes on too."""
        ...

    def hand_to(self, node: NodeId) -> bool:
        """Begin to hand the leadership to a node; False where this replica does not lead, or the node cannot."""
        ...

    @property
    def rows_mark(self) -> RowsMark:
        """What the rows reflect now, on the way to the engine included."""
        ...

    def has_in_engine(self, mark: RowsMark) -> bool:
        """Say whether the engine holds what the rows reflected at some moment."""
        ...

    def paged_digest(self, view: ReadView) -> Digest:
        """Return a digest to be made, page by page, of what a pinned view of the engine holds of this shard."""
        ...

    def digest(self) -> tuple[str, str]:
        """Return (what the rows reflect: index or vector, digest of the rows)."""
        ...

    @property
    def position(self) -> int:
        """What is acknowledged here by now, as a number that `held_by` understands."""
        ...

    def held_by(self, position: int) -> int:
        """Return how many other replicas durably hold everything up to a position, as far as is known here."""
        ...

    def facts(self) -> dict[str, object]:
        """Return what INFO says of this replica: role, term or vector, indexes."""
        ...

    def lag(self) -> dict[NodeId, int | None]:
        """Return how many entries or batches each other replica is behind, None for one that has not said yet."""
        ...

    def sizes(self) -> list[int]:
        """Return the number of keys per db."""
        ...

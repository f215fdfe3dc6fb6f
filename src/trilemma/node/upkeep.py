"""What the leader of a `cp` or `ca` shard proposes by itself: TICK, and whether leases for reads are granted.

Owns when. A TICK removes due keys and tokens on every replica at the same place in the log; one is under way at a time.
The setting of leases is proposed where the newest one in the log is not what the keyspace wants. Does not know who
leads, nor whether this node's disk has room: it is asked only where both are so.
"""

from trilemma.base.time import US_PER_MS
from trilemma.node.raft_rows import RaftRows
from trilemma.replication.port import EntryKind
from trilemma.replication.raft.replica import Raft
from trilemma.replication.raft.settings import Settings, encode_settings


class Upkeep:
    """One replica's proposals of its own."""

    def __init__(self, raft: Raft, rows: RaftRows) -> None:
        self._raft = raft
        self._rows = rows
        self._ticked = (0, 0)
        """Term and index of the last TICK; one of an earlier term may have been replaced by another leader's entry."""

    def propose(self, *, leases: bool) -> None:
        """Propose what is due. `leases`: whether followers are to answer reads."""
        raft = self._raft
        if raft.grants_leases != leases:
            raft.propose(EntryKind.SETTINGS, encode_settings(Settings(leases)))
        due_ms = self._rows.next_due_ms()
        if due_ms is not None and due_ms <= raft.log_time_ms() and self._may_tick:
            index = raft.propose(EntryKind.TICK, b"")
            if index is not None:
                self._ticked = raft.term, index

    @property
    def _may_tick(self) -> bool:
        term, index = self._ticked
        return term != self._raft.term or index <= self._rows.applied.index

    def wait_us(self) -> int | None:
        """Return how long until a TICK is due, at least 1 ms; None where none can be."""
        due_ms = self._rows.next_due_ms() if self._may_tick else None
        return None if due_ms is None else max(due_ms - self._raft.log_time_ms(), 1) * US_PER_MS

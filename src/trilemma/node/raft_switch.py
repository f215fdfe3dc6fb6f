"""The switch of a `cp` or `ca` shard to rows that another node has sent (PROTOCOLS §6.6; node/transfer.py loads them).

Owns the label of rows, the record that switches, and what is held back meanwhile: between the record and its being
durable nothing is applied, so the rows that serve stay older than the ones to come, and no entry is taken in. The
record names the base of the log as well, so one write is the whole step: an entry behind it is one above that base.
Does not know how rows travel.
"""

from collections.abc import Sequence

import msgspec

from trilemma.node.applied import Label, applied_in, decode_label, encode_label
from trilemma.node.raft_rows import RaftRows
from trilemma.replication.port import Entry
from trilemma.replication.raft.replica import Raft
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import Engine, LogRecord, ReadView, RecordKind


class RaftSwitch:
    """One replica's switches of generations."""

    def __init__(self, raft: Raft, rows: RaftRows) -> None:
        self._raft = raft
        self._rows = rows
        self.record = rows.overlay.named_by
        """The record of the generation in use, or about to be."""
        self._held_back: list[Entry] | None = None
        """Committed entries that wait while a switch becomes durable, None where none does."""

    def label_of(self, view: ReadView) -> bytes:
        """Return what the rows of a pinned view reflect, read from the rows themselves."""
        overlay = self._rows.overlay
        applied = applied_in(view, overlay.shard, overlay.generation)
        configuration, leases = self._raft.in_force_at(applied.index)
        return encode_label(Label(applied.index, applied.term, applied.stamp_ms, configuration, leases))

    def is_forward(self, label: bytes) -> bool:
        """Say whether rows with this label would bring this replica forward."""
        return not self._raft.is_leader and decode_label(label).base_index > self._rows.applied.index

    def prepare(self, generation: int, label: bytes) -> LogRecord:
        """Return the record that switches to a generation; hold back what is committed from now on."""
        found = decode_label(label)
        body = msgspec.to_builtins(found) | {"generation": generation, "term": self._raft.term}
        shard = self._rows.overlay.shard
        self.record = LogRecord(RecordKind.GENERATION, shard, 0, 0, found.base_term, msgspec.msgpack.encode(body))
        self._held_back = []
        self._raft.await_install()
        return self.record

    def holds_back(self, committed: Sequence[Entry]) -> bool:
        """Keep committed entries from being applied, if they must wait; say whether they must."""
        if self._held_back is None:
            return False
        self._held_back.extend(committed)
        return True

    def carry_out(self, generation: int, label: bytes, engine: Engine) -> Label:
        """Use a loaded generation from now on, and cut the log to it; return what its rows reflect."""
        # What was held back comes again: the entries above the new rows are handed out anew.
        self._held_back = None
        found = decode_label(label)
        self._rows.use(ShardRows(engine, self._rows.overlay.shard, generation, self.record))
        self._raft.install(found.base_index, found.base_term, found.configuration, found.leases)
        return found

"""An `ap` replica's switch to rows that another node has sent (node/transfer.py).

Owns the record that names the generation in use, which rows are worth taking, and how what is held here is put on top
of them (PROTOCOLS §5.8). Does not know how rows come, nor who waits for a reply.
"""

import msgspec

from trilemma.base.invariant import InvariantViolated
from trilemma.crdt.vector import covers
from trilemma.node.causal_rows import CausalRows, decode_reflected, label_of
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import Engine, LogRecord, ReadView, RecordKind


class CausalSwitch:
    """One replica's switches of generations."""

    def __init__(self, replica: Leaderless, rows: CausalRows) -> None:
        self._replica = replica
        self._rows = rows
        self.record = rows.overlay.named_by
        """The record of the generation in use, or about to be."""

    def label_of(self, view: ReadView) -> bytes:
        """Return, encoded, what the rows of a pinned view reflect, read from the rows themselves."""
        return label_of(view, self._replica.shard, self._rows.overlay.generation)

    def is_forward(self, label: bytes) -> bool:
        """Say whether rows with this label have something new, and all that is held here can be put on top of them."""
        vector = decode_reflected(label).vector
        return not covers(self._replica.vector, vector) and self._replica.held_above(vector) is not None

    def prepare(self, generation: int, label: bytes) -> LogRecord:
        """Return the record that switches to a generation; what its rows may lack is not let go from now on."""
        body = msgspec.msgpack.encode({"generation": generation, "vector": decode_reflected(label).vector})
        self.record = LogRecord(RecordKind.GENERATION, self._replica.shard, 0, 0, 0, body)
        self._replica.keeps_all = True
        return self.record

    def carry_out(self, generation: int, label: bytes, engine: Engine) -> None:
        """Use a loaded generation from now on; what is held here and it lacks, whoever wrote it, is applied on top."""
        replica, rows = self._replica, self._rows
        reflected = decode_reflected(label)
        above = replica.held_above(reflected.vector)
        if above is None:
            raise InvariantViolated("batches that the new rows lack are kept until the switch")
        replica.keeps_all = False
        rows.use(ShardRows(engine, replica.shard, generation, self.record), reflected.vector)
        for batch in above:
            rows.view.apply(batch)
        replica.install(reflected)
        # Sealed before anything else is delivered: a vector ahead of its rows would be handed on with them.
        # All of it was handed to the log before this turn; the turn's own token may never have a write.
        rows.seal(replica.holdings.undurable_token, replica.reflected)
        replica.deliver_early()

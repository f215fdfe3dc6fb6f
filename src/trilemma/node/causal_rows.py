"""The rows of an `ap` shard on this node, and the batches that they reflect.

Owns the VECTOR row that is written with them (docs/formats.md), the view by which commands see them, and by which token
what they show is durable. Does not know who replicates batches, nor who waits for a reply.
"""

from collections.abc import Sequence

import msgspec

from trilemma.base.ids import NodeId, ShardId
from trilemma.datatype.causal import CausalView
from trilemma.datatype.keyscan import DBS
from trilemma.node.progress import RowsProgress
from trilemma.replication.port import Batch, Reflected
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import ReadView, RowBatch
from trilemma.storage.rowkey import meta_key

VECTOR = b"applied"
"""The META row that says what the shard's rows reflect."""

_encode = msgspec.msgpack.Encoder().encode
decode_reflected = msgspec.msgpack.Decoder(Reflected).decode


def read_reflected(rows: ShardRows) -> Reflected:
    """Return what a shard's rows reflect."""
    row = rows.get(meta_key(rows.shard, rows.generation, VECTOR))
    return Reflected({}, 0) if row is None else decode_reflected(row)


def label_of(view: ReadView, shard: ShardId, generation: int) -> bytes:
    """Return, encoded, what rows of a generation reflect, read from the rows of a pinned view themselves."""
    return view.get(meta_key(shard, generation, VECTOR)) or _encode(Reflected({}, 0))


class CausalRows:
    """One shard's rows, of the generation that is in use."""

    def __init__(self, overlay: ShardRows, node: NodeId, start: int) -> None:
        """Args: `start` counts the starts of the node."""
        self._node = node
        self._start = start
        self.last_token = 0
        """The token by which all that was handed to the log so far is durable."""
        self._written_token = 0
        """The token by which all that the rows show is durable."""
        self.use(overlay, read_reflected(overlay).vector)

    def use(self, overlay: ShardRows, vector: dict[NodeId, int]) -> None:
        """Take rows into use that reflect `vector`; what was on its way to disk of others is not any more."""
        self.overlay = overlay
        self.view = CausalView(overlay, self._node, self._start)
        self.progress = RowsProgress(vector)

    def expect(self, token: int) -> None:
        """Begin a turn, whose writes `token` will make durable."""
        self.last_token = token
        self.overlay.expect(token)

    def apply(self, batches: Sequence[Batch]) -> None:
        """Apply batches of others, that this turn's token will make durable."""
        if batches:
            self._written_token = self.last_token
        for batch in batches:
            self.view.apply(batch)

    def shown_token(self) -> int:
        """Return the token by which all that is applied up to here, in this turn too, is durable."""
        return self.last_token if self.view.operations else self._written_token

    def seal(self, token: int, reflected: Reflected) -> None:
        """Close what was applied: the rows reflect this now, and may enter the engine once `token` is durable."""
        self._written_token = max(self._written_token, token)
        overlay = self.overlay
        overlay.put(meta_key(overlay.shard, overlay.generation, VECTOR), _encode(reflected))
        overlay.seal(token)
        self.progress.sealed(token, reflected.vector)

    def drain(self, durable_token: int) -> RowBatch | None:
        """Return the rows that may go to the engine now."""
        if not self.overlay.sealed:
            return None
        self.progress.entered(durable_token)
        return self.overlay.drain(durable_token)

    def sizes(self) -> list[int]:
        """Return the number of keys per db."""
        return [self.view.size(db) for db in range(DBS)]

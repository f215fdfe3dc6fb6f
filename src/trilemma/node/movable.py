"""What a transfer of rows asks of its surroundings: of the replica at either end, of the links between them.

Owns the contract, which both kinds of shard fulfil; the two ends of a transfer are node/donor.py and node/receiver.py.
"""

from collections.abc import Callable
from typing import Protocol

from trilemma.base.ids import NodeId, ShardId
from trilemma.replication.transfer import TransferMessage
from trilemma.storage.port import Engine, LogRecord, ReadView

SILENCE_US = 3_000_000
"""A transfer whose other end says nothing for so long is given up; it is begun again where it is still needed."""

HEAD_BYTES = 8
"""Shard and generation at the beginning of a row key: they differ from node to node, and do not travel."""

Send = Callable[[NodeId, ShardId, TransferMessage], None]
"""Sends a message to a peer; it may be lost."""


class Movable(Protocol):
    """What a transfer asks of a replica, at either end."""

    shard: ShardId

    @property
    def generation(self) -> int:
        """The generation of rows in use."""
        ...

    def label_of(self, view: ReadView) -> bytes:
        """Return what the rows of a pinned view reflect."""
        ...

    def accepts(self, label: bytes) -> bool:
        """Say whether rows with this label would bring this replica forward."""
        ...

    def prepare_switch(self, generation: int, label: bytes) -> LogRecord:
        """Return the record that switches to a generation; stand still until `switch`, so that both can be used."""
        ...

    def switch(self, generation: int, label: bytes, engine: Engine) -> None:
        """Use a loaded generation from now on: its record is durable."""
        ...

    def moved(self, peer: NodeId, label: bytes | None) -> None:
        """Take note that a peer has rows with this label (None: the transfer failed)."""
        ...


Replicas = Callable[[ShardId], Movable | None]
"""Returns this node's replica of a shard."""

"""Transfers: a shard's rows, from a pinned view of one node's engine into a new generation on another (PROTOCOLS §6.6).

Owns which end a message concerns, and the place of both in a turn. The donor's end is node/donor.py, the receiver's
node/receiver.py; what they ask of a replica is node/movable.py.
"""

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import Now
from trilemma.node.donor import RESEND_US, Donor
from trilemma.node.movable import Replicas, Send
from trilemma.node.receiver import Receiver
from trilemma.replication.transfer import Ask, Chunk, Offer, Took, TransferMessage
from trilemma.storage.port import Engine, LogRecord


class Transfers:
    """All transfers of one node."""

    def __init__(self, engine: Engine, replicas: Replicas, send: Send, now: Now) -> None:
        self._donor = Donor(engine, replicas, send, now)
        self._receiver = Receiver(engine, replicas, send, now)
        self._now = now

    def begin(self, shard: ShardId, peer: NodeId) -> None:
        """Begin to send a shard's rows to a peer, unless that is under way."""
        self._donor.begin(shard, peer)

    def is_expected(self, shard: ShardId) -> bool:
        """Say whether rows of a shard are coming, so that nobody else need be asked for them."""
        return self._receiver.is_expected(shard)

    def receive(self, sender: NodeId, shard: ShardId, message: TransferMessage) -> None:
        """Take in a transfer message."""
        if isinstance(message, Chunk):
            self._receiver.load(shard, sender, message)
        elif isinstance(message, Took):
            self._donor.took(shard, sender, message)
        elif isinstance(message, Offer):
            self._receiver.offered(shard, sender, message)
        elif isinstance(message, Ask):
            self._donor.asked(shard, sender)

    def advance(self, now: Now) -> None:
        """Send what may be sent, send again what got lost, give up on who is silent."""
        self._now = now
        self._donor.advance(now)
        self._receiver.advance(now)

    @property
    def wants_flush(self) -> bool:
        """Say whether loaded rows wait for a flush of the engine to begin."""
        return self._receiver.wants_flush

    def flush_begins(self) -> None:
        """A flush begins: it covers what is loaded by now."""
        self._receiver.flush_begins()

    def rows_flushed(self) -> None:
        """The flush is done."""
        self._receiver.rows_flushed()

    def take_records(self, token: int) -> list[LogRecord]:
        """Return the records that switch generations whose rows are durable; `token` will make them durable."""
        return self._receiver.take_records(token)

    def persisted(self, token: int) -> None:
        """Use the generations whose record is durable; delete the ones before."""
        self._receiver.persisted(token)

    @property
    def next_deadline_us(self) -> int | None:
        """When `advance` next has something to do, None where no transfer is under way."""
        if not self._donor.is_busy and not self._receiver.is_busy:
            return None
        return self._now.mono_us + RESEND_US

"""The donor's end of transfers: a shard's rows, read from a pinned view of the engine, in chunks to one peer each.

Owns what is on its way, and sends again what got lost. The label is read from the view itself, so it says what the rows
reflect and nothing else (PROTOCOLS §6.6). One transfer per shard and peer at a time; chunks leave only once the
receiver has the offer. Does not know what becomes of the rows: see node/receiver.py.
"""

from dataclasses import dataclass, field

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.limits import KIB, limit
from trilemma.base.time import Now
from trilemma.node.movable import HEAD_BYTES, SILENCE_US, Replicas, Send
from trilemma.replication.transfer import Chunk, Offer, Took
from trilemma.storage import rowkey
from trilemma.storage.port import Engine, ReadView

CHUNK_BYTES = limit("transfer_chunk_bytes", 256 * KIB, "bytes", "a chunk is one frame", "the next chunk")
CHUNK_ROWS = 2_048
WINDOW_CHUNKS = limit("transfer_window", 4, "chunks", "chunks under way are in memory at both ends", "sending waits")
RESEND_US = 250_000
"""How long nothing is heard before a message is sent again."""


@dataclass(slots=True)
class _Outgoing:
    """A transfer to a peer."""

    number: int
    label: bytes
    view: ReadView
    stop: bytes
    heard_us: int
    sent_us: int = 0
    key: bytes = b""
    next_place: int = 0
    rows_sent: int = 0
    is_read: bool = False
    is_answered: bool = False
    """Whether the receiver has the offer: chunks leave only then."""
    unacknowledged: dict[int, Chunk] = field(default_factory=dict)


def _nothing(outgoing: _Outgoing) -> Chunk:
    """Return a chunk behind the last one, a question: how far it is, or that it is over, is the answer."""
    return Chunk(outgoing.number, outgoing.next_place, [], None)


class Donor:
    """All transfers that one node sends."""

    def __init__(self, engine: Engine, replicas: Replicas, send: Send, now: Now) -> None:
        self._engine = engine
        self._replica = replicas
        self._send = send
        self._now = now
        self._outgoing: dict[tuple[ShardId, NodeId], _Outgoing] = {}
        self._next_number = now.mono_us

    @property
    def is_busy(self) -> bool:
        """Say whether any transfer is under way."""
        return bool(self._outgoing)

    def begin(self, shard: ShardId, peer: NodeId) -> None:
        """Begin to send a shard's rows to a peer, unless that is under way."""
        replica = self._replica(shard)
        if (shard, peer) in self._outgoing or replica is None:
            return
        view = self._engine.read_view()
        self._next_number += 1
        start, stop = rowkey.shard_range(shard, replica.generation)
        outgoing = _Outgoing(self._next_number, replica.label_of(view), view, stop, self._now.mono_us)
        outgoing.key = start
        self._outgoing[shard, peer] = outgoing
        outgoing.sent_us = self._now.mono_us
        self._send(peer, shard, Offer(outgoing.number, outgoing.label))

    def _feed(self, shard: ShardId, peer: NodeId, outgoing: _Outgoing) -> None:
        """Send as many chunks as may be under way."""
        while not outgoing.is_read and len(outgoing.unacknowledged) < WINDOW_CHUNKS:
            rows = self._read(outgoing)
            total = outgoing.rows_sent if outgoing.is_read else None
            chunk = Chunk(outgoing.number, outgoing.next_place, rows, total)
            outgoing.unacknowledged[outgoing.next_place] = chunk
            outgoing.next_place += 1
            outgoing.sent_us = self._now.mono_us
            self._send(peer, shard, chunk)

    @staticmethod
    def _read(outgoing: _Outgoing) -> list[tuple[bytes, bytes]]:
        rows: list[tuple[bytes, bytes]] = []
        size = 0
        for key, value in outgoing.view.iterate(outgoing.key, outgoing.stop):
            if rows and (size > CHUNK_BYTES or len(rows) == CHUNK_ROWS):
                break
            size += len(key) + len(value)
            rows.append((key[HEAD_BYTES:], value))
            outgoing.key = key + b"\x00"
        else:
            outgoing.is_read = True
        outgoing.rows_sent += len(rows)
        return rows

    def took(self, shard: ShardId, peer: NodeId, message: Took) -> None:
        """Take in how far a peer is."""
        outgoing = self._outgoing.get((shard, peer))
        if outgoing is None or outgoing.number != message.number:
            return
        outgoing.heard_us = self._now.mono_us
        outgoing.is_answered = True
        for place in [place for place in outgoing.unacknowledged if place < message.place]:
            del outgoing.unacknowledged[place]
        if message.is_installed:
            self._end(shard, peer, outgoing.label)

    def _end(self, shard: ShardId, peer: NodeId, label: bytes | None) -> None:
        self._outgoing.pop((shard, peer)).view.close()
        replica = self._replica(shard)
        if replica is not None:
            replica.moved(peer, label)

    def asked(self, shard: ShardId, peer: NodeId) -> None:
        """Begin a transfer that a peer asks for. One that it has all chunks of is over, whatever became of them: nobody
        asks while rows are coming."""
        outgoing = self._outgoing.get((shard, peer))
        if outgoing is not None and outgoing.is_read and not outgoing.unacknowledged:
            self._end(shard, peer, None)
        self.begin(shard, peer)

    def advance(self, now: Now) -> None:
        """Send what may be sent, send again what got lost, give up on who is silent."""
        self._now = now
        for (shard, peer), outgoing in list(self._outgoing.items()):
            replica = self._replica(shard)
            if replica is None or now.mono_us - outgoing.heard_us > SILENCE_US:
                self._end(shard, peer, None)
                continue
            if not outgoing.is_answered:
                if now.mono_us - outgoing.sent_us >= RESEND_US:
                    outgoing.sent_us = now.mono_us
                    self._send(peer, shard, Offer(outgoing.number, outgoing.label))
                continue
            self._feed(shard, peer, outgoing)
            if now.mono_us - outgoing.sent_us >= RESEND_US:
                outgoing.sent_us = now.mono_us
                for chunk in outgoing.unacknowledged.values() or (_nothing(outgoing),):
                    self._send(peer, shard, chunk)

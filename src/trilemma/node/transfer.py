"""Transfers: a shard's rows, from a pinned view of one node's engine into a new generation on another (PROTOCOLS §6.6).

The label is read from the view itself, so it says what the rows reflect and nothing else. The receiver loads beside the
generation that serves, counts what came against what was sent, has the engine flushed, and only then writes the one
record that switches; when that is durable the new rows are used and the old ones deleted. A crash at any moment leaves
one whole generation. One transfer per shard and peer at a time; lost chunks are sent again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.limits import KIB, limit
from trilemma.base.time import Now
from trilemma.replication.transfer import Ask, Chunk, Offer, Took, TransferMessage
from trilemma.storage import rowkey
from trilemma.storage.port import Engine, LogRecord, ReadView, RowBatch

CHUNK_BYTES = limit("transfer_chunk_bytes", 256 * KIB, "bytes", "a chunk is one frame", "the next chunk")
CHUNK_ROWS = 2_048
WINDOW_CHUNKS = limit("transfer_window", 4, "chunks", "chunks under way are in memory at both ends", "sending waits")
RESEND_US = 250_000
STALLED_US = 1_000_000
"""A donor silent for so long may be replaced by another one that offers the same shard."""

SILENCE_US = 3_000_000
"""A transfer whose other end says nothing for so long is given up; it is begun again where it is still needed."""

HEAD_BYTES = 8
"""Shard and generation at the beginning of a row key."""


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


@dataclass(slots=True)
class _Outgoing:
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


@dataclass(slots=True)
class _Incoming:
    donor: NodeId
    number: int
    label: bytes
    generation: int
    heard_us: int
    next_place: int = 0
    rows: int = 0
    rows_total: int | None = None
    step: str = "loading"
    """loading, loaded (wants a flush), flushing, flushed (wants its record), logged, installed."""
    token: int = 0


Send = Callable[[NodeId, ShardId, TransferMessage], None]
Transferred = tuple[ShardId, NodeId]


def _nothing(outgoing: _Outgoing) -> Chunk:
    """Return a chunk behind the last one, a question: how far it is, or that it is over, is the answer."""
    return Chunk(outgoing.number, outgoing.next_place, [], None)


class Transfers:
    """All transfers of one node."""

    def __init__(self, engine: Engine, replicas: Callable[[ShardId], Movable | None], send: Send, now: Now) -> None:
        self._engine = engine
        self._replica = replicas
        self._send = send
        self._now = now
        self._outgoing: dict[Transferred, _Outgoing] = {}
        self._incoming: dict[ShardId, _Incoming] = {}
        self._next_number = now.mono_us

    # The donor's end

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
        found = outgoing.view.scan(outgoing.key, outgoing.stop, CHUNK_ROWS)
        for key, value in found:
            if rows and size > CHUNK_BYTES:
                break
            size += len(key) + len(value)
            rows.append((key[HEAD_BYTES:], value))
            outgoing.key = key + b"\x00"
        outgoing.rows_sent += len(rows)
        outgoing.is_read = len(rows) == len(found) and len(found) < CHUNK_ROWS
        return rows

    def _took(self, shard: ShardId, peer: NodeId, message: Took) -> None:
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

    def _asked(self, shard: ShardId, peer: NodeId) -> None:
        """Begin a transfer that a peer asks for. One that it has all chunks of is over, whatever became of them: nobody
        asks while rows are coming."""
        outgoing = self._outgoing.get((shard, peer))
        if outgoing is not None and outgoing.is_read and not outgoing.unacknowledged:
            self._end(shard, peer, None)
        self.begin(shard, peer)

    # The receiver's end

    def _offered(self, shard: ShardId, donor: NodeId, message: Offer) -> None:
        known, replica = self._incoming.get(shard), self._replica(shard)
        if replica is None:
            return
        if known is not None and (known.donor, known.number) == (donor, message.number):
            self._acknowledge(shard, known)
            return
        if known is not None and self._is_under_way(known):
            return
        if not replica.accepts(message.label):
            self._send(donor, shard, Took(message.number, 0, True))
            return
        generation = replica.generation + 1
        self._clear(shard, generation)
        self._incoming[shard] = _Incoming(donor, message.number, message.label, generation, self._now.mono_us)
        self._acknowledge(shard, self._incoming[shard])

    def _is_under_way(self, incoming: _Incoming) -> bool:
        """Say whether a transfer goes on, so that another offer has to wait."""
        if incoming.step == "loading":
            return self._now.mono_us - incoming.heard_us < STALLED_US
        return incoming.step != "installed"

    def is_expected(self, shard: ShardId) -> bool:
        """Say whether rows of a shard are coming, so that nobody else need be asked for them."""
        incoming = self._incoming.get(shard)
        return incoming is not None and self._is_under_way(incoming)

    def _clear(self, shard: ShardId, generation: int) -> None:
        """Delete what an earlier attempt left in a generation: rows are loaded into an empty one, never merged."""
        self._engine.write(RowBatch((), (), [rowkey.shard_range(shard, generation)]))

    def _load(self, shard: ShardId, donor: NodeId, chunk: Chunk) -> None:
        incoming = self._incoming.get(shard)
        if incoming is None or (incoming.donor, incoming.number) != (donor, chunk.number):
            # Of a transfer that a crash, or another donor, has put an end to: who sends it need not go on.
            self._send(donor, shard, Took(chunk.number, 0, True))
            return
        incoming.heard_us = self._now.mono_us
        if incoming.step == "loading" and chunk.place == incoming.next_place:
            head = rowkey.shard_range(shard, incoming.generation)[0][:HEAD_BYTES]
            self._engine.write(RowBatch([(head + key, value) for key, value in chunk.rows], (), ()))
            incoming.next_place += 1
            incoming.rows += len(chunk.rows)
            if chunk.rows_total is not None:
                incoming.rows_total = chunk.rows_total
                self._loaded(shard, incoming)
        if shard in self._incoming:
            self._acknowledge(shard, incoming)

    def _loaded(self, shard: ShardId, incoming: _Incoming) -> None:
        """Check the count against the donor's; what does not match is loaded again from the beginning."""
        if incoming.rows == incoming.rows_total:
            incoming.step = "loaded"
        else:
            self._give_up(shard, incoming)

    def _give_up(self, shard: ShardId, incoming: _Incoming) -> None:
        """End a transfer and tell the donor, who would else wait for SILENCE_US before it begins another one."""
        del self._incoming[shard]
        self._send(incoming.donor, shard, Took(incoming.number, 0, True))

    def _acknowledge(self, shard: ShardId, incoming: _Incoming) -> None:
        is_installed = incoming.step == "installed"
        self._send(incoming.donor, shard, Took(incoming.number, incoming.next_place, is_installed))

    # The turn

    def receive(self, sender: NodeId, shard: ShardId, message: TransferMessage) -> None:
        """Take in a transfer message."""
        if isinstance(message, Chunk):
            self._load(shard, sender, message)
        elif isinstance(message, Took):
            self._took(shard, sender, message)
        elif isinstance(message, Offer):
            self._offered(shard, sender, message)
        elif isinstance(message, Ask):
            self._asked(shard, sender)

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
        for shard, incoming in list(self._incoming.items()):
            if incoming.step in ("loading", "installed") and now.mono_us - incoming.heard_us > SILENCE_US:
                del self._incoming[shard]

    @property
    def wants_flush(self) -> bool:
        """Say whether loaded rows wait for a flush of the engine to begin."""
        return any(incoming.step == "loaded" for incoming in self._incoming.values())

    def flush_begins(self) -> None:
        """A flush begins: it covers what is loaded by now."""
        for incoming in self._incoming.values():
            if incoming.step == "loaded":
                incoming.step = "flushing"

    def rows_flushed(self) -> None:
        """The flush is done."""
        for incoming in self._incoming.values():
            if incoming.step == "flushing":
                incoming.step = "flushed"

    def take_records(self, token: int) -> list[LogRecord]:
        """Return the records that switch generations whose rows are durable; `token` will make them durable."""
        records = []
        for shard, incoming in list(self._incoming.items()):
            if incoming.step != "flushed":
                continue
            replica = self._replica(shard)
            if replica is None or not replica.accepts(incoming.label):
                # Meanwhile the replica got on by other means, or let go what the rows lack.
                self._give_up(shard, incoming)
                self._clear(shard, incoming.generation)
                continue
            records.append(replica.prepare_switch(incoming.generation, incoming.label))
            incoming.step, incoming.token = "logged", token
        return records

    def persisted(self, token: int) -> None:
        """Use the generations whose record is durable; delete the ones before."""
        for shard, incoming in self._incoming.items():
            replica = self._replica(shard)
            if incoming.step != "logged" or incoming.token > token or replica is None:
                continue
            old = replica.generation
            replica.switch(incoming.generation, incoming.label, self._engine)
            self._engine.write(RowBatch((), (), [rowkey.shard_range(shard, old)]))
            incoming.step = "installed"
            self._acknowledge(shard, incoming)

    @property
    def next_deadline_us(self) -> int | None:
        """When `advance` next has something to do, None where no transfer is under way."""
        if not self._outgoing and not self._incoming:
            return None
        return self._now.mono_us + RESEND_US

"""The receiver's end of transfers: rows of a peer, loaded into a new generation beside the one that serves.

Owns the steps: it counts what came against what was sent, has the engine flushed, and only then has the replica make
the one record that switches; when that is durable the new rows are used and the old ones deleted. A crash at any moment
leaves one whole generation (PROTOCOLS §6.6). One transfer per shard at a time. Does not know what the rows hold, nor
how the donor reads them: see node/donor.py.
"""

from dataclasses import dataclass

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.time import Now
from trilemma.node.movable import HEAD_BYTES, SILENCE_US, Replicas, Send
from trilemma.replication.transfer import Chunk, Offer, Took
from trilemma.storage import rowkey
from trilemma.storage.port import Engine, LogRecord, RowBatch

STALLED_US = 1_000_000
"""A donor silent for so long may be replaced by another one that offers the same shard."""


@dataclass(slots=True)
class _Incoming:
    """A transfer from a peer."""

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


class Receiver:
    """All transfers that one node receives."""

    def __init__(self, engine: Engine, replicas: Replicas, send: Send, now: Now) -> None:
        self._engine = engine
        self._replica = replicas
        self._send = send
        self._now = now
        self._incoming: dict[ShardId, _Incoming] = {}

    @property
    def is_busy(self) -> bool:
        """Say whether any transfer is under way."""
        return bool(self._incoming)

    def offered(self, shard: ShardId, donor: NodeId, message: Offer) -> None:
        """Take in that a peer offers a shard's rows: begin to load them, unless that goes on or they are not wanted."""
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

    def load(self, shard: ShardId, donor: NodeId, chunk: Chunk) -> None:
        """Take in a chunk of rows, in its place; say how far this end is."""
        incoming = self._incoming.get(shard)
        is_of_it = incoming is not None and (incoming.donor, incoming.number) == (donor, chunk.number)
        if incoming is None or not is_of_it or self._replica(shard) is None:
            # Of a transfer that a crash, or another donor, or the end of its shard, has put an end to: who sends it
            # need not go on, and rows of a shard that is here no more would stay.
            self._send(donor, shard, Took(chunk.number, 0, True))
            return
        incoming.heard_us = self._now.mono_us
        if incoming.step == "loading" and chunk.place == incoming.next_place and self._engine.takes_writes:
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

    def advance(self, now: Now) -> None:
        """Give up on donors who are silent; forget what was installed long ago, and shards that are here no more."""
        self._now = now
        for shard, incoming in list(self._incoming.items()):
            is_silent = now.mono_us - incoming.heard_us > SILENCE_US
            if self._replica(shard) is None or (is_silent and incoming.step in ("loading", "installed")):
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

"""The executor's side of forwarded batches: one stream per origin's start, shard and epoch (PROTOCOLS §1.4).

Owns when a reply leaves: once what it shows is durable here, and until then it waits in its stream, where a void, or a
bound, reaches it. Only an origin's newest start is heard: nobody waits for what an earlier one has sent.
"""

from collections.abc import Callable

import msgspec

from trilemma.base.ids import SYSTEM_SHARD, NodeId, ShardId
from trilemma.base.limits import limit
from trilemma.cluster.messages import Forward, ForwardReply
from trilemma.cluster.stream import InStream, done, lost, refused, withdrawn
from trilemma.keyspace.catalogue import decode_change
from trilemma.node.batch import ForwardedBatch
from trilemma.node.request import Target
from trilemma.node.unit import Result, Unit, decode_units, encode_results

EPOCHS_KEPT = limit(
    "forward_epochs_kept",
    64,
    "streams per origin and shard",
    "a repeat of an old epoch gets its kept reply",
    "UNCERTAIN",
)

StreamKey = tuple[NodeId, ShardId, int, int]
"""Origin, shard, origin's start, epoch."""


class Incoming:
    """All streams that end at this node."""

    def __init__(
        self,
        node: NodeId,
        target_of: Callable[[ShardId], Target | None],
        has_executed: Callable[[ShardId, int], bool],
        submit: Callable[[ShardId, ForwardedBatch], None],
        reply: Callable[[ForwardReply], None],
        bad: Callable[[], None],
    ) -> None:
        """Args:
        has_executed: whether this start of the node was the executor of an epoch, and never will be again.
        bad: told of every batch that no sound node would have sent.
        """
        self._node = node
        self._target_of = target_of
        self._has_executed = has_executed
        self._submit = submit
        self._reply = reply
        self._bad = bad
        self._streams: dict[StreamKey, InStream] = {}
        self._ended: dict[tuple[NodeId, ShardId], int] = {}
        """The highest epoch of which a stream was not kept any more."""
        self._starts: dict[NodeId, int] = {}
        """The newest start of each origin that was heard of."""
        self._durable = 0
        """Of the log here."""
        self._holding: dict[StreamKey, InStream] = {}
        """Streams with replies that wait for the log."""
        self._withdrawn: set[ShardId] = set()
        """Shards with units that need not be begun, of which `take_withdrawn` has not told."""

    def receive(self, forward: Forward) -> None:
        """Execute a batch in its turn, answer a repeat, or refuse what this node will never execute."""
        self.note_start(forward.origin, forward.origin_start)
        if forward.origin_start < self._starts[forward.origin]:
            # Nobody waits for it, and it must not be taken for the first of a stream that has ended.
            return
        key = _key(forward)
        executes = self._target_of(forward.shard) == (self._node, forward.epoch)
        stream = self._streams.get(key)
        if stream is None:
            if not executes:
                self._reply(self._unknown(forward))
                return
            stream = self._open(key)
        batches, kept = stream.take(forward)
        if kept is not None and kept[1] <= self._durable and stream.leaves_again(kept[0]):
            # Else the first copy has not left yet, and answers this one too.
            self._reply(kept[0])
        for batch in batches:
            self._execute(stream, batch, executes)

    def note_start(self, origin: NodeId, start: int) -> None:
        """Hear of a start of a node: a newer one ends what those before had here."""
        if start <= self._starts.get(origin, -1):
            return
        self._starts[origin] = start
        for key in [key for key in self._streams if key[0] == origin]:
            self._streams.pop(key).end()
            self._holding.pop(key, None)
        self._ended = {place: epoch for place, epoch in self._ended.items() if place[0] != origin}

    def persisted(self, token: int) -> None:
        """Let out the replies of which the log is durable now."""
        self._durable = max(self._durable, token)
        for key, stream in list(self._holding.items()):
            for reply in stream.release(self._durable):
                self._reply(reply)
            if not stream.holds:
                del self._holding[key]

    def owes(self, can_answer: Callable[[NodeId, ShardId], bool]) -> bool:
        """Say whether an origin waits for an answer. `can_answer`: whether there may come one of a shard, for it."""
        return any(stream.owes and can_answer(origin, shard) for (origin, shard, _, _), stream in self._streams.items())

    def take_withdrawn(self) -> list[ShardId]:
        """Return, once, the shards that were given units for which nobody waits any more."""
        if not self._withdrawn:
            return []
        shards, self._withdrawn = self._withdrawn, set()
        return sorted(shards)

    def _unknown(self, forward: Forward) -> ForwardReply:
        """Return the answer to a batch of no known stream, in an epoch that is not this node's now."""
        shard, epoch = forward.shard, forward.epoch
        if self._has_executed(shard, epoch) and epoch > self._ended.get((forward.origin, shard), -1):
            # Who hears late that a leader was replaced sends it a first batch: nothing of it has come before.
            return refused(forward, "the leader has changed")
        # An earlier start of this node may have executed it.
        return lost(forward, "the executor has changed")

    def forget(self, shard: ShardId) -> None:
        """End the streams of a shard that is dropped: nothing that comes for it is taken in any more."""
        self._streams = {key: stream for key, stream in self._streams.items() if key[1] != shard}
        self._holding = {key: stream for key, stream in self._holding.items() if key[1] != shard}
        self._withdrawn.discard(shard)
        self._ended = {place: epoch for place, epoch in self._ended.items() if place[1] != shard}

    def _open(self, key: StreamKey) -> InStream:
        mine = [known for known in self._streams if known[:2] == key[:2]]
        if len(mine) >= EPOCHS_KEPT:
            del self._streams[mine[0]]
            self._ended[key[:2]] = max(mine[0][3], self._ended.get(key[:2], -1))
        stream = self._streams[key] = InStream()
        return stream

    def _execute(self, stream: InStream, forward: Forward, executes: bool) -> None:
        if not executes:
            self._answer(forward, refused(forward, "the leader has changed"), 0)
        elif forward.body is None:
            self._answer(forward, withdrawn(forward), 0)
        elif (units := _units(forward.shard, forward.body)) is None:
            self._bad()
            self._answer(forward, refused(forward, "the batch cannot be read"), 0)
        else:
            batch = ForwardedBatch(forward, units, self._done)
            stream.begin(forward.sequence, lambda: self._withdraw(batch))
            self._submit(forward.shard, batch)

    def _withdraw(self, batch: ForwardedBatch) -> None:
        batch.withdraw()
        self._withdrawn.add(batch.forward.shard)

    def _done(self, forward: Forward, results: list[Result], token: int) -> None:
        self._answer(forward, done(forward, encode_results(results)), token)

    def _answer(self, forward: Forward, reply: ForwardReply, token: int) -> None:
        key = _key(forward)
        stream = self._streams.get(key)
        if stream is None:
            # It was one of too many, or the keyspace is dropped: what is not durable is not told, a repeat is unknown.
            if token <= self._durable:
                self._reply(reply)
            return
        stream.keep(reply, token)
        if token <= self._durable:
            self._reply(reply)
        else:
            stream.hold(reply.sequence)
            self._holding[key] = stream


def _key(forward: Forward) -> StreamKey:
    return forward.origin, forward.shard, forward.origin_start, forward.epoch


def _units(shard: ShardId, body: bytes) -> list[Unit] | None:
    """Return the units of a batch, None where it holds anything but whole ones; of the catalogue, also changes."""
    try:
        units = decode_units(body)
        if shard == SYSTEM_SHARD:
            for unit in units:
                if not unit.is_read:
                    decode_change(unit.argv[0] if unit.argv else b"")
    except msgspec.MsgspecError:
        return None
    return units if units and all(unit.is_whole for unit in units) else None

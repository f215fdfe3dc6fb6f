"""The state of one key on `ap`: concurrent SETs, concurrent deadlines, and a counter entry per node (PROTOCOLS §5).

Everything an operation replaces it must have seen: its context is the vector before its batch, and the positions
before it in the batch. What loses stays, hidden, until a write that has seen it replaces it. Equal sets of operations
make equal states, whatever order causality left them in; the encoding is canonical, so states compare as bytes.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import msgspec

from trilemma.base.ids import Dot, NodeId
from trilemma.crdt.exact import exact_number, exact_text
from trilemma.crdt.vector import Vector

FOREVER_MS = 0
"""The deadline of a key that lives for ever; it beats any other among concurrent ones."""


class Context(NamedTuple):
    """What an operation has seen: `vector` of other batches, and of its own batch the positions below `position`."""

    vector: Vector
    node: NodeId
    seq: int
    position: int

    def covers(self, dot: Dot) -> bool:
        """Say whether the operation had seen what was born under a dot."""
        if dot.node == self.node and dot.seq == self.seq:
            return dot.position < self.position
        return dot.seq <= self.vector.get(dot.node, 0)


class Written(NamedTuple):
    """One SET."""

    dot: Dot
    stamp: int
    value: bytes

    @property
    def rank(self) -> tuple[int, Dot]:
        """The order in which the last writer wins: stamp, node, sequence, position."""
        return self.stamp, self.dot


class Deadline(NamedTuple):
    """One setting of the time to live."""

    dot: Dot
    at_ms: int


class Count(NamedTuple):
    """What one node has added: a running sum that only it writes, and how much of it resets have taken out.

    `seq` orders the node's own updates, `run` is the first of them since the entry began, `cleared_seq` names the
    newest update that a reset had seen. An entry that is wholly cleared may be dropped; the next one has a higher run.
    """

    run: int
    seq: int
    total: Fraction
    cleared_seq: int
    cleared: Fraction

    @property
    def shown(self) -> Fraction:
        """What counts of it."""
        return self.total - self.cleared

    @property
    def is_live(self) -> bool:
        """Whether some update has not been reset."""
        return self.seq > self.cleared_seq


class Reset(NamedTuple):
    """What a SET, DEL or FLUSH had seen of one node's counter entry."""

    node: NodeId
    run: int
    seq: int
    total: Fraction


NOTHING = Count(0, 0, Fraction(0), 0, Fraction(0))


@dataclass(slots=True)
class KeyState:
    """All there is under one key."""

    sets: list[Written] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    counts: dict[NodeId, Count] = field(default_factory=dict)

    # Operations

    def set(self, written: Written, at_ms: int, context: Context, resets: list[Reset]) -> None:
        """Replace all that was seen by a value and its deadline."""
        self.delete(context, resets)
        self.sets.append(written)
        self.deadlines.append(Deadline(written.dot, at_ms))

    def delete(self, context: Context, resets: list[Reset]) -> None:
        """Take away what was seen, and nothing else."""
        self.sets = [each for each in self.sets if not context.covers(each.dot)]
        self.deadlines = [each for each in self.deadlines if not context.covers(each.dot)]
        for reset in resets:
            self._reset(reset)

    def _reset(self, reset: Reset) -> None:
        count = self.counts.get(reset.node, NOTHING)
        # An entry that is not here any more was wholly cleared, by this reset too.
        if reset.run == count.run and reset.seq > count.cleared_seq:
            self.counts[reset.node] = count._replace(cleared_seq=reset.seq, cleared=reset.total)

    def edit(self, written: Written, context: Context, resets: list[Reset]) -> None:
        """Replace the value that was seen; deadlines stay (APPEND, SET KEEPTTL)."""
        self.sets = [each for each in self.sets if not context.covers(each.dot)]
        for reset in resets:
            self._reset(reset)
        self.sets.append(written)

    def expire(self, deadline: Deadline, context: Context) -> None:
        """Replace the deadlines that were seen."""
        self.deadlines = [each for each in self.deadlines if not context.covers(each.dot)]
        self.deadlines.append(deadline)

    def added(self, node: NodeId, seq: int, amount: Fraction) -> Count:
        """Return a node's entry with more added to it by its update number `seq`."""
        count = self.counts.get(node, NOTHING)
        return count._replace(run=count.run or seq, seq=seq, total=count.total + amount)

    def add(self, node: NodeId, new: Count) -> None:
        """Take a node's whole new entry: of one run the newer sum and the newer reset, of two the later run."""
        count = self.counts.get(node, NOTHING)
        if new.run > count.run:
            self.counts[node] = new
        elif new.run == count.run:
            if new.seq > count.seq:
                count = count._replace(seq=new.seq, total=new.total)
            if new.cleared_seq > count.cleared_seq:
                count = count._replace(cleared_seq=new.cleared_seq, cleared=new.cleared)
            self.counts[node] = count

    def drop_cleared(self, cleared: dict[NodeId, tuple[int, int]]) -> None:
        """Forget entries that are wholly cleared still as of (run, cleared_seq), which every replica knows."""
        for node, (run, cleared_seq) in cleared.items():
            count = self.counts.get(node)
            if count is not None and not count.is_live and (count.run, count.cleared_seq) == (run, cleared_seq):
                del self.counts[node]

    # What is shown

    def winner(self) -> Written | None:
        """Return the SET that is shown, None where there is none."""
        return max(self.sets, key=lambda each: each.rank, default=None)

    def sum(self) -> Fraction:
        """Return what all nodes have added and no reset has taken out."""
        return sum((count.shown for count in self.counts.values()), Fraction(0))

    @property
    def counts_live(self) -> bool:
        """Say whether some increment has not been reset."""
        return any(count.is_live for count in self.counts.values())

    def cleared(self) -> dict[NodeId, tuple[int, int]]:
        """Return (run, cleared_seq) of the entries that are wholly cleared."""
        return {node: (count.run, count.cleared_seq) for node, count in self.counts.items() if not count.is_live}

    @property
    def has_content(self) -> bool:
        """Say whether the key is there, expiry apart."""
        return bool(self.sets) or self.counts_live

    def deadline_ms(self) -> int | None:
        """Return when the key ends, None for never: one that lives for ever beats any, else the longest."""
        moments = [each.at_ms for each in self.deadlines]
        return None if not moments or FOREVER_MS in moments else max(moments)

    def resets(self) -> list[Reset]:
        """Return what a reset made now would have seen."""
        return [
            Reset(node, count.run, count.seq, count.total)
            for node, count in sorted(self.counts.items())
            if count.is_live
        ]

    # Bytes

    def encode(self) -> bytes | None:
        """Return the canonical bytes, None where nothing is left to say."""
        if not self.sets and not self.deadlines and not self.counts:
            return None
        return _encode(
            [
                sorted([*each.dot, each.stamp, each.value] for each in self.sets),
                sorted([*each.dot, each.at_ms] for each in self.deadlines),
                [
                    [node, count.run, count.seq, exact_text(count.total), count.cleared_seq, exact_text(count.cleared)]
                    for node, count in sorted(self.counts.items())
                ],
            ]
        )

    def content(self) -> bytes | None:
        """Return the canonical bytes without what is out of sight: wholly cleared counters (PROTOCOLS §5.5)."""
        live = {node: count for node, count in self.counts.items() if count.is_live}
        return KeyState(self.sets, self.deadlines if self.sets or live else [], live).encode()

    @classmethod
    def decode(cls, row: bytes) -> "KeyState":
        """Read back what `encode` wrote."""
        sets, deadlines, counts = _decode(row)
        return cls(
            [Written(Dot(*each[:3]), each[3], each[4]) for each in sets],
            [Deadline(Dot(*each[:3]), each[3]) for each in deadlines],
            {each[0]: Count(*each[1:3], exact_number(each[3]), each[4], exact_number(each[5])) for each in counts},
        )


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(
    tuple[
        list[tuple[int, int, int, int, bytes]],
        list[tuple[int, int, int, int]],
        list[tuple[int, int, int, str, int, str]],
    ]
).decode

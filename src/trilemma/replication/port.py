"""The contract between the node and a replica of one shard, whichever protocol keeps it.

A replica is pure. In each turn of the node: `receive` for every message of the turn, `persisted` for what the log made
durable, `advance(now, up)` once, then proposals, then one `ready(token)`, whose records go to the log under `token`
and whose messages go out. Losing, repeating and reordering messages is legal; losing `persisted` is not.

Protocol messages are frozen msgspec.Struct types with a tag (`tag=...`, `array_like=True`, `frozen=True`), so that a
frame's decoder is typed and strict; the node wraps each one with its shard.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol

import msgspec

from trilemma.base.ids import NodeId
from trilemma.base.time import Now
from trilemma.storage.port import LogRecord


class Message(msgspec.Struct, frozen=True, array_like=True):
    """Base of every replica-to-replica message; subclasses set a tag unique in the whole wire format.

    Tags: Raft 1-39, leaderless 40-69, transfer 70-79, links and forwarding 80-99.
    """


class Outbound(NamedTuple):
    """A message to a peer. `after_sync`: it speaks of records of this or an earlier turn and waits for them."""

    peer: NodeId
    message: Message
    after_sync: bool


class EntryKind(Enum):
    """What a Raft entry is for. The values are on disk and wire."""

    NOOP = 0
    COMMANDS = 1
    CONFIGURATION = 2
    TICK = 3
    SETTINGS = 4


class Entry(NamedTuple):
    """One Raft entry. `stamp_ms` is log time (PROTOCOLS §4), `seed` the randomness of its commands."""

    index: int  # type: ignore[assignment] # the field's word; tuple.index is of no use here
    term: int
    kind: EntryKind
    stamp_ms: int
    seed: int
    body: bytes


class RaftReady(NamedTuple):
    """One turn's outcome of a Raft replica.

    `committed`: entries to apply now, in order, each exactly once per start, but for those that are handed back.
    `reads`: (context, read_index) of reads whose leadership is confirmed: serve once applied >= read_index.
    `failed_reads`: contexts that will not be.
    `needs_snapshot`: peers whose next entry is no longer in the log.
    """

    records: Sequence[LogRecord]
    must_sync: bool
    messages: Sequence[Outbound]
    committed: Sequence[Entry]
    reads: Sequence[tuple[int, int]]
    failed_reads: Sequence[int]
    needs_snapshot: Sequence[NodeId]


class Batch(NamedTuple):
    """One leaderless batch: dot (origin, seq), hybrid stamp, the vector it depends on, the opaque operations."""

    origin: NodeId
    seq: int
    stamp: int
    depends: dict[NodeId, int]
    body: bytes


class Reflected(NamedTuple):
    """What rows reflect: which batches, and a stamp that none of those has exceeded.

    Rows that come without their batches bring the stamps too: a write that replaces what they show must exceed it.
    """

    vector: dict[NodeId, int]
    stamp: int


class LeaderlessReady(NamedTuple):
    """One turn's outcome of a leaderless replica.

    `deliver`: batches to apply now in this order (own ones included), each with the vector it brings the rows to.
    `needs_transfer`: donors that answered 'dropped': pull their rows into a new generation.
    """

    records: Sequence[LogRecord]
    must_sync: bool
    messages: Sequence[Outbound]
    deliver: Sequence[tuple[Batch, dict[NodeId, int]]]
    needs_transfer: Sequence[NodeId]


class Replica(Protocol):
    """What both kinds share."""

    def receive(self, sender: NodeId, message: Message, since_us: int | None = None) -> None:
        """Take in a message; anything stale, repeated or not for this role is dropped.

        `since_us`: it was made no earlier, by the own clock, however late it comes in; None where that is not known.
        """
        ...

    def persisted(self, token: int) -> bool:
        """Everything handed out by `ready(t)` with t <= token is durable; return whether anything waited for it."""
        ...

    def advance(self, now: Now, up: frozenset[NodeId]) -> None:
        """Move time on. `up`: peers to which the link is up both ways (PROTOCOLS §1.1), self not among them."""
        ...

    @property
    def next_deadline_us(self) -> int:
        """The mono_us at which `advance` has something to do though nothing came in."""
        ...

    def restate(self) -> list[LogRecord]:
        """Return what a fresh log segment must say of this shard, so that older segments are not needed to know it.

        Entries and batches that are still needed are not among them; `first_needed` of the replica names those.
        """
        ...

"""What leaderless replicas of one shard say to each other. Tags 40-69 of the wire format."""

from typing import Annotated

import msgspec

from trilemma.base.ids import NodeId
from trilemma.replication.port import Batch, Message

Count = Annotated[int, msgspec.Meta(ge=0)]
Wire = tuple[NodeId, Count, Count, dict[NodeId, Count], bytes]
"""A batch: origin, sequence, stamp, what it depends on, body."""


def wire_of(batch: Batch) -> Wire:
    """Return a batch as it travels."""
    return batch.origin, batch.seq, batch.stamp, batch.depends, batch.body


class Batches(Message, frozen=True, array_like=True, tag=40):
    """Batches that the sender holds durably, each origin's in order: (origin, sequence, stamp, depends, body)."""

    batches: list[Wire]


class Gossip(Message, frozen=True, array_like=True, tag=41):
    """What the sender holds durably, how many batches it had made, and its expiry clock, all at one moment.

    `asks`: the number of a question, to be answered by a Gossip whose `answers` says it; 0 for none.
    """

    durable: dict[NodeId, Count]
    made: Count
    expiry_ms: Count
    asks: Count
    answers: Count


class Pull(Message, frozen=True, array_like=True, tag=42):
    """'Send me what I lack': the sender holds this much."""

    held: dict[NodeId, Count]


class Dropped(Message, frozen=True, array_like=True, tag=43):
    """'What you asked for is no longer in my log': take my rows instead."""

    held: dict[NodeId, Count]


LeaderlessMessage = Batches | Gossip | Pull | Dropped
"""Every message of this package."""

"""What nodes tell each other beside replication: status, forwarded batches and their answers. Tags 80-99."""

import msgspec

from trilemma.base.ids import NodeId, ShardId


class Leadership(msgspec.Struct, frozen=True, array_like=True):
    """Somebody leads a shard: the executor of its commands and the epoch in which it is that."""

    shard: ShardId
    term: int
    leader: NodeId


class Status(msgspec.Struct, frozen=True, array_like=True, tag=80):
    """What a node says of itself with every heartbeat.

    `up`: peers its links are up to, and the node itself once it is about to stop. `leaders`: the newest leaderships it
    knows of, so that a node finds a leader it has no link to. `system_applied`: how far it has applied the catalogue.
    `wall_ms`: its wall clock, for the offset check. `has_room`: whether its disk takes further entries.
    """

    up: tuple[NodeId, ...]
    leaders: tuple[Leadership, ...]
    system_applied: int
    wall_ms: int
    has_room: bool = True


class Forward(msgspec.Struct, frozen=True, array_like=True, tag=81):
    """One batch of commands for the executor of a shard, number `sequence` of its stream (PROTOCOLS §1.4).

    `epoch`: the executor's term (Raft) or start (leaderless). `answered`: every number up to it has been answered, so
    kept replies may go. `catalogue`: the version of the catalogue by which the origin routed it. `body` None is a void:
    the batch is not wanted any more, but its number must be used up; what of it was not begun need not be. Where all
    before it is answered, it was never more than a void: it is there to say `answered`.
    """

    origin: NodeId
    origin_start: int
    executor: NodeId
    shard: ShardId
    epoch: int
    sequence: int
    answered: int
    catalogue: int
    body: bytes | None


class ForwardReply(msgspec.Struct, frozen=True, array_like=True, tag=82):
    """The answer to one Forward.

    `outcome`: "done" with `replies`, one for each command; "refused": it did not happen and never will; "lost": the
    executor cannot tell any more. `reason` is for people.
    """

    origin: NodeId
    origin_start: int
    shard: ShardId
    epoch: int
    sequence: int
    outcome: str
    replies: bytes
    reason: str

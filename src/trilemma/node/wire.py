"""The frame between nodes: a header with beats (cluster/link.py), then messages, each for a shard.

Every message type is a frozen msgspec struct with a tag that is unique in the union below; a frame that does not decode
to exactly these types is refused whole. docs/formats.md is its page.
"""

import msgspec

from trilemma.base.ids import NodeId, ShardId
from trilemma.cluster.messages import Forward, ForwardReply, Status
from trilemma.replication.leaderless.messages import LeaderlessMessage
from trilemma.replication.raft.messages import RaftMessage
from trilemma.replication.transfer import TransferMessage

AnyMessage = RaftMessage | LeaderlessMessage | TransferMessage | Status | Forward | ForwardReply


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """A message on its way. Where `target` is not the receiver, the receiver passes it on: one hop, never two."""

    source: NodeId
    target: NodeId
    shard: ShardId
    message: AnyMessage


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """What one node sends another at once.

    `start` counts the sender's starts; `beat` is its newest beat, `echo` the newest of the receiver's start
    `echo_start` that it has heard.
    """

    sender: NodeId
    start: int
    beat: int
    echo_start: int
    echo: int
    envelopes: list[Envelope]


encode_frame = msgspec.msgpack.Encoder().encode
decode_frame = msgspec.msgpack.Decoder(Frame).decode

"""What CAP WAIT and WAIT wait for at a node that has no replica: what replicas elsewhere hold.

CAP WAIT waits until one of the replicas in reach holds what the token names, and from then on that one alone executes
what the connection sends: another one may lack it, and would show what was before. Where it is out of reach commands
are refused, until CAP WAIT has found another (node/route.py). WAIT asks the node that has executed the write: no other
one knows how far it is.
"""

from typing import cast

import msgspec

from trilemma.base.errors import ReplyError, error, register
from trilemma.base.ids import NodeId, ShardId
from trilemma.crdt.vector import Vector, covers, join, text
from trilemma.node import internal
from trilemma.node.dispatch import Dispatcher
from trilemma.node.inquiry import Inquiry
from trilemma.node.request import NOTHING, Lane
from trilemma.node.server import Server
from trilemma.resp.decode import decode_reply

register(
    "token_not_reached_there",
    "TRYAGAIN {executor}, which {node} asks because it has no replica, does not hold yet what is waited for: keyspace "
    "'{name}' holds {held}, the tokens of this connection name {wanted}",
    "send CAP WAIT again, or go to the node that gave the token",
)
register(
    "token_not_told",
    "TRYAGAIN {node} has no replica of keyspace '{name}' and does not know whether one holds what the token names: "
    "{reason}",
    "send CAP WAIT again, or go to the node that gave the token",
)

_decode_vector = msgspec.msgpack.Decoder(dict[NodeId, int]).decode


def position_in(reply: bytes) -> dict[NodeId, int]:
    """Return what a replica holds by its reply to internal.POSITION."""
    return _decode_vector(cast(bytes, decode_reply(reply)))


class FarPosition:
    """Whether some replica of one shard holds what a token names, for one session's lane."""

    def __init__(self, server: Server, dispatcher: Dispatcher, shard: ShardId, lane: Lane, named: Vector) -> None:
        self._server = server
        self._shard = shard
        self._lane = lane
        self._wanted = join((lane.promised, named))
        """With what was waited for before: that is not to go out of sight now."""
        self._held: Vector | None = None
        self._inquiry = Inquiry(server, dispatcher, shard)

    def problem(self) -> ReplyError | None:
        """Return what is missing, having seen to it that somebody is asked; None once a replica in reach holds all."""
        if covers(NOTHING, self._wanted):
            # A token also names keyspaces of which nothing was seen yet: whoever executes, holds that.
            return None
        if (answer := self._inquiry.take()) is not None:
            self._held = position_in(answer)
        reached = self._reached()
        if self._held is not None and self._inquiry.node in reached and covers(self._held, self._wanted):
            return None
        self._inquiry.ask(reached, [internal.POSITION])
        return self._missing(reached)

    def _missing(self, reached: list[NodeId]) -> ReplyError:
        executors, node = self._server.executors, self._server.config.name
        name = executors.keyspace(self._shard).name
        if self._held is None or self._inquiry.node not in reached:
            reason = f"no answer of {', '.join(map(executors.name, reached))}" if reached else "it reaches none"
            return error("token_not_told", node=node, name=name, reason=reason)
        executor, held = executors.name(self._inquiry.node), text(self._held) or "nothing"
        wanted = text(self._wanted)
        return error("token_not_reached_there", executor=executor, node=node, name=name, held=held, wanted=wanted)

    def _reached(self) -> list[NodeId]:
        """Return the replicas in reach, the one that executes for this session first."""
        executors, only = self._server.executors, self._lane.only
        first = [only] if only is not None and executors.has_path(only) else []
        return first + [node for node in executors.reached_replicas(self._shard) if node != only]

    def keep(self) -> None:
        """Have what comes in this lane executed by the replica that holds all."""
        if self._inquiry.node is not None:
            self._lane.was_promised(self._inquiry.node, self._wanted)

    @property
    def next_us(self) -> int:
        """When somebody is to be asked again."""
        return self._inquiry.next_us


class FarWrite:
    """How many replicas hold a session's last write to one shard, which another node has executed.

    That node is asked about the newest batch that it had made when it was first asked: the write is not behind that.
    Until it has answered nothing is known to hold it.
    """

    def __init__(self, server: Server, dispatcher: Dispatcher, shard: ShardId, executor: NodeId) -> None:
        self.held: int | None = None
        """How many others are known to hold it, None until the node has said."""
        self._server = server
        self._executor = executor
        self._position: int | None = None
        self._inquiry = Inquiry(server, dispatcher, shard)

    def look(self) -> None:
        """Take in what the node has said, and see to it that it is asked."""
        answer = self._inquiry.take()
        if answer is not None and self._position is None:
            self._position = position_in(answer).get(self._executor, 0)
            self._inquiry.hurry()
        elif answer is not None:
            self.held = cast(int, decode_reply(answer))
        argv = [internal.POSITION] if self._position is None else [internal.HELD, b"%d" % self._position]
        self._inquiry.ask([self._executor] if self.can_ask else [], argv)

    @property
    def can_ask(self) -> bool:
        """Whether the node is in reach."""
        return self._server.executors.has_path(self._executor)

    @property
    def next_us(self) -> int:
        """When it is to be asked again."""
        return self._inquiry.next_us

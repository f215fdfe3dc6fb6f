"""CAP WAIT under way: whether whoever executes what a connection sends holds all that its token names.

Of a shard with a replica here that is this replica; of one without, whichever replica elsewhere is found to hold it
(node/far_waits.py). Does not know when the wait began nor when it is over.
"""

from trilemma.base.errors import ReplyError, error, register
from trilemma.base.ids import ShardId, keyspace_of
from trilemma.base.time import NEVER_US
from trilemma.crdt.vector import Vector, covers, text
from trilemma.node.causal_shard import CausalShard
from trilemma.node.dispatch import Dispatcher, ok
from trilemma.node.far_waits import FarPosition
from trilemma.node.server import Server
from trilemma.node.session import Session
from trilemma.node.token import Seen
from trilemma.resp.reply import encode_error

register(
    "token_not_reached",
    "TRYAGAIN {node} does not hold yet what the token names: keyspace '{name}' holds {held}, the token names {wanted}",
    "send CAP WAIT again, or go to the node that gave the token",
)
register(
    "token_of_unknown",
    "TRYAGAIN {node} does not know yet of a keyspace that the token names: id {id}, of which it names {wanted}",
    "send CAP WAIT again, or go to the node that gave the token; a token of another cluster holds nowhere else",
)


class TokenWait:
    """One CAP WAIT."""

    def __init__(self, server: Server, dispatcher: Dispatcher, session: Session, wanted: Seen) -> None:
        self._server = server
        self._dispatcher = dispatcher
        self._session = session
        self._wanted = wanted
        self._far: dict[ShardId, FarPosition] = {}
        self._asking: list[FarPosition] = []
        """Those that have not been found to be held."""

    def poll(self, is_late: bool) -> bytes | None:
        """Return the reply, None while it has to wait. Of a keyspace that is gone nobody sees anything."""
        if any(map(self._is_of_no_token, self._wanted)):
            return encode_error(error("bad_token").text)
        self._asking = []
        # All are looked at: what is elsewhere is asked for side by side.
        problems = [problem for each in self._wanted.items() if (problem := self._problem(*each)) is not None]
        if problems:
            return encode_error(problems[0].text) if is_late else None
        for far in self._far.values():
            far.keep()
        return ok(self._session)

    def _is_of_no_token(self, shard: ShardId) -> bool:
        executors = self._server.executors
        return shard in executors.routes and not executors.keyspace(shard).is_leaderless

    def _problem(self, shard: ShardId, vector: Vector) -> ReplyError | None:
        """Return what is missing of a shard."""
        node, executors = self._server.config.name, self._server.executors
        if self._server.system.catalogue.is_gone(keyspace_of(shard)):
            self._far.pop(shard, None)
            return None
        replica = executors.replicas.get(shard)
        if isinstance(replica, CausalShard):
            if covers(replica.replica.vector, vector):
                return None
            held = text(replica.replica.vector) or "nothing"
            return error("token_not_reached", node=node, name=replica.keyspace.name, held=held, wanted=text(vector))
        if shard not in executors.routes:
            return error("token_of_unknown", node=node, id=keyspace_of(shard), wanted=text(vector))
        return self._far_problem(shard, vector)

    def _far_problem(self, shard: ShardId, vector: Vector) -> ReplyError | None:
        far = self._far.get(shard)
        if far is None:
            lane = self._session.lane(shard)
            far = self._far[shard] = FarPosition(self._server, self._dispatcher, shard, lane, vector)
        problem = far.problem()
        if problem is not None:
            self._asking.append(far)
        return problem

    @property
    def next_us(self) -> int:
        """When somebody is to be asked again, though nothing comes in."""
        return min((far.next_us for far in self._asking), default=NEVER_US)

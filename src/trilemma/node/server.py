"""What the commands that a node drives itself ask of the node: one object in place of many parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trilemma.base.errors import ReplyError
from trilemma.base.ids import ConnId, NodeId, ShardId
from trilemma.base.prng import SplitMix64
from trilemma.base.time import Now
from trilemma.keyspace.routing import Router
from trilemma.node.config import NodeConfig
from trilemma.node.defect import DEFECTS, described, refused
from trilemma.node.executors import Executors
from trilemma.node.leaving import Leaving
from trilemma.node.monitor import Monitors
from trilemma.node.peers import Peers
from trilemma.node.request import Lane, Request
from trilemma.node.session import Session
from trilemma.node.slot import Slot
from trilemma.node.system_shard import SystemShard
from trilemma.node.unit import NOT_EXECUTED, Unit
from trilemma.resp.reply import OK, ErrorReply, Reply, encode

if TYPE_CHECKING:
    from trilemma.command.session import SessionPort


@dataclass(slots=True)
class Statistics:
    """The counters of INFO's Stats section."""

    commands: int = 0
    connections: int = 0
    errors: int = 0
    """Errors that were a reply of their own; those within EXEC's array are not counted."""
    refused: int = 0
    """Of those, CLUSTERDOWN."""
    uncertain: int = 0
    defects: int = 0

    def note_error(self, reply: bytes) -> None:
        """Count an error that is sent as a reply."""
        self.errors += 1
        if reply.startswith(b"-CLUSTERDOWN "):
            self.refused += 1
        elif reply.startswith(b"-UNCERTAIN "):
            self.uncertain += 1


class Server:
    """The parts of a node that commands use."""

    ok: Reply = OK

    def __init__(
        self,
        config: NodeConfig,
        executors: Executors,
        peers: Peers,
        router: Router,
        system: SystemShard,
        port: "Callable[[Session], SessionPort]",
        entropy: int,
        now: Now,
    ) -> None:
        self.config = config
        self.executors = executors
        self.peers = peers
        self.router = router
        self.system = system
        self.port = port
        self.now = now
        self.statistics = Statistics()
        self.defects: list[str] = []
        """What broke while a command of a session ran, until people are told."""
        self.has_met = False
        """Whether this node's disk was ever in the cluster's company; before, it may be a new one under an old name."""
        self.admin: Callable[[list[bytes], Callable[[bytes], None], int], None]
        """Ask the shell for something: words, what takes its reply, RESP version."""
        self.leaving = Leaving(config.timing.detection_us, executors, peers)
        self.sessions: dict[ConnId, Session] = {}
        self.monitors = Monitors(lambda: self.now.wall_us)
        self._random = SplitMix64(entropy)

    def session(self, conn: ConnId) -> Session | None:
        """Return the session of a connection, None once it is gone."""
        return self.sessions.get(conn)

    def reset_statistics(self) -> None:
        """Set the counters of INFO to zero."""
        self.statistics = Statistics()

    def draw(self, bound: int) -> int:
        """Return a number from 0 to bound - 1; for replies that need not be the same anywhere else."""
        return self._random.below(bound)

    def run_local(
        self, session: Session, handler: "Callable[[SessionPort, list[bytes]], Reply]", argv: list[bytes]
    ) -> bytes:
        """Execute a command that concerns the session alone and return its encoded reply."""
        try:
            reply = handler(self.port(session), argv)
            return encode(reply, session.protocol)
        except ReplyError as problem:
            return encode(ErrorReply(problem.text), session.protocol)
        except DEFECTS as problem:
            self.defects.append(described(argv, problem))
            return encode(ErrorReply(refused(argv, problem).text), session.protocol)

    def run_here(self, shard: ShardId, unit: Unit, slot: Slot, *, readonly: bool, is_next: bool = True) -> bool:
        """Answer a read from what is applied here: under a lease, or stale on a READONLY session.

        Args:
            is_next: whether nothing of its session is under way on the shard; under a lease it would be overtaken.
        """
        replica = self.executors.replicas.get(shard)
        if replica is None or self.executors.why_fenced(shard, unit) is not None:
            return False
        if readonly and replica.allows_stale:
            result = replica.run_stale(unit)
        else:
            result = replica.run_leased(unit) if is_next else NOT_EXECUTED
        if result is False:
            return False
        Request(shard, unit, self.now.mono_us, Lane(), slot).finish(result, 0)
        return True

    def applied_everywhere(self) -> int:
        """Return the catalogue entry that every member is known to have applied."""
        others: list[NodeId] = [member.id for member in self.config.members if member.id != self.config.node_id]
        applied = [self.peers.system_applied.get(node, 0) for node in others]
        return min([self.system.durable_applied, *applied])

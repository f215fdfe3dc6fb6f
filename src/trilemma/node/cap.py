"""CAP: what was promised and what is held. EXPLAIN, DIGEST."""

from trilemma.base.errors import error, register
from trilemma.command.table import lookup_argv
from trilemma.node.dispatch import Dispatcher, NodeCommand
from trilemma.node.request import Request
from trilemma.node.server import Server
from trilemma.node.session import Session, Slot
from trilemma.node.unit import Result
from trilemma.resp.reply import Reply, encode

register("explain_data_only", "ERR CAP EXPLAIN takes a command that reads or writes keys", "name such a command")


class ExplainSlot(Slot):
    """A reply with its receipt: an array of the two. A refusal is its own explanation."""

    __slots__ = ()

    def result(self, request: Request, result: Result, token: int) -> None:
        """Be the sink of the explained command's request."""
        self.session.blocked = False
        if type(result) is list:
            self.fill(b"*%d\r\n" % len(result) + b"".join(result), token)
        else:
            self.fill(result, token)  # type: ignore[arg-type]


class Cap:
    """The CAP command."""

    def __init__(self, server: Server, dispatcher: Dispatcher) -> None:
        self._server = server
        self._dispatcher = dispatcher

    def commands(self) -> dict[str, NodeCommand]:
        """Return what this object drives, by command name."""
        return {"cap|explain": self._explain, "cap|digest": self._digest}

    def _explain(self, session: Session, argv: list[bytes]) -> None:
        inner = argv[2:]
        spec = lookup_argv(inner)
        if spec.handler is None:
            raise error("explain_data_only")
        self._dispatcher.explained(session, spec, inner, ExplainSlot(session))

    def _digest(self, session: Session, argv: list[bytes]) -> None:
        """Answer, per shard that has a replica here: keyspace, what its rows reflect, their digest."""
        wanted = {name.decode("utf-8", "replace") for name in argv[2:]}
        rows: list[Reply] = []
        for shard in self._server.executors.user_shards():
            replica = self._server.executors.replicas.get(shard)
            keyspace = self._server.executors.keyspace(shard)
            if replica is not None and (not wanted or keyspace.name in wanted):
                reflects, digest = replica.digest()
                row: list[Reply] = [keyspace.name.encode(), shard, reflects.encode(), digest.encode()]
                rows.append(row)
        session.reply(encode(rows, session.protocol))

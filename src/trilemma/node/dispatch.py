"""From a session's commands to units, local replies or node commands: what every command passes through, in order.

Keeps PROTOCOLS §2.5: commands of one session on one shard take effect in the order sent. A read beside the log never
overtakes an earlier write of its session (it then goes through the log itself), and a write waits for earlier reads.
"""

from collections.abc import Callable

from trilemma.base.errors import ReplyError, error, register
from trilemma.base.ids import NodeId, ShardId
from trilemma.base.limits import KEY_BYTES_MAX, MULTI_QUEUE_BYTES_MAX
from trilemma.command.table import CommandSpec, keys_of, lookup, lookup_argv
from trilemma.node import internal, once, permission, refusal
from trilemma.node.defect import DEFECTS, described, refused
from trilemma.node.request import Lane, Request, Sink
from trilemma.node.route import deadline_us
from trilemma.node.server import Server
from trilemma.node.session import Multi, Queued, Session
from trilemma.node.slot import Slot
from trilemma.node.unit import Path, Unit
from trilemma.resp.reply import OK, QUEUED, ErrorReply, Reply, encode

register("exec_without_multi", "ERR EXEC without MULTI", "send MULTI first")
register("key_too_long", "ERR key is longer than {limit} bytes", "use a shorter key")
register(
    "exec_abort",
    "EXECABORT Transaction discarded because of previous errors.",
    "correct the queued command that failed",
)
register("exec_refused", "EXECABORT Transaction discarded because of: {reason}", "begin anew with MULTI")
register("not_in_multi", "ERR Command not allowed inside a transaction", "send it outside of MULTI")

NodeCommand = Callable[[Session, list[bytes]], None]
"""A command that the node itself drives; it opens the reply's slot."""

IN_MULTI_AT_ONCE = frozenset({"multi", "exec", "discard", "watch", "quit", "reset"})
"""Commands that are not queued after MULTI."""

IN_MULTI = frozenset(
    {"dbsize", "keys", "scan", "randomkey", "flushdb", "flushall", "unwatch", "wait", "config|rewrite", "monitor"}
)
"""Commands that the node drives and that a transaction can carry out: on the only shard, or in the session alone."""

AFTER_ALL = frozenset({"cap|digest", "cap|explain", "cap|token", "cap|wait", "wait"})
"""Commands that speak of what was before them: they begin once all of it is answered."""

AFTER_REPLIES = frozenset({"monitor", "reset"})
"""Commands that begin once all replies before them have left: what MONITOR shows must not be taken for one of those,
and RESET forgets what keeps commands under way in their order."""

COMMANDS_PER_TURN = 1_024
"""What one session may have dispatched in a turn: a long pipeline must not keep the node from its links."""

LOOK_AHEAD_COMMANDS = 256
"""How far a session's pipeline is searched for writes when it begins with a read."""


class Dispatcher:
    """Takes commands off sessions and sets them on their way."""

    def __init__(self, server: Server, node_commands: dict[str, NodeCommand]) -> None:
        self._server = server
        self._node_commands = node_commands
        self._listeners = server.monitors.sessions
        """Empty while nobody monitors: all that a command then costs for MONITOR is to look at it."""

    def run(self, session: Session) -> None:
        """Dispatch what a session has sent, as far as order allows."""
        if session.is_stalled:
            return
        left = COMMANDS_PER_TURN
        session.is_waiting = False
        while not session.closing:
            while session.commands and not session.blocked and not session.closing:
                if left == 0 or session.is_full:
                    return
                if not self._one(session, session.commands[0]):
                    # The reply that it waits for touches the session.
                    session.is_waiting = True
                    return
                session.commands.popleft()
                left -= 1
            if session.blocked or not self._parse(session):
                return

    def _parse(self, session: Session) -> bool:
        """Take further commands from the parser; return whether there were any, as there may yet be in another turn."""
        commands = session.parser.commands()
        if commands:
            session.commands.extend(commands)
            self._server.statistics.commands += len(commands)
            session.writes_ahead = None
            session.active_us = self._server.now.mono_us
            session.batch_us = session.active_us if session.received_us is None else session.received_us
            # The parser gives a block at a time, and before AUTH one request: the rest came when this did.
            session.received_us = session.batch_us if session.parser.is_behind else None
            return True
        if session.parser.is_behind:
            return False
        # What has come is a part of a command: its time begins when all of it is there, however slow the client sends.
        session.received_us = None
        problem = session.parser.error
        if problem is not None:
            if problem.reply:
                session.reply(problem.reply)
            session.close(f"it sent what is no request: {ascii(problem.reason)[1:-1]}")
        elif session.parser.pending_bytes:
            session.begun_us = self._server.now.mono_us
        return False

    def _one(self, session: Session, argv: list[bytes]) -> bool:
        """Dispatch one command; False where it has to wait for earlier ones."""
        pending = session.pending
        spec = None
        try:
            spec = self._checked(session, argv)
            if session.multi is not None and spec.name not in IN_MULTI_AT_ONCE:
                self._queue(session, session.multi, spec, argv)
                return True
            if self._listeners:
                return self._server.monitors.begin(session, spec, argv, self._dispatch)
            return self._dispatch(session, spec, argv)
        except ReplyError as problem:
            text = problem.text
            if spec is None and argv[0].lower() == b"exec":
                # As in Redis, a refused EXEC ends its transaction.
                session.multi = None
                session.watches.clear()
                text = error("exec_refused", reason=text.removeprefix("ERR ")).text
            if session.multi is not None:
                session.multi.aborted = True
            session.reply(encode(ErrorReply(text), session.protocol))
            return True
        except DEFECTS as problem:
            self._server.defects.append(described(argv, problem))
            session.abandon(pending, encode(ErrorReply(refused(argv, problem).text), session.protocol))
            return True

    def _checked(self, session: Session, argv: list[bytes]) -> CommandSpec:
        spec = lookup_argv(argv)
        permission.check(self._server, session, spec)
        session.last_command = spec.name
        return spec

    def _queue(self, session: Session, multi: Multi, spec: CommandSpec, argv: list[bytes]) -> None:
        if spec.handler is None and spec.session_handler is None and spec.name not in IN_MULTI:
            raise error("once_in_multi" if spec.name == "cap|once" else "not_in_multi")
        if session.is_monitoring:
            self._server.monitors.check(spec)
        self._check_keys(keys_of(spec, argv))
        multi.bytes += sum(map(len, argv))
        if multi.bytes > MULTI_QUEUE_BYTES_MAX:
            multi.aborted = True
            multi.queue.clear()
        if not multi.aborted:
            multi.queue.append(Queued(spec, argv))
        session.reply(encode(QUEUED, session.protocol))

    def _dispatch(self, session: Session, spec: CommandSpec, argv: list[bytes]) -> bool:
        if spec.handler is not None:
            return self.data(session, spec, argv)
        if spec.name in AFTER_REPLIES and session.pending:
            return False
        if spec.session_handler is not None:
            reply = spec.session_handler(self._server.port(session), argv)
            session.reply(encode(reply, session.protocol))
            return True
        if spec.name in AFTER_ALL and session.has_under_way:
            return False
        self._node_commands[spec.name](session, argv)
        return True

    def _check_keys(self, keys: list[bytes]) -> None:
        for key in keys:
            if len(key) > KEY_BYTES_MAX:
                raise error("key_too_long", limit=KEY_BYTES_MAX)

    def data(self, session: Session, spec: CommandSpec, argv: list[bytes]) -> bool:
        """Send a data command to the shard of its keys; False where it has to wait."""
        keys = keys_of(spec, argv)
        self._check_keys(keys)
        shard = self._server.router.shard_of_all(keys)
        path = self._path(session, shard, spec.is_write)
        if path is None:
            return False
        unit = Unit(path, session.db, session.protocol, argv)
        if spec.is_write:
            session.last_write_shard = shard
        slot = session.slot()
        is_next = session.lane(shard).is_idle
        if path is not Path.READ or not self._server.run_here(
            shard, unit, slot, readonly=session.readonly, is_next=is_next
        ):
            self.send(session, shard, unit, slot)
        return True

    def explained(self, session: Session, spec: CommandSpec, argv: list[bytes], slot: Slot) -> None:
        """Send a data command of CAP EXPLAIN; nothing else of its session is under way, so it keeps its place."""
        keys = keys_of(spec, argv)
        self._check_keys(keys)
        shard = self._server.router.shard_of_all(keys)
        path = Path.WRITE if spec.is_write else Path.READ
        unit = Unit(path, session.db, session.protocol, argv, explain=True)
        session.open(slot)
        session.blocked = True
        if path is not Path.READ or not self._server.run_here(shard, unit, slot, readonly=session.readonly):
            self.send(session, shard, unit, slot)

    def once(self, session: Session, argv: list[bytes], explained: Slot | None = None) -> None:
        """Send CAP ONCE token command to the shard of its keys, through the log also where it only reads.

        Args:
            explained: takes the reply where CAP EXPLAIN stands before it.
        """
        spec, inner = once.checked(argv)
        keys = keys_of(spec, inner)
        self._check_keys(keys)
        shard = self._server.router.shard_of_all(keys)
        keyspace = self._server.executors.keyspace(shard)
        if keyspace.is_leaderless:
            raise error("once_on_ap", name=keyspace.name)
        session.last_write_shard = shard
        unit = Unit(Path.WRITE, session.db, session.protocol, once.logged(argv), explain=explained is not None)
        if explained is None:
            self.send(session, shard, unit, session.slot())
            return
        session.open(explained)
        session.blocked = True
        self.send(session, shard, unit, explained)

    def _path(self, session: Session, shard: ShardId, is_write: bool) -> Path | None:
        lane = session.lane(shard)
        if is_write:
            return Path.WRITE if not lane.reads else None
        keyspace = self._server.executors.keyspace(shard)
        if keyspace.is_leaderless and keyspace.read_count > 1:
            # Such a read asks other replicas; what comes before and after it in its session keeps its place by waiting.
            return Path.READ if not lane.logged else None
        if lane.logged or (not lane.reads and self._writes_ahead(session)):
            return Path.LOGGED_READ
        return Path.READ

    def _writes_ahead(self, session: Session) -> bool:
        """Say whether a write follows in the pipeline: the reads before it then go with it, in one entry."""
        if len(session.commands) < 2:
            return False
        if session.writes_ahead is None:
            ahead = list(session.commands)[1:LOOK_AHEAD_COMMANDS]
            session.writes_ahead = any((spec := lookup(argv[0])) is not None and spec.is_write for argv in ahead)
        return session.writes_ahead

    def send(self, session: Session, shard: ShardId, unit: Unit, sink: Sink) -> Request:
        """Set a unit on its way."""
        route = self._server.executors.routes[shard]
        lane = session.lane(shard)
        # What KEYSPACE asks shows its client no keys, so no promise to it is at stake.
        only = lane.only
        if only is not None and unit.argv and unit.argv[0] in internal.FOR_CHANGES:
            only = None
        request = Request(shard, unit, deadline_us(route.keyspace, session.batch_us), lane, sink, only)
        reason = self._server.executors.why_fenced(shard, unit)
        if reason is None:
            route.add(request)
        else:
            request.finish(refusal.down(route.keyspace, reason, unit), 0)
        return request

    def ask(self, shard: ShardId, node: NodeId, argv: list[bytes], sink: Sink, since_us: int) -> None:
        """Ask one replica of an `ap` shard that is elsewhere, whoever executes for a session now, and beside its order.

        The answer is one for RESP2.

        Args:
            since_us: from when its TIMEOUT counts.
        """
        route = self._server.executors.routes[shard]
        unit = Unit(Path.READ, 0, 2, argv)
        route.add(Request(shard, unit, deadline_us(route.keyspace, since_us), Lane(), sink, node))


def ok(session: Session) -> bytes:
    """Return +OK as this session reads it."""
    return encode(OK, session.protocol)


__all__ = ["Dispatcher", "Lane", "NodeCommand", "Reply", "ok"]

"""MONITOR: what this node's clients send, a line per command, to every connection that asked for it.

As in Redis a command is shown once it has been begun, with the db that it has left selected; what is refused before
that (no such command, no proof of identity, queued after MULTI) is not. The commands of a transaction come with its
EXEC, and administrators' commands not at all. Passwords are never shown (node/redaction.py), also where Redis shows
those of a HELLO or AUTH that it cannot make out, or that COMMAND GETKEYS is asked about. Lines answer nothing, so they
wait for no reply of their connection, and the bound on unread output holds for them as for replies.

Source: call() (server.c), replicationFeedMonitors() (replication.c), monitorCommand() of Redis 7.0.
"""

from collections.abc import Callable, Sequence

from trilemma.base.errors import ReplyError, error, register
from trilemma.base.ids import ConnId
from trilemma.base.time import US_PER_S
from trilemma.command.arguments import selected_db
from trilemma.command.session import SessionPort
from trilemma.command.spec import CommandSpec
from trilemma.node.redaction import redacted
from trilemma.node.session import Queued, Session
from trilemma.resp.inline import quoted
from trilemma.resp.reply import OK, Reply, encode

register(
    "monitor_in_multi", "ERR MONITOR isn't allowed for DENY BLOCKING client", "send MONITOR outside of MULTI and EXEC"
)
register(
    "monitor_reads_no_keys",
    "ERR Replica can't interact with the keyspace",
    "this connection monitors: read and write keys on another one, or send RESET",
)

Begin = Callable[[Session, CommandSpec, list[bytes]], bool]


class Monitors:
    """The connections that monitor. While `sessions` is empty nothing is made."""

    def __init__(self, wall_us: Callable[[], int]) -> None:
        self.sessions: dict[ConnId, Session] = {}
        self._wall_us = wall_us

    def commands(self) -> dict[str, Callable[[Session, list[bytes]], None]]:
        """Return what this object drives, by command name."""
        return {"monitor": self._monitor}

    def _monitor(self, session: Session, _argv: list[bytes]) -> None:
        if session.is_monitoring:
            # Redis says nothing the second time.
            return
        session.is_monitoring = True
        self.sessions[session.id] = session
        session.reply(encode(OK, session.protocol))

    def refuse_in_multi(self, _port: SessionPort, _argv: list[bytes]) -> Reply:
        """Answer MONITOR within a transaction: there one command has one reply."""
        raise error("monitor_in_multi")

    def leave(self, session: Session) -> None:
        """Show a connection nothing more."""
        session.is_monitoring = False
        self.sessions.pop(session.id, None)

    @staticmethod
    def check(spec: CommandSpec) -> None:
        """Refuse what a connection that monitors may not send.

        Raises:
            ReplyError: monitor_reads_no_keys.
        """
        if spec.is_write or "readonly" in spec.flags:
            raise error("monitor_reads_no_keys")

    def begin(self, session: Session, spec: CommandSpec, argv: list[bytes], begin: Begin) -> bool:
        """Begin a command by `begin`, and show it unless it has to wait; EXEC shows itself where it is carried out."""
        if session.is_monitoring:
            self.check(spec)
        try:
            has_begun = begin(session, spec, argv)
        except ReplyError:
            self._show(session, spec, argv, session.db)
            raise
        if has_begun and spec.name != "exec":
            self._show(session, spec, argv, session.db)
        return has_begun

    def transaction(
        self, session: Session, queue: Sequence[Queued], exec_argv: list[bytes]
    ) -> Callable[[bool], None] | None:
        """Return what shows a transaction once it has ended, None where nobody monitors."""
        if not self.sessions:
            return None
        db = session.db

        def show(was_left_out: bool) -> None:
            shown_db = db
            for queued in () if was_left_out else queue:
                if queued.spec.name == "select":
                    shown_db = selected_db(queued.argv[1], shown_db)
                self._show(session, queued.spec, queued.argv, shown_db)
            self._send(_line(self._wall_us(), session.address, exec_argv, shown_db))

        return show

    def _show(self, session: Session, spec: CommandSpec, argv: list[bytes], db: int) -> None:
        if "admin" not in spec.flags:
            self._send(_line(self._wall_us(), session.address, redacted(argv), db))

    def _send(self, line: bytes) -> None:
        for session in self.sessions.values():
            if not session.closing:
                session.push(line)


def _line(wall_us: int, address: str, argv: Sequence[bytes], db: int) -> bytes:
    """Return a command as MONITOR shows it, in either protocol: a simple string."""
    seconds, micros = divmod(wall_us, US_PER_S)
    return b"+%d.%06d [%d %b] %b\r\n" % (seconds, micros, db, address.encode(), b" ".join(map(quoted, argv)))

"""Replies that wait for something other than an executor: WAIT, DEBUG SLEEP, and what the shell carries out."""

from collections.abc import Callable

from trilemma.base.errors import error, register
from trilemma.base.ids import ShardId
from trilemma.base.time import NEVER_US, US_PER_MS, US_PER_S
from trilemma.command.arguments import integer
from trilemma.command.help import status_lines
from trilemma.command.session import SessionPort
from trilemma.command.unknown import subcommand_syntax
from trilemma.node import internal
from trilemma.node.defect import DEFECTS
from trilemma.node.dispatch import Dispatcher, NodeCommand, ok
from trilemma.node.far_waits import FarWrite
from trilemma.node.request import Request
from trilemma.node.server import Server
from trilemma.node.session import Session
from trilemma.node.slot import Slot
from trilemma.node.unit import Path, Result, Unit
from trilemma.resp.number import parse_double, parse_int64
from trilemma.resp.reply import ErrorReply, Reply, encode

register("negative_timeout", "ERR timeout is negative", "send the time in ms, 0 for no end")

register("no_shutdown", "ERR No shutdown in progress.", "SHUTDOWN begins one")
register(
    "shutdown_aborted",
    "ERR Errors trying to SHUTDOWN. Check logs.",
    "the node serves on, because another connection sent SHUTDOWN ABORT; send SHUTDOWN again where it is to end",
)
register("timeout_integer", "ERR timeout is not an integer or out of range", "send the time in ms, 0 for no end")


def integer_timeout(word: bytes) -> int:
    """Return a time-out in ms.

    Raises:
        ReplyError: timeout_integer, negative_timeout.
    """
    timeout_ms = parse_int64(word)
    if timeout_ms is None:
        raise error("timeout_integer")
    if timeout_ms < 0:
        raise error("negative_timeout")
    return timeout_ms


SLEEP_S_MAX = 60.0

DEBUG_HELP: Reply = status_lines(
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "SLEEP <seconds>",
    "    Answer after so many seconds, at most 60; only this connection waits.",
    "HELP",
    "    Print this help.",
)


class ConditionSlot(Slot):
    """A reply that is due when a condition holds or time is up. `poll` returns it, None while it has to wait.

    `poll` is told whether it is late: time is up, or the client is gone, or it sends no more and would wait for ever.
    `when`: by when it wants to be asked again though nothing comes in.
    """

    __slots__ = ("_poll", "deadline_us", "when")

    def __init__(
        self,
        session: Session,
        deadline_us: int,
        poll: Callable[[bool], bytes | None],
        *,
        when: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(session)
        self.deadline_us = deadline_us
        self.when = when
        self._poll = poll

    @property
    def next_us(self) -> int:
        """When it is to be looked at though nothing comes in."""
        return self.deadline_us if self.when is None else min(self.deadline_us, self.when())

    def advance(self, mono_us: int) -> bool:
        """Look again; return whether it is answered."""
        is_late = mono_us >= self.deadline_us or self.session.closing
        is_late |= self.session.has_ended and self.deadline_us >= NEVER_US
        try:
            reply = self._poll(is_late)
        except DEFECTS as problem:
            reply = self.broken(problem)
        if reply is None and not self.session.closing:
            return False
        self.session.blocked = False
        self.session.begin_waiting(mono_us)
        self.fill(reply or b"")
        return True


class Waiting:
    """The waiting replies of all sessions."""

    def __init__(
        self,
        server: Server,
        dispatcher: Dispatcher,
        changeable: Callable[[], dict[str, str]],
        has_config_file: Callable[[], bool],
    ) -> None:
        """Args: changeable: the options that CONFIG REWRITE keeps; has_config_file: whether it has where to."""
        self._server = server
        self._dispatcher = dispatcher
        self._changeable = changeable
        self._has_config_file = has_config_file
        self._slots: list[ConditionSlot] = []
        self._aborts = 0
        """How many shutdowns were called off."""

    def commands(self) -> dict[str, NodeCommand]:
        """Return what this object drives, by command name."""
        return {
            "wait": self._wait,
            "debug": self._debug,
            "lab": self._admin,
            "config|rewrite": self._rewrite,
            "shutdown": self._shutdown,
        }

    def until(
        self,
        session: Session,
        deadline_us: int,
        poll: Callable[[bool], bytes | None],
        *,
        when: Callable[[], int] | None = None,
        at_once: bool = True,
    ) -> None:
        """Answer the next command once `poll(it is late)` returns its reply; the session waits for it.

        Args:
            at_once: whether it may be answered before what this turn brings is applied.
        """
        slot = ConditionSlot(session, deadline_us, poll, when=when)
        session.open(slot)
        session.blocked = True
        if not at_once or not slot.advance(self._server.now.mono_us):
            self._slots.append(slot)

    def advance(self) -> None:
        """Answer what is due."""
        if self._slots:
            mono_us = self._server.now.mono_us
            self._slots = [slot for slot in self._slots if not slot.advance(mono_us)]

    @property
    def next_deadline_us(self) -> int | None:
        """When the next reply is due though nothing comes in."""
        if not self._slots:
            return None
        return min(slot.next_us for slot in self._slots)

    def _debug(self, session: Session, argv: list[bytes]) -> None:
        word = argv[1].upper()
        if word == b"SLEEP" and len(argv) == 3:
            self._sleep(session, parse_double(argv[2]) or 0.0)
        elif word == b"HELP" and len(argv) == 2:
            session.reply(encode(DEBUG_HELP, session.protocol))
        else:
            raise subcommand_syntax("debug", argv[1])

    def _sleep(self, session: Session, seconds: float) -> None:
        deadline_us = self._server.now.mono_us + int(min(max(seconds, 0.0), SLEEP_S_MAX) * US_PER_S)
        self.until(session, deadline_us, lambda is_late: ok(session) if is_late else None)

    def wait_in_multi(self, port: SessionPort, argv: list[bytes]) -> Reply:
        """Answer WAIT within a transaction: nothing blocks there, so it counts what is known here now."""
        self._wait_arguments(argv)
        session = self._server.session(port.client.id)
        shard = None if session is None else session.last_write_shard
        replica = None if shard is None else self._server.executors.replicas.get(shard)
        return 0 if replica is None or replica.target() is None else replica.held_by(replica.position)

    @staticmethod
    def _wait_arguments(argv: list[bytes]) -> tuple[int, int]:
        wanted, timeout_ms = integer(argv[1]), integer_timeout(argv[2])
        return wanted, timeout_ms

    def _wait(self, session: Session, argv: list[bytes]) -> None:
        wanted, timeout_ms = self._wait_arguments(argv)
        shard = session.last_write_shard
        if shard is None or shard not in self._server.executors.routes:
            session.reply(encode(0, session.protocol))
            return
        deadline_us = self._server.now.mono_us + timeout_ms * US_PER_MS if timeout_ms else NEVER_US
        replica = self._server.executors.replicas.get(shard)
        if replica is None and self._server.executors.keyspace(shard).is_leaderless:
            self._wait_afar(session, shard, wanted, deadline_us)
            return
        if replica is None or replica.target() is None:
            self._ask_leader(session, shard, deadline_us)
            return
        position, most = replica.position, 0

        def poll(is_late: bool) -> bytes | None:
            nonlocal most
            # Who executes no more, or has lost its keyspace, learns nothing new of who holds the write.
            is_over = replica.target() is None or shard not in self._server.executors.routes
            most = max(most, replica.held_by(position))
            return encode(most, session.protocol) if is_late or is_over or most >= wanted else None

        self.until(session, deadline_us, poll)

    def _ask_leader(self, session: Session, shard: ShardId, deadline_us: int) -> None:
        """Ask the leader, once, on how many replicas the write is already.

        Where it does not say, those are known that a write's reply waits for, if it came.
        """
        lane, keyspace = session.lane(shard), self._server.executors.keyspace(shard)
        told: list[Result] = []

        class Told:
            def result(self, request: Request, result: Result, token: int) -> None:
                """Be the sink of the question."""
                told.append(result)

        def poll(is_late: bool) -> bytes | None:
            result = told[0] if told else None
            if type(result) is list and result[0][:1] != b"-":
                return result[0]
            if not told and not is_late:
                return None
            return encode(keyspace.write_count - 1 if lane.is_confirmed else 0, session.protocol)

        unit = Unit(Path.READ, session.db, session.protocol, [internal.HELD])
        self._dispatcher.send(session, shard, unit, Told())
        self.until(session, deadline_us, poll)

    def _wait_afar(self, session: Session, shard: ShardId, wanted: int, deadline_us: int) -> None:
        """Wait for a write that the replica of another node has executed."""
        executor = session.lane(shard).wrote_at
        if executor is None:
            # Nothing was written.
            session.reply(encode(0, session.protocol))
            return
        write = FarWrite(self._server, self._dispatcher, shard, executor)

        def poll(is_late: bool) -> bytes | None:
            # Who wants none to hold it only asks how many are known to.
            is_over = wanted <= 0 and not write.can_ask
            if is_late or is_over or shard not in self._server.executors.routes:
                return encode(write.held or 0, session.protocol)
            write.look()
            return encode(write.held, session.protocol) if write.held is not None and write.held >= wanted else None

        self.until(session, deadline_us, poll, when=lambda: write.next_us)

    def _admin(self, session: Session, argv: list[bytes]) -> None:
        slot = session.slot()
        session.blocked = True

        def take(reply: bytes) -> None:
            session.blocked = False
            slot.fill(reply)

        self._server.admin(argv, take, session.protocol)

    def rewrite_in_multi(self, port: SessionPort, argv: list[bytes]) -> Reply:
        """Answer CONFIG REWRITE within a transaction, which cannot wait for a file to be written."""
        if not self._has_config_file():
            raise error("no_config_file")
        raise error("not_in_multi")

    def _rewrite(self, session: Session, argv: list[bytes]) -> None:
        if not self._has_config_file():
            raise error("no_config_file")
        words = [part.encode("utf-8", "surrogateescape") for pair in self._changeable().items() for part in pair]
        self._admin(session, [*argv[:2], *words])

    def _shutdown(self, session: Session, argv: list[bytes]) -> None:
        words = {word.upper() for word in argv[1:]}
        if words == {b"ABORT"}:
            self._abort_shutdown(session)
            return
        if not words <= {b"SAVE", b"NOSAVE", b"NOW", b"FORCE"} or words >= {b"SAVE", b"NOSAVE"}:
            raise error("syntax")
        self._server.leaving.begin(self._server.now.mono_us)
        self.until(session, NEVER_US, self._shutdown_ends(session))

    def _shutdown_ends(self, session: Session) -> Callable[[bool], bytes | None]:
        """Return what answers SHUTDOWN: Redis' error once it is called off; else the connection ends with the node."""
        aborts = self._aborts

        def poll(_is_late: bool) -> bytes | None:
            if self._aborts > aborts:
                return encode(ErrorReply(error("shutdown_aborted").text), session.protocol)
            if not self._server.leaving.has_left:
                return None
            session.closing = True
            return b""

        return poll

    def _abort_shutdown(self, session: Session) -> None:
        if self._server.leaving.has_left:
            # Too late, and no shutdown to be denied either: like all others this connection ends with the node.
            session.closing = True
            return
        if not self._server.leaving.call_off():
            raise error("no_shutdown")
        self._aborts += 1
        session.reply(ok(session))

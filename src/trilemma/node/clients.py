"""The connections of this node's clients: who is there, what comes from each, what leaves for each at a turn's end.

Owns the welcome of a connection, protected mode included; which sessions a turn looks at, those that were touched; and
when a reply leaves that shows what is not durable yet: once it is, or, with an error in its place, when its time is
up. Does not know what a command is or does.
"""

from collections.abc import Callable

from trilemma.base.errors import error, register
from trilemma.base.ids import ConnId
from trilemma.base.time import NEVER_US
from trilemma.node import refusal
from trilemma.node.effects import ClientBytes, Effects
from trilemma.node.options import Options
from trilemma.node.request import Request
from trilemma.node.server import Server
from trilemma.node.session import THIS_TURN_US, Session
from trilemma.node.silence import Silence
from trilemma.node.spare import SparePlace
from trilemma.resp.reply import ErrorReply, encode

register(
    "protected",
    "DENIED Trilemma is running in protected mode: no password is set, so only this machine is served",
    "set requirepass, or protected_mode = false where the network itself is trusted",
)


class Clients:
    """All client connections of one node. The order of calls in a turn: inputs, `advance`, `dispatch`, `send`."""

    def __init__(self, server: Server, options: Options) -> None:
        self._server = server
        self._options = options
        self._sessions = server.sessions
        self._spare = SparePlace(server.config.clients_max)
        self._silence = Silence(server.sessions, options, self._spare)
        self._new: list[Session] = []
        """Those that have connected in this turn."""
        self._touched: list[Session] = []
        self._durable = 0
        self._waiting: dict[int, list[Session]] = {}
        """By token, the sessions whose next reply waits for it."""
        self._released: list[Session] = []
        """Sessions whose next reply waits no longer."""
        self._late_us = NEVER_US
        """Before this no reply is late; looked for anew then, so that a turn costs nothing where the disk keeps up."""

    # Inputs

    def connected(self, conn: ConnId, address: str, local_address: str) -> None:
        """A client has connected. Addresses are `host:port` texts."""
        session = Session(conn, address, local_address, self._touch)
        self._new.append(session)
        session.on_reset = self._welcome
        session.on_defect = self._server.defects.append
        session.on_error = lambda reply: self._server.statistics.note_error(reply)
        self._sessions[conn] = session
        self._spare.connected(session, len(self._sessions))
        self._server.statistics.connections += 1
        self._welcome(session)
        if self._is_protected_from(address):
            session.reply(encode(ErrorReply(error("protected").text), 2))
            session.closing = True

    def _welcome(self, session: Session) -> None:
        session.authenticated = not self._options.values["requirepass"]
        self._server.monitors.leave(session)

    def _is_protected_from(self, address: str) -> bool:
        """Redis' protected mode: without a password only the machine itself is served."""
        values = self._options.values
        if values["protected-mode"] == "no" or values["requirepass"]:
            return False
        host = address.rpartition(":")[0].strip("[]")
        return not (host.startswith("127.") or host in ("::1", "localhost", "unix"))

    def _touch(self, session: Session) -> None:
        self._touched.append(session)

    def received(self, conn: ConnId, data: bytes) -> None:
        """Bytes came from a client."""
        session = self._sessions.get(conn)
        if session is not None and not session.closing:
            session.parser.feed(data)
            session.input_bytes += len(data)
            session.ahead_bytes += len(data)
            session.begun_us = None
            if session.received_us is None:
                session.received_us = THIS_TURN_US
            session.touched()

    def stalled(self, conn: ConnId, is_stalled: bool) -> None:
        """A client does not read its replies, or does again."""
        session = self._sessions.get(conn)
        if session is not None:
            session.is_stalled = is_stalled
            session.begin_waiting(THIS_TURN_US)
            session.touched()

    def ended(self, conn: ConnId) -> None:
        """A client sends nothing more: its connection is closed once all it asked for is answered."""
        session = self._sessions.get(conn)
        if session is not None:
            session.has_ended = True
            session.touched()

    def gone(self, conn: ConnId) -> None:
        """A connection is gone; what it had under way goes on without it."""
        session = self._sessions.pop(conn, None)
        if session is not None:
            session.closing = session.is_gone = True
            session.commands.clear()
            session.drop_replies()
            self._silence.forget(conn)
            self._spare.gone(len(self._sessions))
            self._server.monitors.leave(session)

    def persisted(self, token: int) -> None:
        """The log is durable up to a token. Cost: one step per connection let go, none for those that still wait."""
        self._durable = max(self._durable, token)
        for awaited in sorted(each for each in self._waiting if each <= token):
            self._released += self._waiting.pop(awaited)

    # The turn

    def advance(self) -> None:
        """Say of what came in this turn that it came now: where the node stood still, the turn before is long ago."""
        now_us = self._server.now.mono_us
        for session in self._new:
            session.created_us = session.active_us = now_us
        self._new.clear()
        for session in self._touched:
            if session.received_us == THIS_TURN_US:
                session.received_us = now_us
            if session.batch_us == THIS_TURN_US:
                session.batch_us = session.active_us = now_us

    def dispatch(self, run: Callable[[Session], None]) -> None:
        """Have `run` set on its way what touched sessions have sent."""
        if not self._touched:
            return
        touched, self._touched = self._touched, []
        for session in touched:
            session.is_touched = False
            run(session)
        # Whoever is answered at once is touched again, and is looked after in `send`.
        self._touched.extend(touched)

    def send(self, effects: Effects, are_dispatched: bool) -> None:
        """Send what is answered. `are_dispatched`: whether what came from clients was looked at this turn."""
        now_us = self._server.now.mono_us
        for session, why in self._silence.due(now_us):
            session.close(why)
        if now_us >= self._late_us:
            self._give_up_late()
        if not self._touched and not self._released:
            return
        again: list[Session] = []
        seen: set[ConnId] = set()
        released, self._released = self._released, []
        for session in (*self._touched, *released):
            session.is_touched = False
            if session.id in seen or session.is_gone:
                continue
            seen.add(session.id)
            data = session.take_bytes(self._durable)
            if data:
                effects.client_bytes.append(ClientBytes(session.id, data))
                session.active_us = now_us
            if session.begun_us is not None:
                self._silence.note_begun(session, session.begun_us)
            is_answered = session.is_answered
            if session.registered_token or not is_answered:
                self._wait_for_disk(session)
            if is_answered and (session.closing or (are_dispatched and session.is_exhausted)):
                session.closing = True
                effects.close.append(session.id)
                if session.why_closed:
                    effects.closed_for.append((session.id, session.why_closed))
            elif not are_dispatched or (session.has_input and session.can_go_on):
                again.append(session)
            reads = session.judge_input()
            if reads is not None:
                effects.reading.append((session.id, reads))
        self._touched = []
        for session in again:
            session.touched()

    def _wait_for_disk(self, session: Session) -> None:
        """Look at a session again when its next reply, which is made, is durable, or late."""
        token = session.awaited_token
        if token == session.registered_token:
            return
        session.registered_token = token
        if token:
            self._waiting.setdefault(token, []).append(session)
            self._late_us = min(self._late_us, session.reply_due_us)

    def _give_up_late(self) -> None:
        """Answer what has waited for the disk for too long, and find out when the next reply is late."""
        now_us, soonest_us = self._server.now.mono_us, NEVER_US
        for token, sessions in list(self._waiting.items()):
            left = self._waiting[token] = []
            for session in sessions:
                late_us = session.give_up_late(self._durable, now_us, self._too_late)
                if session.is_gone or session.awaited_token != token:
                    # It is not here any more, though what is behind may wait for the same token.
                    session.registered_token = 0
                    self._released.append(session)
                    continue
                left.append(session)
                if late_us is not None:
                    soonest_us = min(soonest_us, late_us)
        self._late_us = soonest_us

    def _too_late(self, request: Request) -> bytes | None:
        """Return what is said in place of a result; None where its keyspace is gone, and it is shown, if late."""
        if request.shard not in self._server.executors.routes:
            return None
        keyspace = self._server.executors.keyspace(request.shard)
        reason = f"{refusal.disk_behind(self._server.config.name)} within {keyspace.timeout_ms} ms"
        if request.unit.is_read:
            return refusal.down(keyspace, reason, request.unit)
        return refusal.uncertain(keyspace, reason)

    @property
    def owes(self) -> bool:
        """Say whether some reply is made, and shows what is not durable yet."""
        return any(session.waits_for_disk(self._durable) for session in self._sessions.values())

    @property
    def next_deadline_us(self) -> int:
        """When the next reply may be late, or a silent client has to be closed."""
        return min(self._late_us, self._silence.next_deadline_us)

    @property
    def wants_turn(self) -> bool:
        """Say whether a session has something to go on with at once."""
        return bool(self._touched)

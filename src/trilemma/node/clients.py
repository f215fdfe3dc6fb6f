"""The connections of this node's clients: who is there, what comes from each, what leaves for each at a turn's end.

Owns the welcome of a connection, protected mode included, and which sessions a turn has to look at: those that were
touched. Does not know what a command is or does, nor what has to be durable before a reply leaves.
"""

from collections.abc import Callable

from trilemma.base.errors import error, register
from trilemma.base.ids import ConnId
from trilemma.node.effects import Effects
from trilemma.node.options import Options
from trilemma.node.server import Server
from trilemma.node.session import Session
from trilemma.resp.reply import ErrorReply, encode

register(
    "protected",
    "DENIED Trilemma is running in protected mode: no password is set, so only this machine is served",
    "set requirepass, or protected_mode = false where the network itself is trusted",
)


class Clients:
    """All client connections of one node. The order of calls in a turn: inputs, `dispatch`, `send`."""

    def __init__(self, server: Server, options: Options) -> None:
        self._server = server
        self._options = options
        self._sessions = server.sessions
        self._touched: list[Session] = []

    # Inputs

    def connected(self, conn: ConnId, address: str, local_address: str) -> None:
        """A client has connected. Addresses are `host:port` texts."""
        session = Session(conn, address, local_address, self._touch)
        session.created_us = session.active_us = self._server.now.mono_us
        session.on_reset = self._welcome
        session.on_defect = self._server.defects.append
        self._sessions[conn] = session
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
            session.has_unparsed = True
            session.input_bytes += len(data)
            session.ahead_bytes += len(data)
            if session.received_us is None:
                session.received_us = self._server.now.mono_us
            session.touched()

    def stalled(self, conn: ConnId, is_stalled: bool) -> None:
        """A client does not read its replies, or does again."""
        session = self._sessions.get(conn)
        if session is not None:
            session.is_stalled = is_stalled
            # TIMEOUT bounds how long the store keeps a client waiting, not how long the client keeps itself waiting.
            session.batch_us = self._server.now.mono_us
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
            self._server.monitors.leave(session)

    # The turn

    def dispatch(self, run: Callable[[Session], None]) -> None:
        """Have `run` set on its way what touched sessions have sent."""
        touched, self._touched = self._touched, []
        for session in touched:
            session.is_touched = False
            run(session)
        # Whoever is answered at once is touched again, and is looked after in `send`.
        self._touched.extend(touched)

    def send(self, effects: Effects, are_dispatched: bool) -> None:
        """Send what is answered. `are_dispatched`: whether what came from clients was looked at this turn."""
        again: list[Session] = []
        seen: set[ConnId] = set()
        for session in self._touched:
            session.is_touched = False
            if session.id in seen:
                continue
            seen.add(session.id)
            effects.client_bytes.extend(session.take_bytes())
            if session.is_answered and (session.closing or (are_dispatched and session.is_exhausted)):
                session.closing = True
                effects.close.append(session.id)
            elif not are_dispatched or (session.has_input and session.can_go_on):
                again.append(session)
            reads = session.judge_input()
            if reads is not None:
                effects.reading.append((session.id, reads))
        self._touched = []
        for session in again:
            session.touched()

    @property
    def wants_turn(self) -> bool:
        """Say whether a session has something to go on with at once."""
        return bool(self._touched)

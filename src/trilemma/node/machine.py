"""The node: inputs in, one Effects value out, once per turn. Everything else in this package is a part of it."""

from collections.abc import Callable

from trilemma.base.errors import error, register
from trilemma.base.ids import SYSTEM_SHARD, ConnId, NodeId, ShardId
from trilemma.base.time import Now
from trilemma.cluster.messages import Forward, ForwardReply
from trilemma.command.spec import SessionHandler
from trilemma.keyspace.catalogue import Catalogue
from trilemma.node.cap import Cap
from trilemma.node.causal_shard import CausalShard
from trilemma.node.config import NodeConfig
from trilemma.node.dispatch import Dispatcher, NodeCommand
from trilemma.node.effects import DEFECT, NO_SHARD, AdminRequest, Effects, Trace
from trilemma.node.executors import Executors
from trilemma.node.flushing import Flushing
from trilemma.node.information import Information
from trilemma.node.keyspaces import Keyspaces
from trilemma.node.log import NodeLog
from trilemma.node.options import Options
from trilemma.node.peers import Peers
from trilemma.node.placement import Placement
from trilemma.node.port import Hub, Port
from trilemma.node.remains import Remains
from trilemma.node.server import Server, Statistics
from trilemma.node.session import Session
from trilemma.node.shard import ShardReplica
from trilemma.node.shards import ShardFactory
from trilemma.node.transactions import Transactions
from trilemma.node.transfer import Transfers
from trilemma.node.waiting import Waiting
from trilemma.node.wholedb import WholeDb
from trilemma.replication.port import Message
from trilemma.replication.transfer import Ask, TransferMessage
from trilemma.resp.reply import OK, ErrorReply, encode
from trilemma.storage.port import Engine, LogReader, LogRecord, Recovered

register(
    "protected",
    "DENIED Trilemma is running in protected mode: no password is set, so only this machine is served",
    "set requirepass, or protected_mode = false where the network itself is trusted",
)


NOTHING_NEEDED = 1 << 62
"""Above every index and sequence."""


class Node:
    """One node of a cluster. The order of calls in a turn: inputs, `advance`, `ready`."""

    def __init__(
        self, config: NodeConfig, recovered: Recovered, log: LogReader, engine: Engine, now: Now, entropy: int
    ) -> None:
        self.config = config
        self._engine = engine
        self._now = now
        self._peers = Peers(config, now)
        self._factory = ShardFactory(config, recovered, log, engine, entropy)
        self._log = NodeLog(recovered, config.segment_bytes, self.restate)
        self._system = self._factory.system(now)
        self._placement = placement = Placement(config, self._system, self._factory, self._peers)
        self._executors = Executors(config, self._peers, placement.fence, placement.version, placement.is_misrouted)
        self._executors.add(self._system.keyspace, SYSTEM_SHARD, self._system)
        self._effects = Effects()
        self._sessions: dict[ConnId, Session] = {}
        self._touched: list[Session] = []
        self._flushing = Flushing(config.segment_bytes, now.mono_us, has_recovered=bool(recovered.records))
        self._remains = Remains(engine, self._system)
        self._is_leaving = False
        self._has_left = False
        """Whether the shell was asked to stop this node: nothing calls that off."""
        self._leave_us = 0
        self._administrators: dict[int, Callable[[bytes], None]] = {}
        self._next_request = 1
        self._transfers = Transfers(engine, self._executors.replicas.get, self._peers.send, now)
        self._options = Options(config)
        self._server = Server(
            config, self._executors, self._peers, placement.router, self._system, self._port, entropy, now
        )
        self._server.sessions = self._sessions
        self._server.admin = self._ask_shell
        self._server.leave = self.begin_shutdown
        self._server.stay = self.abort_shutdown
        self._server.has_left = lambda: self._has_left
        self._information = Information(self._server, lambda: len(self._sessions))
        self._hub = Hub(
            self._sessions,
            self._options,
            lambda: self._now,
            self._information.text,
            self._information.cluster_text,
            self._reset_statistics,
        )
        node_commands: dict[str, NodeCommand] = {}
        self._dispatcher = Dispatcher(self._server, node_commands)
        self._keyspaces = Keyspaces(self._server, self._dispatcher)
        self._waiting = Waiting(
            self._server, self._dispatcher, self._options.changeable, lambda: bool(self.facts.get("config_file"))
        )
        alone: dict[str, SessionHandler] = {
            "wait": self._waiting.wait_in_multi,
            "config|rewrite": self._waiting.rewrite_in_multi,
            "monitor": self._server.monitors.refuse_in_multi,
            "unwatch": lambda _port, _argv: OK,
        }
        for part in (
            Transactions(self._server, self._dispatcher, alone),
            WholeDb(self._server, self._dispatcher),
            Cap(self._server, self._dispatcher, self._waiting, engine),
            self._keyspaces,
            self._waiting,
            self._server.monitors,
        ):
            node_commands.update(part.commands())
        self._placement.follow(self._executors, self._now)

    def _port(self, session: Session) -> Port:
        return self._hub.port(session)

    def _ask_shell(self, words: list[bytes], take: Callable[[bytes], None], protocol: int) -> None:
        self._administrators[self._next_request] = take
        self._effects.admin.append(AdminRequest(self._next_request, words, protocol))
        self._next_request += 1

    def _reset_statistics(self) -> None:
        self._server.statistics = Statistics()

    @property
    def replicas(self) -> dict[ShardId, ShardReplica]:
        """The replicas on this node, by shard; to be looked at only."""
        return self._executors.replicas

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue as applied here; to be looked at only."""
        return self._system.catalogue

    @property
    def is_waiting(self) -> bool:
        """Say whether a reply waits for time to pass (WAIT, DEBUG SLEEP, CAP WAIT)."""
        return self._waiting.next_deadline_us is not None

    @property
    def facts(self) -> dict[str, str]:
        """What only the process knows and INFO shows; the shell keeps it fresh."""
        return self._information.facts

    @property
    def peer_states(self) -> dict[str, str]:
        """What the process knows of the connection to each peer, for INFO; the shell keeps it fresh."""
        return self._information.peer_states

    # Inputs

    def client_connected(self, conn: ConnId, address: str, local_address: str) -> None:
        """A client has connected. Addresses are `host:port` texts."""
        session = Session(conn, address, local_address, self._touch)
        session.created_us = session.active_us = self._now.mono_us
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

    def receive_client(self, conn: ConnId, data: bytes) -> None:
        """Bytes came from a client."""
        session = self._sessions.get(conn)
        if session is not None and not session.closing:
            session.parser.feed(data)
            session.has_unparsed = True
            session.input_bytes += len(data)
            session.ahead_bytes += len(data)
            if session.received_us is None:
                session.received_us = self._now.mono_us
            session.touched()

    def client_stalled(self, conn: ConnId, is_stalled: bool) -> None:
        """A client does not read its replies, or does again."""
        session = self._sessions.get(conn)
        if session is not None:
            session.is_stalled = is_stalled
            # TIMEOUT bounds how long the store keeps a client waiting, not how long the client keeps itself waiting.
            session.batch_us = self._now.mono_us
            session.touched()

    def client_ended(self, conn: ConnId) -> None:
        """A client sends nothing more: its connection is closed once all it asked for is answered."""
        session = self._sessions.get(conn)
        if session is not None:
            session.has_ended = True
            session.touched()

    def client_gone(self, conn: ConnId) -> None:
        """A connection is gone; what it had under way goes on without it."""
        session = self._sessions.pop(conn, None)
        if session is not None:
            session.closing = session.is_gone = True
            session.commands.clear()
            session.drop_replies()
            self._server.monitors.leave(session)

    def receive_peer(self, peer: NodeId, frame: bytes) -> None:
        """A frame came from a peer."""
        for envelope in self._peers.receive(peer, frame):
            message = envelope.message
            if isinstance(message, Forward | ForwardReply):
                self._executors.receive(envelope.source, message)
            elif isinstance(message, TransferMessage):
                if envelope.source == peer:
                    self._transfers.receive(peer, envelope.shard, message)
            elif isinstance(message, Message) and envelope.source == peer:
                replica = self._executors.replicas.get(envelope.shard)
                if replica is not None:
                    replica.receive(peer, message)

    def persisted(self, token: int) -> None:
        """The log is durable up to a token."""
        self._log.persisted(token)
        for replica in self._executors.replicas.values():
            replica.persisted(token)
        self._transfers.persisted(token)
        # The catalogue itself may have come as rows: no command of this turn is to be routed by the one before it.
        self._placement.follow(self._executors, self._now)
        self._placement.refresh_fences(self._executors)

    def rows_flushed(self, token: int) -> None:
        """The rows that were in the engine when the flush was asked for are durable."""
        if self._flushing.done(token):
            self._transfers.rows_flushed()
            for replica in self._executors.replicas.values():
                replica.rows_flushed()
            for shard, stream, index in self._log.pinned_beyond(self.config.retained_bytes, self._first_needed):
                pinning = self._executors.replicas.get(shard)
                if pinning is not None:
                    pinning.let_go(stream, index)

    def disk_room(self, has_room: bool) -> None:
        """The disk has room for further entries, or is so full that what is left must do for votes (PROTOCOLS §6.4)."""
        self._peers.has_room = has_room

    def admin_done(self, request: int, reply: bytes) -> None:
        """The shell has carried out an AdminRequest."""
        take = self._administrators.pop(request, None)
        if take is not None:
            take(reply)

    def begin_shutdown(self) -> None:
        """Hand over what this node leads; Effects.shutdown follows."""
        if self._is_leaving:
            return
        self._is_leaving = True
        self._leave_us = self._now.mono_us + self.config.timing.detection_us

    def abort_shutdown(self) -> bool:
        """Stay after all; return whether a shutdown was under way. What was handed over already is not taken back."""
        was_leaving, self._is_leaving = self._is_leaving, False
        self._effects.stays |= was_leaving
        return was_leaving

    def advance(self, now: Now) -> None:
        """Move time on; the last input of a turn."""
        self._now = self._server.now = now
        self._peers.advance(now)
        own = frozenset() if self._peers.has_room else frozenset({self.config.node_id})
        self._executors.note_full_disks(self._peers.full | own)
        offsets_ms = self._peers.wall_offsets_ms()
        holds = self._executors.holds_writes = self._log.is_behind
        for replica in self._executors.replicas.values():
            if replica.holds_writes is not holds:
                replica.hold_writes(holds)
            replica.advance(now, self._peers.up, offsets_ms)

    # The outcome

    def ready(self) -> Effects:
        """End the turn: return all that is to be done."""
        self._transfers.advance(self._now)
        knows_keyspaces = self._system.is_caught_up
        self._server.has_met = self._system.has_met
        if knows_keyspaces:
            self._dispatch()
        self._collect()
        self._move_rows()
        self._placement.follow(self._executors, self._now)
        self._placement.refresh_fences(self._executors)
        self._keyspaces.advance()
        self._leave()
        self._waiting.advance()
        self._tell_defects(NO_SHARD, self._server.defects)
        effects, self._effects = self._effects, Effects()
        effects.log = self._log.take(self._first_needed)
        effects.send = self._peers.collect(self._system.durable_applied)
        self._write_rows(effects)
        self._send_replies(effects, knows_keyspaces)
        effects.next_deadline_us = self._next_deadline_us()
        return effects

    def _dispatch(self) -> None:
        touched, self._touched = self._touched, []
        for session in touched:
            session.is_touched = False
            self._dispatcher.run(session)
        # Whoever is answered at once is touched again, and is looked after in _send_replies.
        self._touched.extend(touched)
        for route in self._executors.routes.values():
            if not route.is_at_rest:
                route.advance(self._now.mono_us)
                route.dispatch(self._now.mono_us)

    def _collect(self) -> None:
        for shard, replica in self._executors.replicas.items():
            if replica.is_idle:
                continue
            if self._log.is_behind and not replica.holds_writes:
                replica.hold_writes(True)
            records, must_sync, messages = replica.collect(self._log.next_token)
            self._tell_defects(shard, replica.defects)
            self._executors.note_own_view(shard, replica)
            if records:
                self._log.add(records, must_sync)
            for out in messages:
                after = self._log.undurable_token if out.after_sync else 0
                self._peers.send(out.peer, shard, out.message, after)  # type: ignore[arg-type]

    def _tell_defects(self, shard: ShardId, defects: list[str]) -> None:
        if defects:
            self._server.statistics.defects += len(defects)
            self._effects.trace.extend(Trace(DEFECT, shard, text) for text in defects)
            defects.clear()

    def _move_rows(self) -> None:
        """Begin the transfers that replicas need, and switch to rows that have come whole."""
        for shard, replica in self._executors.replicas.items():
            if replica.is_idle:
                continue
            for peer in replica.behind:
                if peer in self._peers.up:
                    self._transfers.begin(shard, peer)
            if isinstance(replica, CausalShard) and not self._transfers.is_expected(shard):
                for donor in replica.donors:
                    self._peers.send(donor, shard, Ask())
        records = self._transfers.take_records(self._log.next_token)
        if records:
            self._log.add(records, True)

    def _write_rows(self, effects: Effects) -> None:
        # Rows that the engine does not take now stay in the overlay, where every read sees them.
        for replica in self._executors.replicas.values() if self._engine.takes_writes else ():
            batch = replica.rows(self._log.durable_token)
            if batch is not None:
                self._engine.write(batch)
        self._remains.step()
        effects.flush_rows = self._flushing.begin(
            self._now.mono_us, self._log.bytes_written, self._transfers.wants_flush
        )
        if effects.flush_rows:
            self._transfers.flush_begins()
            for replica in self._executors.replicas.values():
                replica.flush_begins()

    def _send_replies(self, effects: Effects, are_dispatched: bool) -> None:
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

    def _leave(self) -> None:
        if not self._is_leaving:
            return
        leads = [replica for replica in self._executors.replicas.values() if replica.hand_over()]
        self._effects.shutdown = self._has_left = not leads or self._now.mono_us >= self._leave_us

    def _next_deadline_us(self) -> int:
        if self._touched or self._remains.wants_turn:
            return self._now.mono_us
        soonest_us = self._peers.next_deadline_us
        for deadline_us in (
            self._transfers.next_deadline_us,
            self._waiting.next_deadline_us,
            self._flushing.deadline_us,
        ):
            if deadline_us is not None and deadline_us < soonest_us:
                soonest_us = deadline_us
        for replica in self._executors.replicas.values():
            if (due_us := replica.next_deadline_us) < soonest_us:
                soonest_us = due_us
        for route in self._executors.routes.values():
            if not route.is_at_rest and (due := route.next_deadline_us) is not None and due < soonest_us:
                soonest_us = due
        return soonest_us

    # The log

    def restate(self) -> list[LogRecord]:
        """Return what a fresh log segment says of every shard."""
        records = [record for shard in self._executors.replicas.values() for record in shard.restate()]
        for unclaimed in self._factory.unclaimed.values():
            records.extend(unclaimed)
        return records

    def _first_needed(self, shard: ShardId, stream: int) -> int:
        replica = self._executors.replicas.get(shard)
        if replica is None:
            # What is not known for good to be dropped may be there again after a crash, and needs its log.
            is_gone = self._system.is_caught_up and self._system.is_flushed
            return NOTHING_NEEDED if is_gone else 0
        return replica.first_needed(stream)

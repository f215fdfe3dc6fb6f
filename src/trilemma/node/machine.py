"""The node: inputs in, one Effects value out, once per turn. Everything else in this package is a part of it."""

from collections.abc import Callable

from trilemma.base.ids import SYSTEM_SHARD, ConnId, NodeId, ShardId
from trilemma.base.time import Now
from trilemma.cluster.messages import Forward, ForwardReply
from trilemma.keyspace.catalogue import Catalogue
from trilemma.node.causal_shard import CausalShard
from trilemma.node.clients import Clients
from trilemma.node.commands import Commands
from trilemma.node.config import NodeConfig
from trilemma.node.effects import DEFECT, NO_SHARD, AdminRequest, Effects, Trace
from trilemma.node.executors import Executors
from trilemma.node.flushing import Flushing
from trilemma.node.information import Information
from trilemma.node.log import NodeLog
from trilemma.node.options import Options
from trilemma.node.peers import Peers
from trilemma.node.placement import Placement
from trilemma.node.port import Hub, Port
from trilemma.node.remains import Remains
from trilemma.node.server import Server
from trilemma.node.session import Session
from trilemma.node.shard import ShardReplica
from trilemma.node.shards import ShardFactory
from trilemma.node.transfer import Transfers
from trilemma.replication.port import Message
from trilemma.replication.transfer import Ask, TransferMessage
from trilemma.storage.port import Engine, LogReader, LogRecord, Recovered

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
        self._flushing = Flushing(config.segment_bytes, now.mono_us, has_recovered=bool(recovered.records))
        self._remains = Remains(engine, self._system)
        self._administrators: dict[int, Callable[[bytes], None]] = {}
        self._next_request = 1
        self._drained_token = -1
        """How far the log was durable when all rows that could enter the engine did; -1 where they could not."""
        self._transfers = Transfers(engine, self._executors.replicas.get, self._peers.send, now)
        self._options = Options(config)
        self._server = Server(
            config, self._executors, self._peers, placement.router, self._system, self._port, entropy, now
        )
        self._server.admin = self._ask_shell
        self._leaving = self._server.leaving
        self.information = information = Information(self._server, lambda: len(self._server.sessions))
        self._hub = Hub(
            self._server.sessions,
            self._options,
            lambda: self._now,
            information.text,
            information.cluster_text,
            self._server.reset_statistics,
        )
        self._clients = Clients(self._server, self._options)
        self._commands = Commands(
            self._server, self._options, engine, lambda: bool(information.facts.get("config_file"))
        )
        self._placement.follow(self._executors, self._now)

    def _port(self, session: Session) -> Port:
        return self._hub.port(session)

    def _ask_shell(self, words: list[bytes], take: Callable[[bytes], None], protocol: int) -> None:
        self._administrators[self._next_request] = take
        self._effects.admin.append(AdminRequest(self._next_request, words, protocol))
        self._next_request += 1

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
        """Say whether a reply waits for time to pass: of WAIT, DEBUG SLEEP, CAP WAIT; of a WATCH behind reads."""
        return self._commands.waiting.next_deadline_us is not None or self._executors.owes

    # Inputs

    def client_connected(self, conn: ConnId, address: str, local_address: str) -> None:
        """A client has connected. Addresses are `host:port` texts."""
        self._clients.connected(conn, address, local_address)

    def receive_client(self, conn: ConnId, data: bytes) -> None:
        """Bytes came from a client."""
        self._clients.received(conn, data)

    def client_stalled(self, conn: ConnId, is_stalled: bool) -> None:
        """A client does not read its replies, or does again."""
        self._clients.stalled(conn, is_stalled)

    def client_ended(self, conn: ConnId) -> None:
        """A client sends nothing more: its connection is closed once all it asked for is answered."""
        self._clients.ended(conn)

    def client_gone(self, conn: ConnId) -> None:
        """A connection is gone; what it had under way goes on without it."""
        self._clients.gone(conn)

    def receive_peer(self, peer: NodeId, frame: bytes) -> None:
        """A frame came from a peer."""
        envelopes, since_us = self._peers.receive(peer, frame)
        for envelope in envelopes:
            message = envelope.message
            if isinstance(message, Forward | ForwardReply):
                self._executors.receive(envelope.source, message)
            elif isinstance(message, TransferMessage):
                if envelope.source == peer:
                    self._transfers.receive(peer, envelope.shard, message)
            elif isinstance(message, Message) and envelope.source == peer:
                replica = self._executors.replicas.get(envelope.shard)
                if replica is not None:
                    replica.receive(peer, message, since_us)

    def persisted(self, token: int) -> None:
        """The log is durable up to a token."""
        self._log.persisted(token)
        self._clients.persisted(token)
        self._executors.persisted(token)
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

    def note_defect(self, text: str) -> None:
        """The shell has met a defect as it carried out an AdminRequest; its reply says so."""
        self._server.defects.append(text)

    def begin_shutdown(self) -> None:
        """Hand over what this node leads; Effects.shutdown follows."""
        self._leaving.begin(self._now.mono_us)

    def advance(self, now: Now) -> None:
        """Move time on; the last input of a turn."""
        self._now = self._server.now = now
        self._clients.advance()
        self._peers.advance(now)
        full = self._peers.full
        self._executors.note_full_disks(full if self._peers.has_room else full | {self.config.node_id})
        self._executors.note_leaving(self._peers.leaving)
        offsets_ms = self._peers.wall_offsets_ms()
        self._hold_writes(self._log.is_behind)
        up = self._peers.up
        for replica in self._executors.replicas.values():
            replica.advance(now, up, offsets_ms)

    def _hold_writes(self, holds: bool) -> None:
        """Have replicas hold writes back, or not any more."""
        held, self._executors.holds_writes = self._executors.holds_writes, holds
        if holds or held:
            for replica in self._executors.replicas.values():
                if replica.holds_writes is not holds:
                    replica.hold_writes(holds)

    # The outcome

    def ready(self) -> Effects:
        """End the turn: return all that is to be done."""
        self._transfers.advance(self._now)
        knows_keyspaces = self._system.is_caught_up
        self._server.has_met = self._system.has_met
        if knows_keyspaces:
            self._clients.dispatch(self._commands.dispatcher.run)
            self._executors.dispatch(self._now.mono_us)
        self._collect()
        self._move_rows()
        if not self._system.is_idle:
            self._placement.follow(self._executors, self._now)
            self._placement.refresh_fences(self._executors)
        self._commands.keyspaces.advance()
        self._leaving.advance(self._log, self._now.mono_us, self._commands.keyspaces, self._clients)
        self._commands.waiting.advance()
        self._tell_defects(NO_SHARD, self._server.defects)
        effects, self._effects = self._effects, Effects()
        effects.log = self._log.take(self._first_needed)
        effects.send = self._peers.collect(self._system.durable_applied)
        self._write_rows(effects)
        self._clients.send(effects, knows_keyspaces)
        self._leaving.tell(effects)
        effects.next_deadline_us = self._next_deadline_us()
        return effects

    def _collect(self) -> None:
        for shard, replica in self._executors.replicas.items():
            if replica.is_idle:
                continue
            if self._log.is_behind and not replica.holds_writes:
                replica.hold_writes(True)
                self._executors.holds_writes = True
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
        if self._engine.takes_writes:
            durable = self._log.durable_token
            for replica in self._executors.replicas.values():
                # Who did nothing this turn has rows to write only if the log's disk has come further.
                if durable != self._drained_token or not replica.is_idle:
                    batch = replica.rows(durable)
                    if batch is not None:
                        self._engine.write(batch)
            self._drained_token = durable
        else:
            self._drained_token = -1
        self._remains.step()
        effects.flush_rows = self._flushing.begin(
            self._now.mono_us, self._log.bytes_written, self._transfers.wants_flush
        )
        if effects.flush_rows:
            self._transfers.flush_begins()
            for replica in self._executors.replicas.values():
                replica.flush_begins()

    def _next_deadline_us(self) -> int:
        if self._clients.wants_turn or self._remains.wants_turn:
            return self._now.mono_us
        soonest_us = min(self._peers.next_deadline_us, self._clients.next_deadline_us)
        waiting, keyspaces = self._commands.waiting, self._commands.keyspaces
        for part in (self._transfers, waiting, keyspaces, self._flushing, self._leaving):
            deadline_us = part.next_deadline_us
            if deadline_us is not None and deadline_us < soonest_us:
                soonest_us = deadline_us
        return self._executors.soonest_us(soonest_us)

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

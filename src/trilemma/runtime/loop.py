"""The node's turns: everything that came in during one poll of the event loop goes in, one Effects comes out.

One turn is scheduled per poll, behind all sockets of it, so that batches form by themselves and the cost of a log
write, a frame and a system call is paid once per batch (ARCHITECTURE §1). Knows no protocol: bytes, tokens, deadlines.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from trilemma.base.ids import ConnId, NodeId
from trilemma.base.invariant import InvariantViolated
from trilemma.base.time import US_PER_S
from trilemma.node.effects import AdminRequest, Effects, Trace
from trilemma.runtime.held import HeldFrames
from trilemma.runtime.port import ClientOutlet, Clock, Core, DurableLog, FlushingEngine, PeerOutlet
from trilemma.runtime.room import NoRoomError
from trilemma.runtime.row_problems import CorruptRowsError, RowsFailedError

Answer = Callable[[list[bytes], int, Callable[[bytes], None]], None]
"""Carries out an AdminRequest: words, RESP version, what takes the encoded reply."""


FLUSH_RETRY_S = 1.0
"""How soon rows are flushed again that a full disk had no room for; until then the log keeps them."""


class NodeLoop:
    """Runs one node. Its inputs may be called from the loop's thread only, save those that say otherwise."""

    def __init__(
        self,
        clock: Clock,
        *,
        flusher: Executor,
        answer: Answer,
        traced: Callable[[Trace], None],
        left: Callable[[], None],
        stayed: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Args: flusher: flushes rows; left: the node asks to be stopped; stayed: a shutdown was called off; failed:
        the node broke, and takes no more turns."""
        self.turns = 0
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._flusher = flusher
        self._answer = answer
        self._traced = traced
        self._left = left
        self._stayed = stayed
        self._failed = failed
        self._node: Core
        self._log: DurableLog
        self._engine: FlushingEngine
        self._clients: ClientOutlet
        self._peers: PeerOutlet
        self._held = HeldFrames()
        self._inbox: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._durable = 0
        self._told_durable = 0
        self._is_due = False
        self._is_paused = False
        self._is_stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_us = 0
        self._deadline_us = 0

    def start(
        self, node: Core, log: DurableLog, engine: FlushingEngine, clients: ClientOutlet, peers: PeerOutlet
    ) -> None:
        """Take the first turn; until now there was nobody to take an input."""
        self._node = node
        self._log = log
        self._engine = engine
        self._clients = clients
        self._peers = peers
        self.wake()

    # Inputs

    def client_connected(self, conn: ConnId, address: str, local_address: str) -> None:
        """A client has connected."""
        self._take(self._node.client_connected, conn, address, local_address)

    def receive_client(self, conn: ConnId, data: bytes) -> None:
        """Bytes came from a client."""
        self._inbox.append((self._node.receive_client, (conn, data)))
        if not self._is_due:
            self.wake()

    def client_stalled(self, conn: ConnId, is_stalled: bool) -> None:
        """A client does not read its replies, or does again."""
        self._take(self._node.client_stalled, conn, is_stalled)

    def client_ended(self, conn: ConnId) -> None:
        """A client sends nothing more."""
        self._take(self._node.client_ended, conn)

    def client_gone(self, conn: ConnId) -> None:
        """A connection is gone."""
        self._take(self._node.client_gone, conn)

    def receive_peer(self, peer: NodeId, frame: bytes) -> None:
        """A frame came from a peer."""
        self._inbox.append((self._node.receive_peer, (peer, frame)))
        if not self._is_due:
            self.wake()

    def persisted(self, token: int) -> None:
        """The log is durable up to a token. May be called from any thread."""
        self._soon(self._persisted, token)

    def storage_failed(self, problem: Exception) -> None:
        """The disk refused a write or a sync: the node stops, for it cannot keep a promise any more. Any thread."""
        self._soon(self._fail, problem)

    def _soon(self, call: Callable[..., None], argument: object) -> None:
        # The log's thread may report once more after the loop it belonged to has ended.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, argument)

    def disk_room(self, has_room: bool) -> None:
        """The disk has room for further entries, or not."""
        self._take(self._node.disk_room, has_room)

    def begin_shutdown(self) -> None:
        """Have the node hand over what it leads; `left` is called when it has, `stayed` where that is called off."""
        self._take(self._node.begin_shutdown)

    def _persisted(self, token: int) -> None:
        self._durable = max(self._durable, token)
        self.wake()

    def _take(self, call: Callable[..., None], *arguments: object) -> None:
        self._inbox.append((call, arguments))
        self.wake()

    # Turns

    def wake(self) -> None:
        """Have a turn behind everything that this poll of the event loop brings."""
        if not self._is_due and not self._is_stopped and not self._is_paused:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def pause(self) -> None:
        """Stand still, as a stopped process does: inputs wait, time goes on. For tests within one process."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on."""
        self._is_paused = False
        self.wake()

    def stop(self) -> None:
        """Take no further turn."""
        self._is_stopped = True
        self._inbox.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        self._is_due = False
        if self._is_stopped or self._is_paused:
            return
        try:
            self._take_inputs()
            self._node.advance(self._clock())
            effects = self._node.ready()
            self._carry_out(effects)
        except Exception as problem:  # noqa: BLE001 - a node whose turn broke is not to be trusted with another one
            self._fail(problem)
        self.turns += 1

    def _take_inputs(self) -> None:
        inbox, self._inbox = self._inbox, []
        for call, arguments in inbox:
            call(*arguments)
        if self._durable > self._told_durable:
            self._told_durable = self._durable
            self._node.persisted(self._durable)

    def _fail(self, problem: Exception) -> None:
        if not self._is_stopped:
            self.stop()
            self._failed(problem)

    # Effects

    def _carry_out(self, effects: Effects) -> None:
        self._send(effects)
        if effects.log is not None:
            self._log.append(effects.log)
        self._reply(effects)
        for request in effects.admin:
            self._ask(request)
        if effects.flush_rows:
            self._flush_rows(effects.flush_rows)
        for trace in effects.trace:
            self._traced(trace)
        self._set_timer(effects.next_deadline_us)
        if effects.stays:
            self._stayed()
        if effects.shutdown:
            self._left()

    def _send(self, effects: Effects) -> None:
        # Before the log: what may leave at once is on its way to the peers while this disk still works.
        put = self._peers.put
        for peer, frame in self._held.release(self._durable):
            put(peer, frame)
        for peer, frame, after in effects.send:
            if after > self._durable:
                self._held.hold(peer, frame, after)
            else:
                put(peer, frame)
        self._peers.flush()

    def _reply(self, effects: Effects) -> None:
        clients = self._clients
        for conn, data in effects.client_bytes:
            clients.put(conn, data)
        clients.flush()
        for conn, reads in effects.reading:
            clients.read_on(conn, reads)
        for conn, why in effects.closed_for:
            clients.say_why(conn, why)
        for conn in effects.close:
            clients.close(conn)

    def _ask(self, request: AdminRequest) -> None:
        def done(reply: bytes) -> None:
            self._take(self._node.admin_done, request.request, reply)

        self._answer(request.words, request.protocol, done)

    def _flush_rows(self, token: int) -> None:
        if self._is_stopped:
            return

        def done(future: "asyncio.Future[None]") -> None:
            if future.cancelled():
                return
            problem = future.exception()
            if problem is None:
                self._take(self._node.rows_flushed, token)
            elif isinstance(problem, NoRoomError):
                self._loop.call_later(FLUSH_RETRY_S, self._flush_rows, token)
            elif isinstance(problem, (CorruptRowsError, RowsFailedError)):
                self._fail(problem)
            else:
                self._fail(InvariantViolated(f"rows could not be flushed: {problem}"))

        self._loop.run_in_executor(self._flusher, self._engine.flush).add_done_callback(done)

    # The timer

    def _set_timer(self, deadline_us: int) -> None:
        """Have a turn at a deadline. A timer due earlier stays and looks again, for most turns move the deadline."""
        self._deadline_us = deadline_us
        if self._is_stopped or (self._timer is not None and self._timer_due_us <= deadline_us):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._arm()

    def _arm(self) -> None:
        delay_us = self._deadline_us - self._clock().mono_us
        self._timer_due_us = self._deadline_us
        if delay_us <= 0:
            self._timer = None
            self.wake()
        else:
            self._timer = self._loop.call_later(delay_us / US_PER_S, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._clock().mono_us >= self._deadline_us:
            self.wake()
        else:
            self._arm()

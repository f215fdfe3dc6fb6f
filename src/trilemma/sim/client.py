"""Clients: each drives one generator over one connection at a time, and never retries (FAULTS §4, pitfall 1)."""

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from random import Random

from trilemma.base.ids import ConnId, NodeId
from trilemma.check.history import Operation
from trilemma.check.recorder import Recorder
from trilemma.resp.decode import ReplyDecoder
from trilemma.resp.reply import ErrorReply, MapReply, NilArray, Reply, Simple
from trilemma.sim.cluster import Cluster
from trilemma.sim.pace import UNHURRIED, Pace
from trilemma.sim.solo import request
from trilemma.workload.step import Generator, Step

PATIENCE_US = 6_000_000
"""After this long without an answer a client hangs up: longer than any keyspace's TIMEOUT."""

PIPELINE_MAX = 4

BURST_MAX = 12
"""Commands in a pipeline that leaves packet by packet: some are still to come when the first ones are executed."""

BURST_SHARE_MIN = 0.4
"""How often, at the least, a client sends such a pipeline where there are any."""


def plain(reply: Reply) -> object:
    """Return a reply in the words of `workload.step`: a status as bytes, an error as its text."""
    if isinstance(reply, Simple):
        return reply.text
    if isinstance(reply, ErrorReply):
        return reply.text
    if isinstance(reply, NilArray):
        return None
    if isinstance(reply, list | tuple):
        return tuple(plain(each) for each in reply)
    if isinstance(reply, MapReply):
        return tuple((plain(key), plain(value)) for key, value in reply.pairs)
    return reply


class Numbers:
    """Process numbers: a client whose connection broke goes on under a new one."""

    def __init__(self) -> None:
        self._next = 1

    def take(self) -> int:
        """Return the next number."""
        self._next += 1
        return self._next - 1


@dataclass(slots=True)
class _Under:
    """A step under way: its number in the record, and the replies so far."""

    step: Step
    generator: Generator
    number: int
    replies: list[object] = field(default_factory=list)


class Client:
    """One client of one node. `settles`: told when it is at rest."""

    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        rng: Random,
        numbers: Numbers,
        node: NodeId,
        generator: Generator,
        *,
        readonly: bool = False,
        can_pipeline: bool = True,
        pace: Pace = UNHURRIED,
    ) -> None:
        self.node = node
        self.generator = generator
        self.is_running = True
        self.readonly = readonly
        self._cluster = cluster
        self._recorder = recorder
        self._rng = rng
        self._numbers = numbers
        self._can_pipeline = can_pipeline
        self._pace = pace
        self._conn: ConnId | None = None
        self._process = 0
        self._decoder = ReplyDecoder()
        self._under: deque[_Under] = deque()
        self._skip = 0
        self._queue: deque[Step] = deque()
        self._patience = 0

    def start(self) -> None:
        """Connect and begin."""
        self._conn = self._cluster.connect(self.node, self)
        if self._conn is None:
            self._cluster.scheduler.after(self._cluster.options.reconnect_us, self.start)
            return
        self._process = self._numbers.take()
        self._decoder = ReplyDecoder()
        self._skip = 0
        if self.readonly:
            self._skip = 1
            self._cluster.send(self._conn, request("READONLY"))
        self._later()

    def drive(self, steps: list[Step]) -> None:
        """Send these steps, one after the other, in place of the generator's."""
        self.is_running = False
        self._queue.extend(steps)

    @property
    def is_at_rest(self) -> bool:
        """Say whether nothing is under way or queued."""
        return not self._under and not self._queue and not self.is_running

    def _later(self) -> None:
        think_us = 50
        if self.is_running:
            now_us = self._cluster.scheduler.now_us
            longer = self._pace.longer(now_us)
            think_us += int(self._rng.expovariate(1.0) * self._cluster.options.think_us * longer)
            think_us += self._pace.rest_us(now_us)
        conn = self._conn
        self._cluster.scheduler.after(think_us, lambda: self._next(conn))

    def _next(self, conn: ConnId | None) -> None:
        if conn != self._conn or conn is None or self._under:
            return
        steps: list[Step] = []
        if self._queue:
            steps.append(self._queue.popleft()._replace(process=self._process))
        elif self.is_running:
            steps.extend(self.generator.next(self._process) for _ in range(self._draw_count()))
        if not steps:
            return
        self._send(conn, steps)

    def _draw_count(self) -> int:
        """Return how many steps are sent at once."""
        options = self._cluster.options
        is_burst = options.packet_gap_us > 0
        share = max(options.pipeline_share, BURST_SHARE_MIN) if is_burst else options.pipeline_share
        if not self._can_pipeline or self._rng.random() >= share:
            return 1
        return self._rng.randint(2, BURST_MAX if is_burst else PIPELINE_MAX)

    def _send(self, conn: ConnId, steps: list[Step]) -> None:
        options = self._cluster.options
        now_us = self._cluster.scheduler.now_us
        packets: list[bytes] = []
        for step in steps:
            operation = Operation(
                self._process,
                now_us,
                None,
                ("stale_" if self.readonly else "") + step.kind,
                step.key,
                step.argument,
                node=f"n{self.node}",
                keyspace=options.keyspace,
                mode=options.mode,
            )
            self._under.append(_Under(step, self.generator, self._recorder.invoke(operation)))
            packets.append(b"".join(request(*command) for command in step.commands))
        self._send_packets(conn, packets)
        self._patience += 1
        patience = self._patience
        self._cluster.scheduler.after(PATIENCE_US, lambda: self._give_up(conn, patience))

    def _send_packets(self, conn: ConnId, packets: list[bytes]) -> None:
        gap_us = self._cluster.options.packet_gap_us
        if not gap_us:
            packets = [b"".join(packets)]
        for place, packet in enumerate(packets):
            if place:
                self._cluster.scheduler.after(place * gap_us, partial(self._send_late, conn, packet))
            else:
                self._cluster.send(conn, packet)

    def _send_late(self, conn: ConnId, packet: bytes) -> None:
        if conn == self._conn:
            self._cluster.send(conn, packet)

    def _give_up(self, conn: ConnId, patience: int) -> None:
        if conn == self._conn and patience == self._patience and self._under:
            self._cluster.hang_up(conn)
            self.lost(conn)

    def receive(self, conn: ConnId, data: bytes) -> None:
        """See Caller."""
        if conn != self._conn:
            return
        self._decoder.feed(data)
        for reply in self._decoder.replies():
            if self._skip:
                self._skip -= 1
                continue
            self._take(plain(reply))
        if not self._under:
            self._later()

    def _take(self, reply: object) -> None:
        if not self._under:
            self._cluster.failures.append(f"n{self.node} sent a reply that nobody asked for: {reply!r}")
            return
        under = self._under[0]
        under.replies.append(reply)
        if len(under.replies) == len(under.step.commands):
            self._under.popleft()
            self._complete(under)

    def _complete(self, under: _Under) -> None:
        recorded = under.generator.record(under.step, under.replies)
        now_us = self._cluster.scheduler.now_us
        operation = self._recorder.complete(under.number, now_us, recorded.outcome, recorded.result)
        self._cluster.trace.add(
            now_us,
            f"c{self._process}@n{self.node}",
            operation.kind,
            f"{operation.key!r} {operation.argument!r} -> {operation.outcome} {operation.result!r}",
        )

    def lost(self, conn: ConnId) -> None:
        """See Caller: what was under way is in doubt, for ever."""
        if conn != self._conn:
            return
        self._conn = None
        while self._under:
            under = self._under.popleft()
            recorded = under.generator.record(under.step, under.replies)
            outcome = recorded.outcome if len(under.replies) == len(under.step.commands) else "info"
            self._recorder.complete(under.number, self._cluster.scheduler.now_us, outcome, recorded.result)
        self._cluster.scheduler.after(self._cluster.options.reconnect_us, self.start)

"""One node's process: runs the node's turns, carries out their effects, crashes, pauses, starts again."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from trilemma.node.config import Member, NodeConfig, Timing
from trilemma.node.effects import Effects, PeerFrame
from trilemma.node.machine import Node
from trilemma.sim.clock import Clock
from trilemma.sim.disk import FLUSH_US, Disk

if TYPE_CHECKING:
    from trilemma.sim.cluster import Cluster


class Process:
    """A node that can be taken down."""

    def __init__(self, cluster: "Cluster", member: Member, rng: Random, clock: Clock) -> None:
        self.member = member
        self.clock = clock
        self.disk = Disk(cluster.scheduler, rng, cluster.options)
        self.node: Node | None = None
        self.turns = 0
        """Turns taken in all its lives."""
        self.has_room = True
        """Whether its disk takes further entries."""
        self.is_paused = False
        self.starts = 0
        self._cluster = cluster
        self._rng = rng
        self._epoch = 0
        self._due_us: int | None = None
        self._held: list[PeerFrame] = []
        self._persisted_token = 0
        self._inbox: list[Callable[[Node], None]] = []

    @property
    def name(self) -> str:
        """The node's name."""
        return self.member.name

    def start(self) -> None:
        """Start the node on what its disk holds."""
        cluster = self._cluster
        self.starts += 1
        self._epoch += 1
        self._held.clear()
        self._inbox.clear()
        self._persisted_token = 0
        self._due_us = None
        config = NodeConfig(
            "sim",
            self.member.id,
            f"disk-{self.name}",
            self.starts,
            cluster.members,
            default_mode=cluster.options.mode,
            segment_bytes=cluster.options.segment_bytes,
            retained_bytes=cluster.options.retained_bytes,
            append_bytes=cluster.options.append_bytes,
            apply_bytes=cluster.options.apply_bytes,
            timing=Timing(heartbeat_us=cluster.options.heartbeat_us),
        )
        self.disk.open(self._persisted, lambda: cluster.crash(self, "fsync failed"))
        now = self.clock.now(cluster.scheduler.now_us)
        cluster.guard(self, lambda: self._make(config, now))
        self._wake(0)

    def _make(self, config: NodeConfig, now: object) -> None:
        recovered = self.disk.log.recover()
        entropy = self._rng.getrandbits(62)
        self.node = Node(config, recovered, self.disk.log, self.disk.engine, now, entropy)  # type: ignore[arg-type]
        self.node.disk_room(self.has_room)

    def crash(self) -> None:
        """End at once, as kill -9 or the loss of power do."""
        self.node = None
        self.is_paused = False
        self._epoch += 1
        self._inbox.clear()
        self.disk.crash()

    def pause(self) -> None:
        """Stand still: nothing is read or sent, time goes on."""
        self.is_paused = True

    def set_room(self, has_room: bool) -> None:
        """Make room on the disk, or take it away; a start finds it as it is."""
        self.has_room = has_room
        self.give(lambda node: node.disk_room(has_room))

    def resume(self) -> None:
        """Go on."""
        self.is_paused = False
        self._due_us = None
        self._wake(0)

    def give(self, action: Callable[[Node], None]) -> None:
        """Hand an input to the node; it is taken in at the next turn."""
        if self.node is not None:
            self._inbox.append(action)
            self._wake(self._cluster.options.turn_us)

    def _persisted(self, token: int) -> None:
        self._persisted_token = token
        self.give(lambda node: node.persisted(token))
        if not self.is_paused:
            self._release()

    def _wake(self, delay_us: int) -> None:
        self._wake_at(self._cluster.scheduler.now_us + delay_us)

    def _wake_at(self, time_us: int) -> None:
        if self._due_us is not None and self._due_us <= time_us:
            return
        self._due_us = time_us
        epoch = self._epoch
        self._cluster.scheduler.at(time_us, lambda: self._turn_if_due(epoch, time_us))

    def _turn_if_due(self, epoch: int, time_us: int) -> None:
        if epoch == self._epoch and self._due_us == time_us and not self.is_paused:
            self._due_us = None
            self._cluster.guard(self, self._turn)

    def _turn(self) -> None:
        node = self.node
        if node is None:
            return
        self.turns += 1
        inbox, self._inbox = self._inbox, []
        for action in inbox:
            action(node)
        self._release()
        node.advance(self.clock.now(self._cluster.scheduler.now_us))
        effects = node.ready()
        self._carry_out(effects)
        if self.node is not None:
            soonest_us = self._cluster.scheduler.now_us + self._cluster.options.turn_us
            self._wake_at(max(self.clock.virtual_us(effects.next_deadline_us), soonest_us))
            self._cluster.observe(self)

    def _carry_out(self, effects: Effects) -> None:
        if effects.log is not None:
            self.disk.append(effects.log)
        self._held.extend(effects.send)
        self._release()
        for conn, data in effects.client_bytes:
            self._cluster.reply(self, conn, data)
        for conn in effects.close:
            self._cluster.close(self, conn)
        for request in effects.admin:
            self.give(lambda node, number=request.request: node.admin_done(number, b"-ERR no lab here\r\n"))  # type: ignore[misc]
        if effects.flush_rows:
            self._flush(effects.flush_rows)
        self.disk.flush_early()
        if effects.shutdown:
            self._cluster.crash(self, "left")

    def _flush(self, token: int) -> None:
        self.disk.engine.flush()
        self._cluster.scheduler.after(FLUSH_US, lambda: self.give(lambda node: node.rows_flushed(token)))

    def _release(self) -> None:
        """Let out what waited for the disk."""
        if not self._held:
            return
        left: list[PeerFrame] = []
        for out in self._held:
            if out.after > self._persisted_token:
                left.append(out)
            else:
                self._cluster.network.send(self.member.id, out.peer, out.frame)
        self._held = left

"""The network between nodes: delay, loss, repetition, reordering, cuts of every shape."""

from collections.abc import Callable
from random import Random

from trilemma.base.ids import NodeId
from trilemma.sim.options import Options
from trilemma.sim.scheduler import Scheduler

Deliver = Callable[[NodeId, NodeId, bytes], None]
Direction = tuple[NodeId, NodeId]


class Network:
    """Carries frames from node to node. A cut direction loses everything, what is under way included."""

    def __init__(self, scheduler: Scheduler, rng: Random, options: Options, deliver: Deliver) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._options = options
        self._deliver = deliver
        self.cut: dict[Direction, None] = {}
        self.slow: dict[Direction, int] = {}
        self.lossy: dict[Direction, float] = {}
        self.holes: dict[Direction, int] = {}
        """Directions in which frames of more than so many bytes are lost, as behind a router with a small MTU."""
        self.is_healed = False
        self.lost = 0
        """Frames that a cut or loss took."""

    def send(self, source: NodeId, target: NodeId, frame: bytes) -> None:
        """Send a frame, which may arrive once, twice or never."""
        direction = (source, target)
        loss = 0.0 if self.is_healed else self._options.loss + self.lossy.get(direction, 0.0)
        if (
            direction in self.cut
            or len(frame) > self.holes.get(direction, len(frame))
            or (loss and self._rng.random() < loss)
        ):
            self.lost += 1
            return
        copies = 2 if not self.is_healed and self._rng.random() < self._options.duplicate else 1
        for _ in range(copies):
            self._scheduler.after(self._delay_us(direction), lambda: self._arrive(source, target, frame))

    def _delay_us(self, direction: Direction) -> int:
        jitter_us = 0 if self.is_healed else self._options.jitter_us
        drawn_us = int(self._rng.expovariate(1.0) * jitter_us) if jitter_us else 0
        return self._options.delay_us + drawn_us + self.slow.get(direction, 0)

    def _arrive(self, source: NodeId, target: NodeId, frame: bytes) -> None:
        if (source, target) in self.cut:
            self.lost += 1
            return
        self._deliver(source, target, frame)

    def heal(self) -> None:
        """End all faults of links, for good."""
        self.cut.clear()
        self.slow.clear()
        self.lossy.clear()
        self.holes.clear()
        self.is_healed = True

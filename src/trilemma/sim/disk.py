"""A node's disk: the log is synced late and in groups, rows are flushed when they please, a crash loses the rest."""

from collections.abc import Callable
from random import Random

from trilemma.sim.options import Options
from trilemma.sim.scheduler import Scheduler
from trilemma.storage.memory import MemoryEngine, MemoryLog
from trilemma.storage.port import LogWrite

LAZY_SYNC_US = 40_000
"""After how long a write that nobody waits for is synced."""

FLUSH_US = 3_000

STALL_US = 1_200_000
"""What has to be durable may not be within the shortest TIMEOUT (1.5 s) where a sync ends this long after the one
before it has begun; the rest is for the slowest drawn clocks and turns."""

SLOWEST = 3
"""How many times the average a slow sync takes at most: one that began before the heal must soon be over."""


class Disk:
    """Outlives the process that uses it. `epoch` tells a process' own syncs from those before its crash."""

    def __init__(self, scheduler: Scheduler, rng: Random, options: Options) -> None:
        self.log = MemoryLog()
        self.engine = MemoryEngine()
        self.fails_next_sync = False
        self.is_healed = False
        self.is_slow = False
        self.stalls: list[tuple[int, int]] = []
        """Times (from, until) in which what was written was not durable within STALL_US."""
        self.on_sync: Callable[[int], None] = lambda _: None
        """Told when a sync begins, and how long it takes in microseconds."""
        self._scheduler = scheduler
        self._rng = rng
        self._options = options
        self._epoch = 0
        self._written = 0
        self._syncing = 0
        self._newest = (0, 0)
        """When the newest sync began, and when it ends."""
        self._due = False
        self._persisted: Callable[[int], None] = lambda _: None
        self._failed: Callable[[], None] = lambda: None

    def open(self, persisted: Callable[[int], None], failed: Callable[[], None]) -> None:
        """Begin to serve a started process."""
        self._persisted, self._failed = persisted, failed
        self._epoch += 1
        self._written = self._syncing = 0
        self._due = False

    def append(self, write: LogWrite) -> None:
        """Write to the log; `persisted` follows."""
        self.log.append(write)
        self._written = write.token
        if write.must_sync:
            self._sync()
        elif not self._due:
            self._due = True
            epoch = self._epoch
            self._scheduler.after(LAZY_SYNC_US, lambda: self._sync() if epoch == self._epoch else None)

    def _sync(self) -> None:
        self._due = False
        if self._syncing or not self._written:
            return
        self._syncing = self._written
        epoch = self._epoch
        delay_us = 1 + self._sync_us()
        self._note_stall(delay_us)
        self._scheduler.after(delay_us, lambda: self._synced(epoch))
        self.on_sync(delay_us)

    def _note_stall(self, delay_us: int) -> None:
        """Note how long what came just after the last sync had begun waits, if this one follows it at once."""
        before, now_us = self._newest, self._scheduler.now_us
        self._newest = (now_us, now_us + delay_us)
        if before[1] == now_us and now_us + delay_us - before[0] > STALL_US:
            self.stalls.append((before[0], now_us + delay_us))

    def _sync_us(self) -> int:
        options = self._options
        drawn = self._rng.expovariate(1.0)
        if self.is_slow:
            return int(min(drawn, SLOWEST) * options.slow_sync_us)
        return int(min(drawn, 10) * options.sync_us)

    def _synced(self, epoch: int) -> None:
        if epoch != self._epoch:
            return
        if self.fails_next_sync:
            self.fails_next_sync = False
            self._failed()
            return
        token, self._syncing = self._syncing, 0
        self.log.sync(token)
        if token < self._written:
            self._sync()
        else:
            self._written = 0
        self._persisted(token)

    def flush_early(self) -> None:
        """Sometimes make some rows durable that nobody asked to, as an engine does."""
        if self.engine.unflushed and self._rng.random() < self._options.flush_share:
            self.engine.flush(self._rng.randint(1, self.engine.unflushed))

    def crash(self) -> None:
        """Lose what was not durable, or a part of it."""
        self._epoch += 1
        keeps = self._rng.random() < self._options.keep_share
        self.log.crash(self._rng.randrange if keeps else None)
        self.engine.crash(self._rng.randrange if keeps else None)

"""A leader's judge of its own disk: late is what others' disks did long ago, not what takes long on all of them.

Owns how long the oldest write waits, and when another voter's disk had it. Does not know what follows from it.
Not in the paper, nor in the thesis, which has the hand-over (§3.10) but not this reason for one: PROTOCOLS §2.1.
"""

from trilemma.base.time import NEVER_US
from trilemma.replication.raft.core import Core

PATIENCE = 2
"""How many times as long as another disk the own one may take, and the detection time on top: the next sync may be the
other way round, and a hand-over costs some."""


class OwnDisk:
    """The oldest write of the log that is not durable here."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._since_us: int | None = None
        self._overtaken_us: int | None = None

    def watch(self, match_index: int) -> None:
        """Take note of how far the log is durable elsewhere, at the voter that has most of it."""
        durability = self._core.log.durability
        if durability.waiting_since_us != self._since_us:
            self._since_us, self._overtaken_us = durability.waiting_since_us, None
        if self._overtaken_us is None and match_index > durability.durable_index:
            self._overtaken_us = self._core.now.mono_us

    @property
    def late_us(self) -> int:
        """When the disk is too late for a leader's; never while no other one was faster."""
        if self._since_us is None or self._overtaken_us is None:
            return NEVER_US
        took_us = self._overtaken_us - self._since_us
        return self._since_us + self._core.timing.detection_us + PATIENCE * took_us

"""Room on the disk: while less than a reserve is free, no entry is taken in any more (PROTOCOLS §6.4).

What is left then is for what must still be written: votes, restatements, the flush of rows that lets old log go.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from trilemma.base.limits import MIB, limit

DISK_RESERVE_BYTES = limit(
    "disk_reserve_bytes",
    128 * MIB,
    "bytes free",
    "votes, restatements and flushes of rows need a disk that is not full",
    "writes are refused: CLUSTERDOWN ... disk full on ...",
)
ROOM_INTERVAL_S = 0.2
"""How often the disk is looked at: what is written meanwhile is far less than the reserve."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The errors of a disk that is full, or that a quota keeps from this node."""

BACK_SHARE = 4
"""Room is enough again with a reserve and a quarter, so that it does not come and go with every flush."""


def free_bytes(path: Path) -> int:
    """Return how much this process may still write on the disk of a path."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


class NoRoomError(Exception):
    """The disk is too full for what was to be written; nothing is lost, and it may be tried again."""


class Room:
    """Whether there is enough."""

    def __init__(self, reserve_bytes: int, measure: Callable[[Path], int] = free_bytes) -> None:
        self.is_enough = True
        self.free_bytes = 0
        self._reserve_bytes = reserve_bytes
        self._measure = measure

    def look(self, path: Path) -> bool:
        """Measure; say whether `is_enough` changed."""
        self.free_bytes = self._measure(path)
        before = self.is_enough
        wanted = self._reserve_bytes + (0 if before else self._reserve_bytes // BACK_SHARE)
        self.is_enough = self.free_bytes >= wanted
        return self.is_enough is not before

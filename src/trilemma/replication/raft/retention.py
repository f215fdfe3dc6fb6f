"""How many bytes of log lie above an index, near enough to bound what is kept for a replica that is away.

Paper §7 (compaction by the log's size in bytes; a follower that lags gets a snapshot); PROTOCOLS §6.2.
"""

from collections import deque

MARK_BYTES = 1 << 20
"""One mark per MiB: a GiB of retained log costs a thousand marks, and the bound is kept to 0.1%."""


class Retention:
    """Marks of (index, bytes logged up to it)."""

    __slots__ = ("_marks", "_total")

    def __init__(self) -> None:
        self._total = 0
        self._marks: deque[tuple[int, int]] = deque()

    def appended(self, index: int, size: int) -> None:
        """Count an entry."""
        self._total += size
        if not self._marks or self._total - self._marks[-1][1] >= MARK_BYTES:
            self._marks.append((index, self._total))

    def truncated(self, last_index: int) -> None:
        """Forget the marks above an index."""
        while self._marks and self._marks[-1][0] > last_index:
            self._total = self._marks.pop()[1]

    def compacted(self, base_index: int) -> None:
        """Forget the marks below an index, but the newest of them."""
        while len(self._marks) > 1 and self._marks[1][0] <= base_index:
            self._marks.popleft()

    def bytes_above(self, index: int) -> int:
        """Return the bytes logged above an index, too many by less than two marks."""
        below = 0
        for marked, total in self._marks:
            if marked > index:
                break
            below = total
        return self._total - below

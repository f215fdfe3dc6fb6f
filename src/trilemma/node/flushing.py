"""When rows are flushed: what the flushed rows lack is replayed from the log by the next start, so it is kept short.

After so many bytes, or so long after the first of them; soon after a start that found something to replay, so that
starts in a row do not each replay more. A transfer's loaded rows are flushed at once.
"""

from trilemma.base.limits import MIB, limit

FLUSH_LOG_SHARE = 0.75
"""Share of a segment that is written before rows are flushed again, so that old segments can go."""

FLUSH_LOG_BYTES = limit(
    "flush_log_bytes", 8 * MIB, "bytes of log", "a start replays what the flushed rows lack", "rows are flushed"
)
FLUSH_US = 10_000_000
"""How old a write may get before its rows are flushed."""

FIRST_FLUSH_US = 400_000
"""How soon after a start what was replayed is flushed."""


class Flushing:
    """One node's flushes: one at a time, each with a token."""

    def __init__(self, segment_bytes: int, mono_us: int, *, has_recovered: bool) -> None:
        self._bytes_max = min(int(segment_bytes * FLUSH_LOG_SHARE), FLUSH_LOG_BYTES)
        self._token = 0
        self._is_under_way = False
        self._flushed_bytes = 0
        self._due_us = mono_us + FIRST_FLUSH_US if has_recovered else None

    def begin(self, mono_us: int, bytes_written: int, is_wanted: bool) -> int:
        """Return the token of a flush that begins now, 0 for none. `bytes_written`: to the log since the start."""
        if bytes_written > self._flushed_bytes and self._due_us is None:
            self._due_us = mono_us + FLUSH_US
        if self._is_under_way or not (is_wanted or self._is_due(mono_us, bytes_written)):
            return 0
        self._is_under_way = True
        self._flushed_bytes = bytes_written
        self._due_us = None
        self._token += 1
        return self._token

    def _is_due(self, mono_us: int, bytes_written: int) -> bool:
        is_old = self._due_us is not None and mono_us >= self._due_us
        return is_old or bytes_written - self._flushed_bytes >= self._bytes_max

    def done(self, token: int) -> bool:
        """Take note that a flush is over; say whether it is the one under way."""
        if token != self._token:
            return False
        self._is_under_way = False
        return True

    @property
    def next_deadline_us(self) -> int | None:
        """When a flush is due though nothing is written."""
        return None if self._is_under_way else self._due_us

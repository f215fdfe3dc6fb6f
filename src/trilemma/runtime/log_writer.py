"""The thread that puts a log's groups into files and syncs them, joining what arrives meanwhile (PROTOCOLS §6).

Owns what is on its way to the disk, which can be read all the while. Does not know what a group holds, nor which of the
segments are needed.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trilemma.base.limits import MIB, limit
from trilemma.runtime.segment_files import SegmentFiles
from trilemma.runtime.whole_write import write_whole

LAZY_SYNC_S = 0.05
"""How long a write that nobody waits for may stay unsynced, and how long after a sync the idle marker is written."""

UNWRITTEN_BYTES_MAX = limit(
    "log_unwritten_bytes_max",
    256 * MIB,
    "bytes",
    "what came while the disk was busy with what came before is held in memory",
    "the node stops: its disk does not keep up",
)


@dataclass(slots=True)
class PendingGroup:
    """Bytes on their way to a file; `header`: of the segment that they open."""

    token: int
    segment: int
    offset: int
    data: bytes
    header: bytes | None
    must_sync: bool
    release_before: int


class LogWriter:
    """The writer of one log; its thread runs from the start to `close`, or to the first failure.

    Args:
        on_synced: called on the thread with groups that are durable now, and everything before them.
        on_idle: called on the thread when all is durable and nothing more has come for a while, once: writes the idle
            marker, and returns the descriptor to be synced, None where there is nothing to mark.
        on_failed: called on the thread, once, with what went wrong.
    """

    def __init__(
        self,
        files: SegmentFiles,
        on_synced: Callable[[Sequence[PendingGroup]], None],
        on_idle: Callable[[], int | None],
        on_failed: Callable[[Exception], None],
    ) -> None:
        self._files = files
        self._on_synced = on_synced
        self._on_idle = on_idle
        self._on_failed = on_failed
        self._unwritten: deque[PendingGroup] = deque()
        self._wake = threading.Condition()
        self._queue: list[PendingGroup] = []
        self._queued_bytes = 0
        """Of what the disk was not asked to write yet."""
        self._is_busy = False
        """Whether the disk was asked for something, and has not answered."""
        self._is_closing = False
        self._is_unmarked = False
        """Something was synced since the last idle marker."""
        self._thread = threading.Thread(target=self._run, name="trilemma-log", daemon=True)
        self._thread.start()

    # The node's side

    def append(self, group: PendingGroup) -> None:
        """Take a group."""
        with self._wake:
            self._unwritten.append(group)
            self._queue.append(group)
            self._queued_bytes += len(group.data)
            self._wake.notify()

    @property
    def is_too_far_behind(self) -> bool:
        """Say whether more than is bearable came while the disk was busy; before it was asked, nothing is its fault."""
        return self._is_busy and self._queued_bytes > UNWRITTEN_BYTES_MAX

    def find(self, segment: int, offset: int) -> tuple[bytes, int] | None:
        """Return the bytes in memory that hold a place of a segment, and where in them; None where the file does."""
        with self._wake:
            for group in self._unwritten:
                if group.segment == segment and group.offset <= offset < group.offset + len(group.data):
                    return group.data, offset - group.offset
        return None

    def close(self) -> None:
        """Write and sync what there is, and end the thread."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join()

    # The thread

    def _run(self) -> None:
        try:
            while self._round():
                pass
        except Exception as problem:  # noqa: BLE001 - told to the node, which stops: else it would wait for ever
            self._on_failed(problem)

    def _round(self) -> bool:
        """Write what has come, sync it where somebody waits or time is up; return whether to go on."""
        with self._wake:
            idle_s = LAZY_SYNC_S if self._is_unmarked else None
            self._wake.wait_for(lambda: bool(self._queue) or self._is_closing, idle_s)
            groups = self._take_queue()
            closing = self._is_closing
        if not groups and self._is_unmarked:
            self._mark()
        if groups:
            self._write(groups)
            if not any(group.must_sync for group in groups) and not closing:
                groups += self._linger()
            self._sync(groups)
        return bool(groups) or not closing

    def _mark(self) -> None:
        """Have what was synced be known as durable to every later start, also where no group follows."""
        self._is_unmarked = False
        descriptor = self._on_idle()
        if descriptor is not None:
            os.fdatasync(descriptor)

    def _take_queue(self) -> list[PendingGroup]:
        """Take what has come; the lock is held."""
        groups, self._queue = self._queue, []
        self._queued_bytes = 0
        self._is_busy = self._is_busy or bool(groups)
        return groups

    def _linger(self) -> list[PendingGroup]:
        """Give writes that nobody waits for some company."""
        with self._wake:
            self._wake.wait_for(lambda: bool(self._queue) or self._is_closing, LAZY_SYNC_S)
            groups = self._take_queue()
        self._write(groups)
        return groups

    def _write(self, groups: Sequence[PendingGroup]) -> None:
        run: list[PendingGroup] = []
        for group in groups:
            if group.header is not None:
                self._write_run(run)
                run = []
                self._files.create(group.segment, group.header)
            run.append(group)
        self._write_run(run)

    def _write_run(self, run: Sequence[PendingGroup]) -> None:
        """Write groups that follow each other in one file."""
        if not run:
            return
        data = b"".join(group.data for group in run)
        write_whole(self._files.descriptor(run[0].segment), data, run[0].offset)

    def _sync(self, groups: Sequence[PendingGroup]) -> None:
        last = groups[-1]
        os.fdatasync(self._files.descriptor(last.segment))
        with self._wake:
            while self._unwritten and self._unwritten[0].token <= last.token:
                self._unwritten.popleft()
            self._is_busy = False
        self._is_unmarked = True
        self._on_synced(groups)
